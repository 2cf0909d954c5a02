"""The shapes of well-known data sets, brought into our own.

Our own shape is a row with `question` or `messages`, and `answer` or `answers`; beside them `choices`, `id`, `system`,
`score`, `group`, and whatever a scorer reads (`tests`, `schema`). A row of another shape is recognised by its fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Row = Mapping[str, Any]

_LETTERS: Final = ("A", "B", "C", "D", "E", "F", "G", "H", "I", "J")
_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s*\{")
PROGRAM: Final = """\
Complete this Python function. Reply with the whole function, its imports included, in one fenced block.

```python
{prompt}
```"""
TASK: Final = """\
{prompt}

Write it in Python, in one fenced block. It has to pass tests such as this one:

```python
{test}
```"""


def normalised(row: Row) -> Row:
    """Return a row in our own shape; one that is of no known shape comes back as it is."""
    present = {name: value for name, value in row.items() if value is not None and value != ""}
    for shape in SHAPES:
        fields = shape(present)
        if fields is not None:
            return {**present, **fields}
    return present


def gsm8k(row: Row) -> Row | None:
    """GSM8K: the answer is a solution, whose last line is `#### 72`."""
    answer = row.get("answer")
    if "question" not in row or not isinstance(answer, str) or "\n####" not in f"\n{answer}":
        return None
    return {"answer": answer.rpartition("####")[2].strip(), "solution": answer}


def math(row: Row) -> Row | None:
    """MATH: a `problem` whose `solution` has its answer in a box, unless there is an `answer`."""
    problem, solution = row.get("problem"), row.get("solution")
    if not isinstance(problem, str) or "question" in row:
        return None
    answer = row.get("answer", boxed(solution) if isinstance(solution, str) else None)
    return _some(
        question=problem,
        answer=answer,
        id=row.get("id", row.get("unique_id")),
        group=row.get("group", row.get("subject", row.get("type"))),
    )


def boxed(solution: str) -> str | None:
    r"""Return what is in the last `\boxed{…}` of a solution, or `None`.

    It may have braces inside.
    """
    boxes = list(_BOX.finditer(solution))
    if not boxes:
        return None
    start, depth = boxes[-1].end(), 1
    for index in range(start, len(solution)):
        depth += {"{": 1, "}": -1}.get(solution[index], 0)
        if not depth:
            return solution[start:index]
    return None


def lettered(row: Row) -> Row | None:
    """MMLU as a table: the options are the columns A, B, C and so on, the answer is a letter."""
    letters = [letter for letter in _LETTERS if letter in row]
    if "question" not in row or "choices" in row or len(letters) < 2:
        return None
    return _some(choices=[str(row[letter]) for letter in letters], group=row.get("group", row.get("subject")))


def labelled(row: Row) -> Row | None:
    """ARC: `choices` with a `text` and a `label` each, and the right label as `answerKey`."""
    choices, key = row.get("choices"), row.get("answerKey")
    if not isinstance(choices, Mapping) or key is None:
        return None
    texts, labels = choices.get("text"), choices.get("label")
    if not isinstance(texts, Sequence) or not isinstance(labels, Sequence) or key not in labels:
        return None
    return {"choices": list(texts), "answer": _LETTERS[list(labels).index(key)]}


def mmlu(row: Row) -> Row | None:
    """MMLU as JSON: a list of `choices`, the answer's index, and a `subject`."""
    if "question" not in row or not isinstance(row.get("choices"), list) or "subject" not in row:
        return None
    return {"group": row.get("group", row["subject"])}


def humaneval(row: Row) -> Row | None:
    """HumanEval: a `prompt` to complete, and a `test` of the function `entry_point`."""
    prompt, test, name = row.get("prompt"), row.get("test"), row.get("entry_point")
    if not (isinstance(prompt, str) and isinstance(test, str) and isinstance(name, str)):
        return None
    return _some(
        question=PROGRAM.format(prompt=prompt.strip("\n")),
        tests=f"{test}\ncheck({name})",
        score=row.get("score", "python"),
        id=row.get("id", row.get("task_id")),
    )


def mbpp(row: Row) -> Row | None:
    """MBPP: a task in words, and a `test_list` of assertions."""
    prompt, tests = row.get("prompt", row.get("text")), row.get("test_list")
    if not isinstance(prompt, str) or not isinstance(tests, list) or not tests:
        return None
    return _some(
        question=TASK.format(prompt=prompt, test=tests[0]),
        tests="\n".join([*map(str, row.get("test_imports", ())), *map(str, tests)]),
        score=row.get("score", "python"),
        id=row.get("id", row.get("task_id")),
    )


SHAPES: Final[Sequence[Callable[[Row], Row | None]]] = (
    humaneval,
    mbpp,
    math,
    gsm8k,
    labelled,
    mmlu,
    lettered,
)


def _some(**fields: Any) -> Row:
    return {name: value for name, value in fields.items() if value is not None}
