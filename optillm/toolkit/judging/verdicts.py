"""Read verdicts of judges tolerantly.

An unreadable one is `None`, an abstention, never a default. `read` tries, in this order: the whole reply as JSON, the
last JSON object in it, that object repaired, and for the verdicts of this module the ways in which models put them into
words (see `phrases`). `forms` has how judges are asked for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeVar

import json_repair
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from optillm.toolkit.answers.typography import plain
from optillm.toolkit.judging import phrases
from optillm.toolkit.thoughts import strip_reasoning

V = TypeVar("V", bound=BaseModel)


def _on_ballot(label: str, info: ValidationInfo) -> str:
    """Return a label if it is on the ballot, else raise.

    The validation context holds the ballot's labels, if known.
    """
    labels = info.context
    if labels and label not in set(labels):
        raise ValueError("no such label on the ballot")
    return label


AnyLabel = Annotated[str, BeforeValidator(phrases.label)]
Label = Annotated[AnyLabel, AfterValidator(_on_ballot)]


def _ranked(ranking: list[str], info: ValidationInfo) -> list[str]:
    """Return each label on the ballot once; raise if the best one is not on it."""
    on_ballot, best = info.context or ranking, _on_ballot(ranking[0], info)
    return [best, *(label for label in dict.fromkeys(ranking) if label in on_ballot and label != best)]


class Verdict(BaseModel):
    """The base of verdicts: frozen, and ignoring reasons beside the verdict."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Ranking(Verdict):
    """Labels of candidates, the best first; possibly not all.

    If one is repeated, its first mention counts.
    """

    ranking: Annotated[
        Annotated[list[AnyLabel], Field(min_length=1)],
        BeforeValidator(phrases.listed),
        AfterValidator(_ranked),
    ] = Field(validation_alias=AliasChoices("ranking", "rank", "order"))

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, data: Any) -> Any:
        return {"ranking": data} if isinstance(data, list) else data


class Rating(Verdict):
    """How good something is, from 0 to 10.

    Other scales are converted when the judge states them.
    """

    score: Annotated[float, BeforeValidator(phrases.score)] = Field(
        ge=0, le=10, validation_alias=AliasChoices("score", "rating", "grade")
    )


class Examination(Rating):
    """How likely something is right, from 0 to 10, and its errors, each with its place."""

    errors: Annotated[list[str], BeforeValidator(phrases.remarks)] = Field(
        default_factory=list, validation_alias=AliasChoices("errors", "error", "mistakes", "flaws", "issues")
    )


class Preference(Verdict):
    """Which of two is better, if any."""

    better: Annotated[Literal["A", "B", "tie"], BeforeValidator(phrases.side)] = Field(
        validation_alias=AliasChoices("better", "winner", "preference", "preferred", "choice")
    )


class Groups(Verdict):
    """Candidates that agree, by label, and the one that represents the largest group best."""

    groups: list[list[Label]] = Field(min_length=1)
    pick: Label

    @model_validator(mode="after")
    def _is_partition(self) -> Groups:
        labels = [label for group in self.groups for label in group]
        if len(set(labels)) != len(labels) or self.pick not in labels:
            raise ValueError("a candidate is in two groups, or the pick in none")
        return self


_STATED: Final = (
    (Ranking, "ranking", phrases.stated_ranking),
    (Rating, "score", phrases.stated_score),
    (Preference, "better", phrases.stated_side),
)
_MAX_READ = 16_000  # verdicts stand at the end, and judges quote
_MOST_PIECES = 32
_AFTER_VERDICT: Final = "` \n"
_REPEATED: Final = 240
"""The fewest characters at the end of a reply that are repetitions where it is endless."""
_TIMES: Final = 3
_LONGEST_PERIOD: Final = 1000
_LONGEST_LIST: Final = 640
_MARK: Final = 40
"""Characters by which the beginning of a repetition is found."""
_LONGEST_REPAIR = 500  # its cost grows with the square


def read(text: str, verdict: type[V], labels: str = "") -> V | None:
    """Return the verdict that a judge's reply states, or `None` for an abstention.

    Any pydantic model works; those of this module are understood in words too. If the `labels` of the ballot are
    given, a verdict that prefers or groups any other label does not count.
    """
    text = strip_reasoning(text).strip()
    if is_unfinished_object(text):  # whatever stands inside it, such as its reasons, is no verdict of its own
        if issubclass(verdict, Ranking):
            data: object = _unfinished_ranking(text)
        else:  # a repair may take a quotation for a field
            data = _repaired(text) if '\\"' not in text else None
        return _valid(data, verdict, labels) if data else None
    text = text[-_MAX_READ:]
    for data in _objects(text):
        if (valid := _valid(data, verdict, labels)) is not None:
            return valid
    if issubclass(verdict, Ranking) and (ranking := _unfinished_ranking(text)):
        return _valid(ranking, verdict, labels)
    prose = plain(text)
    for kind, field, phrase in _STATED:
        if issubclass(verdict, kind):
            value = phrase(prose)
            return None if value is None else _valid({field: value}, verdict, labels)
    return None


