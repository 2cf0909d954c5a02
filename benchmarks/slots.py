"""How long techniques take on a local model server with a few slots, compared with what their own tokens need.

    python -m benchmarks.slots [--requests 16] [--slots 8] [--quiet 1] [technique …]

All requests of a row are made at once, each with a question of its own, on the virtual clock of the tests. The
table is the same on every machine, except for the last digit if calls that are due at the same moment change order.
The server is modelled on llama.cpp's (`tests/slots.py`). Calls without a slot wait; eight slots together generate
96 tokens a second, one alone 40. If the connection of a reply that is not streamed is closed, generation goes on
until the server has sent nothing to anybody for `--quiet` seconds; while other clients stream, that is never:
`inf`. The texts are those of the demo model, stretched to the lengths of a small real one, some to the limit.

Prints a Markdown table. "ideal" is the time that the useful calls need with all slots busy, prompts included.
"wasted" is the share of all tokens that belong to calls which ended before their reply was complete; "after
leaving" is the share generated when nobody waited for it any more. "busy after" is how long slots were busy after
the last answer. "hedged" counts calls made again beside silent ones; "failed" counts requests that end with an
error or a degraded answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

from optillm_simulator.error_models import SMALL, choice_rng
from optillm_simulator.problems import Family, generate
from optillm_simulator.roles.dispatch import respond

from benchmarks.machine import table
from optillm.chat import Completion, Relay, content_text
from optillm.engine.call.ledger import reply_limit
from tests.fakes import Sent
from tests.slot_wire import Reply
from tests.slots import SlotWorld

SEED: Final = 20_261
PLAIN: Final = "plain"
TECHNIQUES: Final = (
    *(PLAIN, "bon", "moa", "self_consistency", "pvg", "mcts", "rto", "rstar", "re2", "cot_reflection"),
)
PROGRAMS: Final = ("rto",)
"""Techniques that are given tasks about programs."""
CONTEXT: Final = 2048
QUIET: Final = 1.0
"""Seconds without anything sent after which llama.cpp checks whether its clients are still connected."""

CHARACTERS: Final = 4
WORDY: Final = 2.0
SPREAD: Final = 0.6
"""A reply has `WORDY` times the tokens of the demo model's, times a log-normal factor with this deviation."""
RAMBLING: Final = 0.04
"""The share of replies that repeat their end up to their limit, as those of small models do."""
RAMBLING_TOKENS: Final = 512
"""Tokens of such a reply if the call sets no limit."""


def speak(sent: Sent) -> Reply:
    """Return what the demo model says, in as many tokens as a small real model would need.

    At temperature 0 the same prompt gets the same reply, of the same length.
    """
    turns = [(message["role"], content_text(message)) for message in sent.body["messages"]]
    temperature = sent.body.get("temperature", 1.0)
    seed = sent.body.get("seed", sent.number if temperature else 0)
    rng = choice_rng(SMALL.name, turns, seed=seed, temperature=temperature, index=sent.choice)
    text = respond(turns, SMALL, rng, sent.body.get("response_format"))
    tokens = int(len(text) / CHARACTERS * WORDY * exp(rng.gauss(0.0, SPREAD)))
    if rng.random() < RAMBLING:
        tokens = reply_limit(sent.body) or RAMBLING_TOKENS
        text += "\n" + text[-CHARACTERS * 10 :] * (tokens // 10)
    return Reply(text, tokens=max(1, tokens))


class Served(SlotWorld):
    """A local model server that counts hedged calls."""

    def __init__(self, slots: int, quiet: float) -> None:
        super().__init__(speak, slots=slots, n_ctx=CONTEXT, quiet=quiet)
        self.engine.runs._secret = bytes(32)  # else the order of candidates differs from run to run

    @property
    def hedged(self) -> int:
        """How many calls were made again beside silent ones."""
        spans = [span for record in self.records if record.trace for span in record.trace.calls]
        return sum(span.attributes.get("optillm.repetitions", 0) for span in spans)


@dataclass(frozen=True)
class Outcome:
    """The outcome of requests that were made at once."""

    world: Served
    failed: int

    def row(self, name: str) -> tuple[str, ...]:
        """Return one line of the table."""
        world, books = self.world, self.world.books
        return (
            name,
            f"{world.seconds:.1f}",
            f"{world.ideal_seconds:.1f}",
            f"{world.seconds / world.ideal_seconds:.2f}",
            f"{len(world.sent)}",
            f"{books.generated:,}",
            f"{books.abandoned / books.generated:.1%}",
            f"{books.zombies / books.generated:.1%}",
            f"{max(0.0, books.idle_at - world.seconds):.1f}",
            f"{world.hedged}",
            f"{self.failed}",
        )


HEAD: Final = (
    *("technique", "seconds", "ideal, s", "ratio", "calls", "tokens", "wasted", "after leaving"),
    *("busy after, s", "hedged", "failed"),
)


def measured(technique: str, requests: int, slots: int, quiet: float) -> Outcome:
    """Make this many requests at once, each with another question."""
    family: Family = "functions" if technique in PROGRAMS else "arithmetic"
    model = SMALL.name if technique == PLAIN else f"{technique}-{SMALL.name}"
    world = Served(slots, quiet)
    questions = [problem.question for problem in generate(family, requests, SEED)]
    answers = world.at_once([(model, question) for question in questions])
    return Outcome(world, sum(map(failed, answers)))


def failed(answer: object) -> bool:
    """Return whether a request got an error, or an answer that did not run its course."""
    if isinstance(answer, Relay):
        return answer.status >= 400
    return not isinstance(answer, Completion) or answer.report.stop_reason not in ("complete", "settled")


def measure(techniques: Sequence[str], requests: int, slots: int, quiet: float = QUIET) -> None:
    """Print the table of these techniques."""
    print(f"\n{requests} requests at once, {slots} slots, {quiet:g} s of quiet")
    table(HEAD, (measured(name, requests, slots, quiet).row(name) for name in techniques))


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--quiet", type=float, default=QUIET)
    parser.add_argument(
        "techniques", nargs="*", help="by default plain and all but z3, which keeps real time"
    )
    options = parser.parse_args()
    measure(options.techniques or TECHNIQUES, options.requests, options.slots, options.quiet)


if __name__ == "__main__":
    main()
