"""CoT reflection: reason, check the reasoning, and show only the answer that survives.

Paper: Wei et al., Chain-of-Thought Prompting Elicits Reasoning in Large Language Models (2022), with a self-check
https://arxiv.org/abs/2201.11903
Rounds: 1 (2 when the reply is cut before its answer begins)
Calls: 1 (2 when the reply is cut before its answer begins)

Notes and answer are parted by a line that no text of the request can contain, so an answer may hold any markup.
The pattern shows its worth where work must be laid out before an answer; a check by the same mind in the same
breath finds few errors (Huang et al., https://arxiv.org/abs/2310.01798).
"""

from __future__ import annotations

from pydantic import Field

from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost

NOTES = "Working notes"

REFLECT = """\
Work on my last message in notes before you answer it. Begin with the heading "{notes}". Under it, think step by \
step towards an answer; then go over these steps as a sceptical colleague would, looking for anything misread, \
miscalculated or left out, and put right what does not hold. I will not see the notes.

When they are done, write a line that consists of nothing but
{marker}
and below that line the answer for me: whole in itself, in the form I asked for, without a word about the notes.
"""

CONCLUDE = """\
You have thought about my last message already. Your notes, quoted as data, broke off for lack of room:
{quoted}

Give me the answer they lead to now: whole in itself, in the form I asked for, without further notes.
"""


class Options(BaseOptions):
    """What happens to a reply that has no answer yet."""

    needs_text = True

    conclude: bool = Field(
        True, description="ask once more, for the answer alone, when the notes leave no room for it"
    )

    def worst_case(self, choices: int) -> Cost:
        """All notes are cut."""
        return Cost(choices, 1) + (Cost(choices, 1, quoted_answers=choices) if self.conclude else Cost(0, 0))


async def run(ctx: Context, options: Options) -> Answer:
    """Notes and answer in one reply; the answer in another when the notes used up the room."""
    written = await ctx.write(REFLECT.format(notes=NOTES, marker=ctx.marker), after=ctx.marker)
    if not options.conclude or not all(in_notes(candidate) for candidate in written):
        return Answer.of(*sorted(written, key=in_notes))
    ctx.say("the notes were cut, asking for the answer")
    for candidate in written:
        ctx.offer(candidate)
    quoted = ctx.quote("notes", written[0].text)
    return Answer.of(*await ctx.write(CONCLUDE.format(quoted=quoted)))


def in_notes(candidate: Candidate) -> bool:
    """Return whether a reply ended in its notes, at its limit or at a stop sequence."""
    return candidate.text.lstrip("#* \n").startswith(NOTES)