def is_complete(text: str, verdict: type[BaseModel], labels: str = "") -> bool:
    """Return whether an unfinished reply already is a verdict and nothing else.

    The rest of it then adds nothing. Within other text, an object may be a quotation. A ranking is complete once it
    has all labels of the ballot: small models repeat them endlessly.
    """
    text = text.rstrip(_AFTER_VERDICT)
    if labels and issubclass(verdict, Ranking) and set(labels) <= set(_unfinished_ranking(text)):
        return True
    if not text.endswith("}"):  # nearly always
        return False
    stated = strip_reasoning(text).strip(_AFTER_VERDICT).removeprefix("json").lstrip()
    return stated.startswith("{") and _valid(_loaded(stated[:_MAX_READ]), verdict, labels) is not None


_LIST_BEGUN = re.compile(r'"ranking"\s{0,9}:\s{0,9}\[([^\[\]{}]{0,600})\]?\s{0,9}\Z')


def _unfinished_ranking(text: str) -> list[str]:
    """Return the labels in a JSON ranking that is cut off in its list or right behind it."""
    begun = _LIST_BEGUN.search(text[-_LONGEST_LIST:])
    return [] if begun is None else re.findall(r'"(\w{1,2})"', begun[1])


def is_unfinished_object(text: str) -> bool:
    """Return whether a text is one JSON object that was cut off."""
    if not _KEY.match(text):
        return False
    _, opened = _scan(text[:_MAX_READ], 0)
    return opened == 0


def is_endless(text: str, least: int = _REPEATED) -> bool:
    """Return whether an unfinished reply only repeats itself, as small models do to the limit.

    At least `least` characters at its end are repetitions then.
    """
    earlier = text.rfind(text[-_MARK:], -_MARK - _LONGEST_PERIOD, -1)
    if earlier < 0:  # nearly always
        return False
    period = len(text) - _MARK - earlier
    length = max(least, _TIMES * period)
    tail = text[-length:]
    return len(tail) == length and tail[period:] == tail[:-period]


def _valid(data: object, verdict: type[V], labels: str) -> V | None:
    try:
        return verdict.model_validate(data, context=labels)
    except ValidationError:
        return None


def _objects(text: str) -> Iterator[object]:
    """Yield JSON values to try as the verdict, the most trustworthy first.

    Of the broken ones it is only the last.
    """
    whole = _loaded(text)
    if isinstance(whole, (dict, list)):
        yield whole
    pieces, rest = json_pieces(text)
    mended = False
    for piece in reversed(pieces[-_MOST_PIECES:]):
        value = _loaded(piece)
        if value is None and not mended:
            mended, value = True, _repaired(piece)
        if isinstance(value, dict):
            yield value
    if rest and not mended and isinstance(value := _repaired(rest), dict):
        yield value


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _repaired(text: str) -> object:
    if len(text) > _LONGEST_REPAIR:
        return None
    try:
        return json_repair.loads(text, skip_json_loads=True)
    except (ValueError, RecursionError, AssertionError):
        return None


_TOKEN = re.compile(r'\\.|["{}]', re.DOTALL)
_KEY = re.compile(r"\{\s{0,20}[\"']")
_MOST_RESTARTS = 8


def json_pieces(text: str) -> tuple[list[str], str]:
    """Return the outermost balanced `{…}` of `text`, and the object cut off at its end.

    Braces inside strings do not count. A brace that never closes is skipped, a bounded number of times, so that the
    cost stays linear.
    """
    pieces: list[str] = []
    rest, at = "", 0
    for _ in range(_MOST_RESTARTS):
        closed, opened = _scan(text, at)
        pieces += closed
        rest = "" if closed else rest
        if opened is None:
            break
        if not rest and _KEY.match(text, opened):
            rest = text[opened:]
        at = opened + 1
    return pieces, rest


def _scan(text: str, at: int) -> tuple[list[str], int | None]:
    """Return the balanced pieces from `at` on, and where the one opens that does not close."""
    pieces: list[str] = []
    depth, start, quoted = 0, 0, False
    for token in _TOKEN.finditer(text, at):
        if token[0] == '"':
            quoted = not quoted if depth else False
        elif quoted or token[0].startswith("\\"):
            continue
        elif token[0] == "{":
            start = start if depth else token.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                pieces.append(text[start : token.end()])
    return pieces, start if depth else None
