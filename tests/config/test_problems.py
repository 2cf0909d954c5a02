"""What is wrong with a value, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from optillm.config.problems import Problem, explain_file, explain_table, problems


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(default=1, ge=1)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    count: int = Field(default=1, ge=1, le=9)
    inner: Inner = Inner()

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 3:
            raise ValueError("a name has up to 3 letters")
        return name

    @model_validator(mode="after")
    def _agree(self) -> Table:
        if self.name == "one" and self.count != 1:
            raise ValueError("one is not many")
        return self


def refused(value: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(value)
    return caught.value


def fields(path: Sequence[str]) -> Iterable[str]:
    return Inner.model_fields if path else Table.model_fields


def test_each_problem_has_its_path_and_our_words_where_there_are_any() -> None:
    listed = problems(refused({"name": "long", "count": 10, "inner": {"sise": 1}}))
    assert listed == [
        Problem(("name",), "invalid", "a name has up to 3 letters", listed[0].message, "long"),
        Problem(("count",), "invalid", None, "Input should be less than or equal to 9", 10),
        Problem(("inner", "sise"), "unknown", None, listed[2].message, 1),
    ]
    assert [problem.name for problem in listed] == ["name", "count", "inner"]


def test_a_value_as_a_whole_has_no_path() -> None:
    (problem,) = problems(refused({"name": "one", "count": 2}))
    assert (problem.path, problem.name, problem.reason) == ((), "", "one is not many")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"nam": "a"}, "`name` is missing; unknown key `nam`; did you mean `name`?"),
        ({"name": "long"}, "`name`: a name has up to 3 letters"),
        ({"name": "a", "count": "sk-secret"}, "`count` is not an integer from 1 to 9"),
        ({"name": "one", "count": 2}, "one is not many"),
        ("sk-secret", "it is not a table"),
    ],
)
def test_all_that_is_wrong_with_a_table_is_said_without_its_values(value: Any, line: str) -> None:
    assert explain_table(refused(value), Table) == line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"name": "a", "cuont": 1}, "unknown field `cuont`; did you mean `count`?"),
        ({"name": "a", "inner": {"sise": 1}}, "unknown field `inner.sise`; did you mean `size`?"),
        ({"name": "long", "count": 10}, "name: a name has up to 3 letters"),
        ({"name": "a", "count": 10}, "count: Input should be less than or equal to 9"),
    ],
)
def test_the_first_thing_that_is_wrong_with_a_file_is_said_by_its_path(value: Any, line: str) -> None:
    assert explain_file(refused(value), fields) == line
