"""From a request to its work: techniques with valid options, composed, or a plain relay."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from optillm.chat import NONE, ChatRequest, Grant
from optillm.config.problems import problems
from optillm.engine.plan.expression import Expression, Step, parse, split
from optillm.engine.run.composition import Stage, Work
from optillm.errors import InvalidRequest, PermissionDenied
from optillm.technique import BaseOptions
from optillm.techniques import Technique

AUTO: Final = "auto"
MOST_STAGES: Final = 16

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
"""The sampling values that a technique can work with; those of a plain call are for the upstream to judge."""
SEEDS: Final = 2**63  # of 64 bits; calls add a little to a seed, and it has to stay one

_WORD = re.compile(r"(?<![=\[,\w.])[A-Za-z]\w*(?![\w.]*=)")  # a slug, not the name or the value of an option


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done for a request: `work` is `None` for a plain relay to `model`.

    `bypassed` is why a request that names a technique gets a plain relay after all: `background` or `modalities`.
    """

    model: str
    work: Work | None = None
    bypassed: str | None = None


class Planner:
    """Turns requests into plans.

    `defaults` are the operator's options by slug, `approach` theirs for all.
    """

    def __init__(
        self, techniques: Mapping[str, Technique], defaults: Mapping[str, Mapping[str, Any]], approach: str
    ) -> None:
        self.techniques = techniques
        self.defaults = defaults
        self.approach = None if approach == AUTO else approach
        if self.approach is not None:
            self._work(parse(self.approach, techniques), {})  # a bad --approach ends the start

    def plan(self, request: ChatRequest) -> Plan:
        """Return the plan for a request.

        Its field or tag goes before the slug, the slug before the operator's approach.
        """
        expression, model = self._split(request.model)
        requested = request.approach if request.approach != AUTO else None
        field = "model" if requested is None else request.approach_field
        if requested is not None or self.approach is not None:
            expression = parse(requested or self.approach or NONE, self.techniques, field)
        for slug in request.options:
            if slug not in self.techniques:
                listed = ", ".join(self.techniques)
                raise InvalidRequest(
                    f"unknown technique {slug!r}; known: {listed}", param=f"optillm.options.{slug}"
                )
        work = None if expression is None else self._work(expression, request.options)
        check_grant(request.grant, work, field)
        if work is None:
            return Plan(model)
        if sum(1 for _ in work.leaves()) > MOST_STAGES:
            raise InvalidRequest(f"a composition has at most {MOST_STAGES} techniques", param=field)
        check_sampling(request.body)
        return Plan(model, work)

    def read(self, model: str) -> Plan:
        """Return the plan that a model's name alone asks for, with the operator's options."""
        expression, plain = self._split(model)
        return Plan(plain, None if expression is None else self._work(expression, {}))

    def _split(self, model: str) -> tuple[Expression | None, str]:
        """Split a model's name into the expression in front, if any, and the model.

        No expression is read if the operator set an approach for all requests.
        """
        return (None, model) if self.approach else split(model, self.techniques)

    def suggestion(self, model: str) -> str | None:
        """Return the model name that was probably meant, if it begins almost with a slug."""
        for slug in self.techniques:  # a slug written with dashes would be cut at the first one
            dashed = f"{slug.replace('_', '-')}-"
            if "_" in slug and model.lower().startswith(dashed) and model != dashed:
                return f"{slug}-{model[len(dashed) :]}"
        head, dash, rest = model.partition("-")
        corrected = _WORD.sub(self._nearest, head)
        if not (dash and rest) or corrected == head:
            return None
        name = f"{corrected}-{rest}"
        return name if split(name, self.techniques)[0] else None

    def _nearest(self, word: re.Match[str]) -> str:
        close = difflib.get_close_matches(word[0].lower(), [*self.techniques, NONE], n=1, cutoff=0.65)
        return close[0] if close else word[0]

    def advice(self, model: str) -> str | None:
        """Return a hint about an unknown model name, if it looks like a technique."""
        alone = model.removesuffix("-").lower()
        if split(f"{alone}-m", self.techniques)[1] == "m":
            return f"{alone!r} is a technique without a model: write '{alone}-<model>'"
        suggestion = self.suggestion(model)
        return None if suggestion is None else f"did you mean {suggestion!r}?"

    def _work(self, expression: Expression, chosen: Mapping[str, Mapping[str, Any]]) -> Work | None:
        """Return the work that an expression asks for, if any."""
        return expression.mapped(lambda step: self._stage(step, chosen))

    def _stage(self, step: Step, chosen: Mapping[str, Mapping[str, Any]]) -> Stage | None:
        """Return the technique that a step names, with valid options.

        Returns `None` for `none`, which adds nothing.
        """
        if step.slug == NONE:
            return None
        technique = self.techniques[step.slug]
        values = {
            **self.defaults.get(step.slug, {}),
            **_typed(technique, chosen.get(step.slug, {})),
            **step.arguments,
        }
        try:
            return Stage(technique, technique.Options.model_validate(values))
        except ValidationError as error:
            raise _refusal(technique, error) from None


def check_sampling(body: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` for a value that no call could be made with.

    Its `param` is the field.
    """
    for name, (low, high) in RANGES.items():
        value = body.get(name)
        if value is not None and (type(value) not in (int, float) or not low <= value <= high):
            raise InvalidRequest(f"{name} must be a number from {low} to {high}", param=name)
    seed = body.get("seed")
    if seed is not None and (type(seed) is not int or not -SEEDS <= seed < SEEDS):
        raise InvalidRequest("seed must be an integer of 64 bits", param="seed")


def check_grant(grant: Grant, work: Work | None, field: str) -> None:
    """Refuse work that the sender's key may not ask for; `None` is none, a plain relay."""
    used = {stage.technique.slug for stage in work.leaves()} if work else set()
    refused = sorted(used - grant.techniques) if grant.techniques is not None else []
    if not refused and (work is not None or grant.plain):
        return
    others = sorted(grant.techniques) if grant.techniques is not None else ["all"]
    problem = f"may not use {', '.join(refused)}" if refused else "may not do without a technique"
    raise PermissionDenied(
        f"This key {problem}; techniques it may use: {', '.join(others) or 'none'}",
        param=field,
        code="technique_not_allowed",
    )


def _typed(technique: Technique, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a request, whose JSON tells text from numbers.

    A slug's arguments are all text.
    """
    if not chosen:
        return {}
    try:
        options = _strict(technique.Options).model_validate_json(orjson.dumps(chosen))
    except ValidationError as error:
        raise _refusal(technique, error) from None
    return {name: getattr(options, name) for name in chosen}


@cache
def _strict(options: type[BaseOptions]) -> type[BaseModel]:
    """The same options, without conversions and without rules that join several of them."""
    fields: dict[str, Any] = {
        name: (declared.annotation, declared) for name, declared in options.model_fields.items()
    }
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return create_model("StrictOptions", __config__=config, **fields)


def _refusal(technique: Technique, error: ValidationError) -> InvalidRequest:
    """Say which option is wrong first, wherever it was written, and what it may be."""
    first = problems(error)[0]
    name = first.name
    if first.kind == "unknown":
        problem = f"no such option; known: {', '.join(technique.Options.model_fields)}"
    else:
        reason = first.reason or first.message
        problem = f"{reason[:1].lower()}{reason[1:]}, not {first.value!r}"
    return InvalidRequest(
        f"option {name!r} of {technique.slug!r}: {problem}",
        param=f"optillm.options.{technique.slug}.{name}",
    )
