"""What to change in a call that a model refuses: the parts that the proxy added.

The remedy is found by trying. The text of a refusal only decides the order, and tells how long a reply may be. A
parameter that the client sent is left out only if the text is plain and no server has a reason to object to its
value: nothing that one client sends, even quoted in an error text, may change another client's requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from optillm.engine.call.adaptation import LIMITS, Adaptation, Fit
from optillm.engine.call.payload import Payload, Placement, prompt_tokens
from optillm.engine.upstream.credit import out_of_credit
from optillm.errors import UpstreamError

SPARE: Final[Mapping[str, Callable[[Any], bool]]] = {
    "n": lambda value: 1 <= value <= 128,
    "temperature": lambda value: 0 <= value <= 2,
    "top_p": lambda value: 0 < value <= 1,
    "presence_penalty": lambda value: -2 <= value <= 2,
    "frequency_penalty": lambda value: -2 <= value <= 2,
    "seed": lambda value: -(2**63) <= value < 2**63,
    "top_logprobs": lambda value: 0 <= value <= 20,
    "logprobs": lambda value: isinstance(value, bool),
    "stream_options": lambda value: set(value) <= {"include_usage"},
    "user": lambda value: len(value) <= 256,
    "prompt_cache_key": lambda value: len(value) <= 256,
}
"""Parameters that a call can do without, each with a test for values that no server has a reason to refuse.

`tools` and `response_format` are not among them: the client has to see that they were refused.
"""

UNSUPPORTED: Final = re.compile(
    r"unsupport|(\bnot|n.t|\bno|\bonly)\b.{0,24}\bsupport|unrecogni[sz]ed|unknown|unexpected|extra (input|field)"
)
"""Words that say a parameter is unknown, not that its value is wrong."""

OTHER_PLACES: Final[Mapping[Placement, Sequence[Placement]]] = {
    Placement.OWN_TURN: (Placement.JOINED, Placement.SYSTEM),
    Placement.BEFORE: (Placement.SYSTEM, Placement.OWN_TURN),
    Placement.SYSTEM: (Placement.BEFORE, Placement.OWN_TURN),
}
"""Where to put an instruction whose own place is refused, the best place first.

