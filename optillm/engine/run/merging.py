"""How the answers of parallel branches become one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optillm.chat import Merge
from optillm.engine.run.context import RequestContext
from optillm.technique import Answer, Candidate, Cost
from optillm.techniques import Technique


@dataclass(frozen=True, slots=True)
class Merging:
    """A request's rule for its parallel branches, and the technique that selects among them."""

    rule: Merge
    selector: Technique

    def choices(self, branches: int, requested: int) -> int:
        """Return how many choices a request has whose answer is that of so many branches."""
        return max(branches, requested) if self.rule == "choices" else requested

    def ends_with(self, answer: Answer) -> bool:
        """Return whether the other branches need not be waited for once one has given this answer."""
        return self.rule == "first" and answer.stop == "settled"

    def cost(self, branches: int, choices: int) -> Cost:
        """Return the most that merging can cost.

        The selector's own samples cost nothing where there is an answer to take for each of them.
        """
        if self.rule != "select":
            return Cost(choices - 1, min(choices - 1, 1))
        count = min(max(branches, choices), self.selector.most_selected)
        cost = self.selector.selecting(count).worst_case(choices)
        return cost if choices > 1 else replace(cost, calls=cost.calls - count, rounds=cost.rounds - 1)

    async def merged(self, answers: Sequence[Answer], first: Answer, ctx: RequestContext) -> Answer:
        """Return one answer for those of the branches, in the order written.

        `first` arrived before the others.
        """
        if len(answers) == 1:
            return answers[0]
        best = [answer.candidates[0] for answer in answers]
        others = [candidate for answer in answers for candidate in answer.candidates[1:]]
        if self.rule == "choices":
            return Answer.of(*best, *others)
        if self.rule == "first":
            return next((answer for answer in answers if self.ends_with(answer)), first)
        candidates = _distinct([*best, *others])[: max(len(_distinct(best)), ctx.choices)]
        options = self.selector.selecting(min(len(candidates), self.selector.most_selected))
        selected = await self.selector.run(ctx.seeded(candidates), options)
        return replace(selected, stop="complete")


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates without those that branches share."""
    return list({candidate.index: candidate for candidate in candidates}.values())
