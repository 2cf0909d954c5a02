"""Problems with known answers, for measuring what a technique gains.

The same seed gives the same problems.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

from optillm_simulator.error_models import MODELS
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.functions import invent_function
from optillm_simulator.skills.invented_puzzles import invent_puzzle
from optillm_simulator.skills.invented_stories import invent_story
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import habit, truth

Family = Literal["arithmetic", "ordering", "functions"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its correct answer, its family, and tests if the answer is a program.

    The answer is a number, a name, an ordinal, names in order, or the source of a function. A test is a Python
    assertion that holds for that function. Run tests of foreign programs only in a sandbox.
    """

    question: str
    answer: str
    family: Family
    tests: list[str] = field(default_factory=list)

    def solved_by(self, reply: str) -> bool:
        """Return whether a demo model's reply is correct. Programs are compared by shape and never run."""
        task = read(self.question)
        return task is not None and stated_answer(reply, task) == truth(task)

    def hard_for(self, model: str) -> bool:
        """Return whether a demo model gets this problem wrong in most samples, so that voting does not help."""
        task = read(self.question)
        return task is not None and habit(task, MODELS[model]) != truth(task)


def generate(
    family: Family, count: int, seed: int, *, easy_for: str | None = None, length: int | None = None
) -> list[Problem]:
    """Return `count` problems of a family; with `easy_for`, none that are hard for that demo model.

    `length` is the number of turns of a sum or of people in an order (3 to 8). The longer a problem, the rarer a
    sample that is correct as a whole, although most of its steps are. Functions have no length.

    Some problems are hard for a model, and these are the same in every call (`ErrorModel.hard`). There its samples
    share one error, as those of real models do, and voting gains less.
    """
    rng = random.Random(f"{family} {seed}")  # noqa: S311 - reproducible, not secret
    problems: list[Problem] = []
    while len(problems) < count:
        problem = _invented(family, rng, length)
        if easy_for is None or not problem.hard_for(easy_for):
            problems.append(problem)
    return problems


def _invented(family: Family, rng: random.Random, length: int | None) -> Problem:
    if family == "functions":
        question, answer, tests = invent_function(rng)
        return Problem(question, answer, family, tests)
    invent = invent_story if family == "arithmetic" else invent_puzzle
    return Problem(*invent(rng, length), family)