An instruction in the client's turn, before or after its text, leaves the roles unchanged: trying one of them is enough.
"""
WITHOUT_TURN: Final = {Placement.OWN_TURN: Placement.JOINED, Placement.SYSTEM: Placement.BEFORE}
"""The places that may add a turn, each with the nearest one that does not."""

MOST: Final = 8
"""The most further forms of one call that are tried."""
SHORTEST: Final = 32
"""The smallest token limit worth trying: with less, no judge can say anything."""
LIKENESS: Final = 3
"""The factor by which an estimated number of tokens may be wrong."""

TURNS: Final = frozenset(
    {"messages", "message", "role", "roles", "turn", "turns", "conversation", "template", "user", "assistant"}
    | {"system", "alternate", "alternating"}
)
LENGTH: Final = frozenset(
    {
        "max_tokens",
        "max_completion_tokens",
        "max_new_tokens",
        "max_output_tokens",
        "tokens",
        "token",
        "length",
    }
    | {"context", "window", "completion"}
)
MEDIA: Final = frozenset(
    {"image", "images", "image_url", "audio", "input_audio", "video", "vision", "multimodal"}
)
STREAM: Final = frozenset({"stream", "streaming", "streamed"})
SIGNS: Final[Mapping[str, frozenset[str]]] = {
    "n": frozenset({"n", "n_cmpl", "choice", "choices", "completions", "candidate_count", "best_of"}),
    "stream_options": frozenset({"stream_options", "include_usage"}),
    **dict.fromkeys(LIMITS, LENGTH),
}
"""Words that refer to a parameter, in addition to its name."""
SUSPECTS: Final = ("n", "stream_options", "temperature")
"""What models refuse most often, in the order in which it is left out if a refusal names nothing."""

_PROMPT = re.compile(r"input|prompt|message|context|window")
_ELSEWHERE = re.compile(
    r"\b(moderation|flagged|billing|quota|credits?)\b"
    r"|content.{0,20}(filter|policy|policies|risk)|safety (system|policy|policies)|usage polic|data.inspection"
    r"|violat\w* (our|the|its)\b.{0,20}\b(policy|policies|terms|guidelines|rules)"
    r"|(inappropriate|prohibited|harmful|unsafe|sensitive)[ _](content|information|text|words)|不安全|敏感"
    r"|api.key|unauthori[sz]ed|rate.limit"
    r"|model\b.{0,80}\b(not (found|exist)|does ?n.t exist)|no such model"
)
"""Words of refusals that no change of parameters can mend; one that is missed costs a few refused calls."""
_TOO_LONG = re.compile(r"context.{0,8}(length|window|size)|too (long|many tokens)")
_NUMBER = re.compile(r"(?<![a-z]-)(?<![a-z0-9_.])(\d{1,3}(?:,\d{3})+(?!\d)|\d+)")
_CODES: Final = frozenset(
    {"model_not_found", "invalid_api_key", "content_filter", "content_policy_violation", "insufficient_quota"}
    | {"rate_limit_exceeded"}
)
_FIELDS: Final = frozenset({"param", "loc", "field", "parameter", "parameters"})
_QUOTING: Final = frozenset({"input", "ctx", "url"})
"""Fields in which validators quote the request, or link to documentation."""
_DEEPEST: Final = 8
_LONGEST: Final = 4000
"""The most characters of an error body that are read."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The content of a refusal: its `words`, their numbers, and names, those in fields first."""

    words: str
    names: Sequence[str]
    codes: frozenset[str]
    numbers: frozenset[int]

    @classmethod
    def read(cls, error: UpstreamError) -> Refusal:
        """Read the refusal from an error body of any shape: an object, a list, or just a message."""
        texts = list(islice(_texts(error.upstream_body), _LONGEST))
        words = " ".join([error.message, *(text for _, text in texts)])[:_LONGEST].lower()
        fields = " ".join(text for key, text in texts if key in _FIELDS).lower()
        codes = frozenset(text for key, text in texts if key in ("code", "type"))
        numbers = frozenset(int(digits.replace(",", "")) for digits in _NUMBER.findall(words))
        # Many messages begin with the status, which is no bound.
        return cls(words, _names(fields) + _names(words), codes, numbers - {error.status})

    @property
    def unsupported(self) -> bool:
        """Return whether the refusal calls a parameter unknown, not its value wrong."""
        plainly = {"unsupported_parameter", "unsupported_value"} & self.codes
        return bool(plainly) or UNSUPPORTED.search(self.words) is not None

    @property
    def elsewhere(self) -> bool:
        """Return whether no other form of the call can help.

        The refusal is then about a key, a model, a quota or the content.
        """
        if self.codes & _CODES or _ELSEWHERE.search(self.words):
            return True
        return out_of_credit(self.words, self.codes)

    def position(self, signs: frozenset[str]) -> int | None:
        """Return the index of the first of these names, `None` if there is none."""
        return next((index for index, name in enumerate(self.names) if name in signs), None)

    def is_about(self, payload: Payload) -> bool:
        """Return whether the refusal may be about what the proxy added to the payload.

        One that is about a key, a model, a quota or an image is not.
        """
        if payload.ours.keys() & set(self.names):
            return True
        changed = payload.plainer not in (None, payload.messages)
        if MEDIA & set(self.names):
            return changed and _has_media(payload.messages) and not _has_media(payload.plainer or ())
        if _TOO_LONG.search(self.words):
            return changed or bool(payload.ours.keys() & LIMITS.keys())
        return not self.elsewhere


