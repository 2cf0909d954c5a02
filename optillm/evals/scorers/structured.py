"""The scorer of replies that are JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

from optillm.evals.questions import Question
from optillm.evals.scorers.contract import Mark, Tools
from optillm.toolkit.answers import canonical_json, strip_reasoning
from optillm.toolkit.answers.jsontext import parse_json
from optillm.toolkit.schema.bare_json import bare_json


@dataclass(frozen=True)
class Json:
    """The reply is JSON, fits the schema if there is one, and equals the answer if there is one.

    `schema` is the path of a file; a question may have a `schema` of its own.
    """

    schema: str | None = None
    _schema: Any = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the schema; raises `ValueError` if it is none."""
        if self.schema is None:
            return
        try:
            schema = json.loads(Path(self.schema).read_text(encoding="utf-8"))
            jsonschema_rs.validator_for(schema)
        except (OSError, ValueError) as error:
            raise ValueError(f"json: {self.schema}: {str(error).splitlines()[0]}") from None
        object.__setattr__(self, "_schema", schema)

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        try:
            if (schema := self._schema_of(question)) is not None:
                jsonschema_rs.validator_for(schema)
            for answer in question.answers:
                parse_json(answer)
        except ValueError as error:
            return f"its schema or its answer is not usable: {str(error).splitlines()[0]}"
        return None

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Check the JSON of a reply; layout and the order of keys do not count."""
        try:
            value = parse_json(bare_json(strip_reasoning(reply).strip()))
        except ValueError:
            return Mark.of(False)
        schema = self._schema_of(question)
        if schema is not None and not jsonschema_rs.validator_for(schema).is_valid(value):
            return Mark.of(False)
        rights = [canonical_json(parse_json(answer)) for answer in question.answers]
        return Mark.of(not rights or canonical_json(value) in rights)

    def _schema_of(self, question: Question) -> Any:
        return question.row.get("schema", self._schema)
