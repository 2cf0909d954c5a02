"""The candidates of a trace document, each with its call, and their answers in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from optillm.chat import Reply
from optillm.toolkit.answers import clusters
from optillm.trace import CallSpan, Judgement, Shown, Trace

LONGEST_ANSWER: Final = 200
"""Characters of a final answer."""
NO_VOTE: Final = ("seed", "mended", "decoy", "shown")
"""Origins of candidates that are no votes for what they say."""


@dataclass(slots=True)
class Entry:
    """A candidate, where it came from and which call said it, as the choice with this number."""

    candidate: Shown
    origin: str
    call: int | None = None
    choice: int = 0
    group: int | None = None


class Roster:
    """All candidates of a trace by index, and others that judges or the client were shown.

    `ballots` maps calls to the numbers of their judgements, which are in `judgements`, each with its latest call.
    """

    def __init__(self, trace: Trace, returned: Sequence[Shown]) -> None:
        calls = list(trace.calls)
        self._by_reply = {
            id(reply): (call.id, choice) for call in calls for choice, reply in enumerate(call.replies)
        }
        self._by_text = {
            reply.text: (call.id, choice) for call in calls for choice, reply in enumerate(call.replies)
        }
        self._calls = {call.id: call for call in calls}
        self._others: dict[int, int] = {}
        self.entries: list[Entry] = []
        self.judgements: list[tuple[Judgement, CallSpan]] = []
        self.ballots: dict[int, int] = {}
        noted = list(trace.candidates)
        origins: dict[int, Entry] = {}
        for candidate, reply in noted:
            self.entries.append(self._noted(candidate, reply, origins))
            origins[id(reply)] = origins[id(candidate.reply)] = self.entries[-1]
        self._read_judgements(calls)
        self.returned = [self.index(candidate, "shown") for candidate in returned]

    def _noted(self, candidate: Shown, reply: Reply, earlier: dict[int, Entry]) -> Entry:
        """Return the entry of a candidate made of a reply, which may be an earlier one's."""
        before = earlier.get(id(reply))
        if before is not None:
            return Entry(candidate, "seed", before.call, before.choice)
        call_id, choice = self._by_reply.get(id(reply), (None, 0))
        return Entry(candidate, self._origin(call_id), call_id, choice)

    def _origin(self, call_id: int | None) -> str:
        call = None if call_id is None else self._calls[call_id]
        if call is None or call.payload is None:
            return "sample"
        if call.step is not None and call.step.name == "mend":
            return "mended"
        if call.name == "write":
            return "synthesis" if call.after else "answer"
        return "refinement" if call.after and call.payload.instruction else "sample"

    def _read_judgements(self, calls: Sequence[CallSpan]) -> None:
        numbers: dict[int, int] = {}
        for call in calls:
            judgement = call.judgement
            if judgement is None:
                continue
            number = numbers.setdefault(id(judgement), len(numbers))
            if number == len(self.judgements):
                self.judgements.append((judgement, call))
            else:  # the judge was asked again
                self.judgements[number] = (judgement, call)
            self.ballots[call.id] = number

    def index(self, candidate: Shown, origin: str = "decoy") -> int:
        """Return the number of a candidate; an unknown one is added, of this origin."""
        if self._is_noted(candidate):
            return candidate.index
        number = self._others.get(id(candidate.reply))
        if number is None:
            number = self._others[id(candidate.reply)] = len(self.entries)
            call_id, choice = self._by_text.get(candidate.reply.text, (None, 0))
            self.entries.append(Entry(candidate, origin, call_id, choice))
        return number

    def _is_noted(self, candidate: Shown) -> bool:
        if not 0 <= candidate.index < len(self.entries):
            return False
        return self.entries[candidate.index].candidate.reply is candidate.reply

    def of_call(self, call_id: int) -> list[int]:
        """Return the numbers of the candidates that came of a call."""
        return [
            number
            for number, entry in enumerate(self.entries)
            if entry.call == call_id and entry.origin != "seed"
        ]

    def groups(self, *, content: bool) -> list[dict[str, Any]]:
        """Return the candidates in groups that give the same answer, or the same text.

        The entries then know their groups.
        """
        voters = [number for number, entry in enumerate(self.entries) if entry.origin != "decoy"]
        groups = self._grouped(voters)
        chosen = self.returned[:1]
        wire = []
        for number, group in enumerate(groups):
            for index in group:
                self.entries[index].group = number
            wire.append(
                {
                    "id": number,
                    "answer": self.answer(group[0]) if content else None,
                    "candidates": group,
                    "votes": self._votes(group),
                    "chosen": any(index in group for index in chosen),
                }
            )
        return wire

    def _grouped(self, numbers: Sequence[int]) -> list[list[int]]:
        answered = [number for number in numbers if self.entries[number].candidate.answer is not None]
        answers = [self.entries[number].candidate.answer for number in answered]
        groups = [[answered[position] for position in group] for group in clusters(answers)]
        by_text: dict[str, list[int]] = {}
        for number in numbers:
            candidate = self.entries[number].candidate
            if candidate.answer is None:
                by_text.setdefault(candidate.text.strip(), []).append(number)
        return sorted([*groups, *by_text.values()], key=lambda group: (-self._votes(group), group[0]))

    def _votes(self, group: Sequence[int]) -> int:
        return sum(self.entries[number].origin not in NO_VOTE for number in group)

    def answer(self, number: int) -> str | None:
        """Return the final answer of a candidate as it states it, `None` for a free-form text."""
        answer = self.entries[number].candidate.answer
        return None if answer is None else shortened(answer.text, LONGEST_ANSWER)

    def wire(self, scores: dict[int, float], *, content: bool) -> list[dict[str, Any]]:
        """Return the candidates; call `groups` before."""
        return [
            {
                "index": number,
                "call": entry.call,
                "choice": entry.choice,
                "answer": self.answer(number) if content else None,
                "group": entry.group,
                "complete": entry.candidate.complete,
                "text": entry.candidate.text if content else None,
                "origin": entry.origin,
                "score": scores.get(number),
            }
            for number, entry in enumerate(self.entries)
        ]


def shortened(text: str, length: int) -> str:
    """Return at most so many characters of a text."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