def _has_media(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether any turn has a part that is not text."""
    parts = (part for message in messages for part in (message.get("content") or ()))
    return any(isinstance(part, Mapping) and part.get("type") != "text" for part in parts)


def _texts(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each text in an error body with its key."""
    if isinstance(value, str):
        yield key, value
    elif depth < _DEEPEST and isinstance(value, Mapping):
        for name, part in value.items():
            if name not in _QUOTING:
                yield from _texts(part, str(name), depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for part in value:
            yield from _texts(part, key, depth + 1)


def _names(text: str) -> list[str]:
    return re.findall(r"[^\W\d]\w*", text)


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that may help, and the words by which a refusal refers to what it changes."""

    adaptation: Adaptation
    signs: frozenset[str] = frozenset()


def remedies(payload: Payload, adaptation: Adaptation, refusal: Refusal) -> list[Remedy]:
    """Return what to try after a payload was refused, the likeliest cause first.

    First come the parameters that the refusal names, ours before the client's, then each other one of ours, and
    finally all of ours at once.
    """
    of_ours = list(_of_ours(payload, adaptation, refusal))
    named = [remedy for remedy in of_ours if refusal.position(remedy.signs) is not None]
    named.sort(key=lambda remedy: refusal.position(remedy.signs) or 0)
    plainly = list(_of_anybody(payload, adaptation, refusal))
    unnamed = [remedy for remedy in of_ours if refusal.position(remedy.signs) is None]
    return [*[*named, *plainly, *unnamed][: MOST - 1], Remedy(_all_of_ours(payload, adaptation, refusal))]


def _of_ours(payload: Payload, adaptation: Adaptation, refusal: Refusal) -> Iterator[Remedy]:
    out = adaptation.withheld | adaptation.refused
    names = [name for name in payload.ours if name in payload.parameters and name not in out]
    for name in sorted(names, key=lambda name: SUSPECTS.index(name) if name in SUSPECTS else len(SUSPECTS)):
        if name not in LIMITS:
            yield Remedy(_without(payload, adaptation, refusal, name), _signs(name))
    yield from _of_streaming(payload, adaptation, refusal)
    if payload.instruction is not None:
        for placement in (payload.placement, *OTHER_PLACES[payload.placement]):
            yield Remedy(replace(adaptation, placement=placement), TURNS)
    if payload.plainer is not None:
        yield Remedy(replace(adaptation, plainer=True), TURNS | LENGTH | MEDIA)
    for name in LIMITS:
        if name in names:
            yield from _of_limit(payload, adaptation, refusal, name)


def _of_streaming(payload: Payload, adaptation: Adaptation, refusal: Refusal) -> Iterator[Remedy]:
    """Yield the other way to make the call: whole if it was a stream, else as a stream."""
    if adaptation.streamed and "stream_options" not in adaptation.refused:
        yield Remedy(adaptation.refusing("stream_options"), _signs("stream_options"))
    named = refusal.position(STREAM) is not None
    if adaptation.streamed or (
        named and adaptation.streamed is None and "stream_options" in payload.parameters
    ):
        yield Remedy(replace(adaptation, streamed=False), STREAM)
    elif named:
        yield Remedy(replace(adaptation, streamed=True), STREAM)


def _of_limit(payload: Payload, adaptation: Adaptation, refusal: Refusal, name: str) -> Iterator[Remedy]:
    """Yield lower limits, the limit under its other name, and no limit at all."""
    limit = payload.parameters[name]
    if adaptation.fit is not None:
        limit = min(limit, adaptation.fit.limit)
    fitting = fits(refusal, limit, prompt_tokens(payload.messages))
    forms = [replace(adaptation, fit=fit) for fit in fitting]
    if refusal.unsupported or name in refusal.names or LIMITS[name] in refusal.names:
        read = sum(not fit.guessed for fit in fitting)  # a number that is read comes before a name
        forms.insert(read, adaptation.renaming(name))
    for form in [*forms, adaptation.withholding(name)]:
        yield Remedy(form, _signs(name))


def _of_anybody(payload: Payload, adaptation: Adaptation, refusal: Refusal) -> Iterator[Remedy]:
    """Yield what the refusal plainly demands of parameters that the client sent."""
    if "alternat" in refusal.words:
        yield Remedy(replace(adaptation, alternating=True), TURNS)
    if not refusal.unsupported:
        return
    # A message that names both token limits is about the one that was sent.
    for name in dict.fromkeys(refusal.names):
        if name in payload.clients and name in LIMITS and name not in adaptation.renamed:
            yield Remedy(adaptation.renaming(name), _signs(name))
        elif name in payload.clients and _ordinary(name, payload.parameters[name]):
            yield Remedy(adaptation.refusing(name), _signs(name))


def _without(payload: Payload, adaptation: Adaptation, refusal: Refusal, name: str) -> Adaptation:
    """Leave out a parameter of ours, for everybody if the model does not know it.

    A refusal that also names a parameter of the client's is about the combination and proves neither unknown.
    """
    ordinary = name in refusal.names and _ordinary(name, payload.parameters[name])
    if refusal.unsupported and ordinary and not payload.clients & set(refusal.names):
        return adaptation.refusing(name)
    return adaptation.withholding(name)


def _all_of_ours(payload: Payload, adaptation: Adaptation, refusal: Refusal) -> Adaptation:
    """Leave out all that is ours: as close to the client's own call as the technique allows."""
    for name in payload.ours.keys() & payload.parameters.keys():
        adaptation = _without(payload, adaptation, refusal, name)
    placement = adaptation.placement
    if payload.instruction is not None and placement is payload.placement:
        placement = WITHOUT_TURN.get(placement, placement)
    return replace(adaptation, placement=placement, plainer=payload.plainer is not None)


def _signs(name: str) -> frozenset[str]:
    return SIGNS.get(name, frozenset({name}))


def _ordinary(name: str, value: Any) -> bool:
    try:
        return name in SPARE and SPARE[name](value)
    except TypeError:
        return False


# Bounds.


def most_choices(error: UpstreamError, requested: int) -> int | None:
    """Return how many choices an upstream gives at a time, read from its refusal of more.

    Returns `None` if not stated.
    """
    refusal = Refusal.read(error)
    if refusal.position(SIGNS["n"]) is None:
        return None
    return max((number for number in refusal.numbers if 1 <= number < requested), default=None)


def fits(refusal: Refusal, limit: int, prompt: int) -> list[Fit]:
    """Return token limits to try instead: from numbers in the refusal, then by halving.

    `prompt` is the estimated number of tokens of the prompt. Empty if the prompt alone fills the window.
    """
    numbers, hinted = refusal.numbers, refusal.position(LENGTH) is not None
    # Two numbers that differ by the limit are the prompt and the sum: "5000 tokens, 4000 of them in the messages".
    # Where there are none, a number close to the estimate is taken for the prompt.
    totals = [number for number in numbers if number and number + limit in numbers]
    near = [number for number in numbers if prompt / LIKENESS <= number <= prompt * LIKENESS]
    prompts = totals or (near if _PROMPT.search(refusal.words) else [])
    smaller = [number for number in numbers if SHORTEST <= number < limit]
    read = [
        Fit(window - counted, window)
        for counted in prompts
        for window in numbers
        if counted < window < counted + limit
    ]
    if totals and not read:
        return []
    if not read and smaller:
        read = [Fit(max(smaller), guessed=not hinted)]
    # Each try is a call that is refused: without a hint at a length, two are enough.
    halves = [limit >> shift for shift in ((1, 2, 3, 4) if hinted or read else (1, 3))]
    # What is as large as the limit is probably the limit itself, repeated by the message.
    read.sort(key=lambda fit: (fit.window == limit, -fit.limit))
    return read[:1] + [Fit(half, guessed=True) for half in halves if half >= SHORTEST]
