"""The scorer of replies that are Python programs: unit tests, run in the sandbox."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from optillm import sandbox
from optillm.evals.questions import Question
from optillm.evals.scorers.contract import Mark, ScoringError, Tools
from optillm.toolkit.answers import strip_reasoning
from optillm.toolkit.programs.code import programs

OUR_FAULT: Final = ("busy", "unavailable")
"""Failures of the sandbox that say nothing of a program."""


@dataclass(frozen=True, slots=True)
class Python:
    """The reply's program passes the question's `tests`.

    Tests are statements that raise unless the program is right. `seconds` is what program and tests may take
    together. What the sandbox refuses to run cannot be scored.
    """

    seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what is no limit; raises `ValueError`."""
        sandbox.SandboxLimits(wall=self.seconds)

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        tests = question.row.get("tests")
        if isinstance(tests, list):
            tests = "\n".join(map(str, tests))
        return None if isinstance(tests, str) and tests.strip() else "it has no tests for the scorer python"

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Run a reply's program and the tests."""
        passed = (
            f"passed {secrets.token_hex(8)}"  # a word that the program cannot know, and so not print itself
        )
        tests = question.row["tests"]
        tests = "\n".join(map(str, tests)) if isinstance(tests, list) else tests
        program = f"{_program(question, reply)}\n{tests}\nprint({passed!r})\n"
        solved = await sandbox.solve("sympy", program, sandbox.SandboxLimits(wall=self.seconds))
        if solved.error is not None and solved.error.kind in (*OUR_FAULT, "refused"):
            raise ScoringError(f"the sandbox did not run the program: {solved.error.message}")
        return Mark.of(solved.ok and solved.output.endswith(f"{passed}\n"))


def _program(question: Question, reply: str) -> str:
    """Return a reply's program.

    If it only continues a prompt of code, the prompt is put in front of it.
    """
    blocks = [block.content for block in programs(strip_reasoning(reply))]
    program = "\n\n".join(blocks) if blocks else strip_reasoning(reply)
    prompt, name = question.row.get("prompt"), question.row.get("entry_point")
    if isinstance(prompt, str) and isinstance(name, str) and f"def {name}" not in program:
        return f"{prompt.rstrip()}\n{program}"
    return program
