"""Suites: questions by name, from installed packages.

A package offers suites as entry points of the group `optillm.suites`. Each is a function `(count, seed)` that returns
so many rows in the shape of a file's, the same ones for the same seed; a row's `score` may name a function of that
package. Beside them there are the data sets of reasoning-gym, if it is installed, with its own verifiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Final

from optillm.config.sources import SettingsError, nearest
from optillm.evals.questions import Question, questions_of
from optillm.evals.shapes import Row
from optillm.toolkit.answers import extract, strip_reasoning

GROUP: Final = "optillm.suites"
GYM: Final = "reasoning_gym"
VERIFIER: Final = f"{__name__}:verified"
GYM_ENTRY: Final = "reasoning_gym_entry"
GYM_NAME: Final = "reasoning_gym_dataset"


def suites(names: Sequence[str], count: int, seed: int) -> list[Question]:
    """Return so many questions of each suite.

    Their ids begin with the suite's name, which is also their group if they have none. Raises `SettingsError` for a
    suite that does not exist or cannot be used.
    """
    return questions_of(row for name in names for row in _rows(name, count, seed))


def _rows(name: str, count: int, seed: int) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(_generated(name, count, seed), start=1):
        identity = f"{name}/{row.get('id', number)}"
        yield identity, {"group": name, **row, "id": identity}


def _generated(name: str, count: int, seed: int) -> Iterable[Row]:
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            try:
                return list(entry.load()(count, seed))
            except Exception as error:  # a plugin may raise anything
                reason = f"{type(error).__name__}: {error}"
                raise SettingsError(f"the suite {name} ({entry.value}) cannot be used: {reason}") from error
    if find_spec(GYM) is not None and name in _gym_names():
        return list(_gym_rows(name, count, seed))
    raise SettingsError(_unknown(name))


def _unknown(name: str) -> str:
    names = sorted({entry.name for entry in entry_points(group=GROUP)})
    if find_spec(GYM) is None:
        hint = "for those of reasoning-gym run pip install '.[eval]' in a checkout"
    else:
        names, hint = [*names, *_gym_names()], "https://github.com/open-thought/reasoning-gym lists its own"
    there = f"there are {', '.join(names[:8])}; {hint}" if names else hint
    return f"unknown suite {name}{nearest(name, names, there)}"


# reasoning-gym.


def _gym_names() -> Sequence[str]:
    from reasoning_gym.factory import DATASETS

    return list(DATASETS)


def _gym_rows(name: str, count: int, seed: int) -> Iterator[Row]:
    import reasoning_gym

    for entry in reasoning_gym.create_dataset(name, size=count, seed=seed):
        row = {"question": entry["question"], "score": VERIFIER, GYM_NAME: name, GYM_ENTRY: entry}
        answer = entry.get("answer")
        yield {**row, "answer": str(answer)} if answer not in (None, "") else row


def verified(reply: str, row: Mapping[str, Any]) -> float:
    """Return the score of reasoning-gym's own verifier for a reply.

    The best of the stated answer, the last line and the whole reply counts. Its verifiers take an answer with nothing
    around it, and some fail at what is none.
    """
    text = strip_reasoning(reply).strip()
    answer = extract(text, row["question"])
    stated = {text, text.rpartition("\n")[2].strip(), "" if answer is None else answer.text}
    return max(_verdict(row, each) for each in stated)


def _verdict(row: Mapping[str, Any], answer: str) -> float:
    try:
        return float(_verifier(row[GYM_NAME])(answer=answer, entry=row[GYM_ENTRY]))
    except Exception:  # noqa: BLE001 - an answer that its verifier cannot read is not right
        return 0.0


@cache
def _verifier(name: str) -> Any:
    import reasoning_gym

    return reasoning_gym.get_score_answer_fn(name)
