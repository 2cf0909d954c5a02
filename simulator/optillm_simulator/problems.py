"""Problems with known truth, for measuring what a technique gains. The same seed gives the same problems."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

from optillm_simulator.characters import MODELS
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.functions import invent_function
from optillm_simulator.skills.invented_puzzles import invent_puzzle
from optillm_simulator.skills.invented_stories import invent_story
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import habit, truth

Family = Literal["arithmetic", "ordering", "functions"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its right answer, its family, and tests where the answer is a program.

    The answer is a number, a name, an ordinal, names in order, or the source of a function; a test is an
    assertion in Python that holds for that function. Run tests of foreign programs in a sandbox only.
    """

    question: str
    answer: str
    family: Family
    tests: list[str] = field(default_factory=list)

    def solved_by(self, reply: str) -> bool:
        """Whether a demo model's reply is right; a program by its shape, without running it."""
        task = read(self.question)
        return task is not None and stated_answer(reply, task) == truth(task)

    def hard_for(self, model: str) -> bool:
        """Whether this problem trips a demo model up in most samples, so that voting does not help."""
        task = read(self.question)
        return task is not None and habit(task, MODELS[model]) != truth(task)


def generate(
    family: Family, count: int, seed: int, *, easy_for: str | None = None, length: int | None = None
) -> list[Problem]:
    """`count` problems of a family; with `easy_for`, without those that are hard for that demo model.

    With `length`, sums are of so many turns and orders of so many people (3 to 8): the longer, the rarer is a
    sample that is right as a whole, though most of its steps are. Functions have no length.

    Some problems are hard for a model, the same ones in every call (`Character.hard`): there its samples err
    alike, as those of real models do, and voting gains less.
    """
    luck = random.Random(f"{family} {seed}")  # noqa: S311 - reproducible, not secret
    found: list[Problem] = []
    while len(found) < count:
        problem = _invented(family, luck, length)
        if easy_for is None or not problem.hard_for(easy_for):
            found.append(problem)
    return found


def _invented(family: Family, luck: random.Random, length: int | None) -> Problem:
    if family == "functions":
        question, answer, tests = invent_function(luck)
        return Problem(question, answer, family, tests)
    invent = invent_story if family == "arithmetic" else invent_puzzle
    return Problem(*invent(luck, length), family)
