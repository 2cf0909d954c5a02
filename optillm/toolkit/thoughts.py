"""Separate the thoughts that models write into their replies from the answer.

A reply may begin with blocks of thoughts, and its answer may stand in a frame of its own. Later tags belong to the
answer, which may well be about them. The table below has all known tags.

    >>> split_thoughts("<think>2 + 2 is 4</think>The answer is 4.")
    ('2 + 2 is 4', 'The answer is 4.')
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, Literal

LONGEST_LEAD: Final = 4096
"""Characters, mostly blanks, that may precede the first tag."""

_HARMONY: Final = ("<|end|>", "<|return|>", "<|call|>", "<|start|>assistant<|channel|>final<|message|>")

THOUGHTS: Final = (
    # What opens thoughts, and what may close them. Case does not count.
    ("<think>", ("</think>",)),
    ("<thinking>", ("</thinking>",)),
    ("<thought>", ("</thought>",)),
    ("<thoughts>", ("</thoughts>",)),
    ("<reasoning>", ("</reasoning>",)),
    ("<seed:think>", ("</seed:think>",)),
    ("<longcat_think>", ("</longcat_think>",)),
    ("[THINK]", ("[/THINK]",)),
    ("◁think▷", ("◁/think▷",)),
    ("<|begin_of_thought|>", ("<|end_of_thought|>",)),
    ("<|START_THINKING|>", ("<|END_THINKING|>",)),
    ("<|channel|>analysis<|message|>", _HARMONY),
    ("<|channel|>commentary<|message|>", _HARMONY),
    ("<|start|>assistant<|channel|>analysis<|message|>", _HARMONY),
    ("<|start|>assistant<|channel|>commentary<|message|>", _HARMONY),
)

FRAMES: Final = (
    # What may open the answer. A closing of `FRAME_ENDS` at its end is then no part of it.
    "<|begin_of_solution|>",
    "<|START_RESPONSE|>",
    "<|channel|>final<|message|>",
    "<|channel|>final <|constrain|>json<|message|>",
    "<|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>final <|constrain|>json<|message|>",
)
FRAME_ENDS: Final = ("<|end_of_solution|>", "<|END_RESPONSE|>", "<|return|>", "<|end|>")


def _any(tags: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, tags)), re.IGNORECASE)


_CLOSINGS: Final = {opening.lower(): _any(closings) for opening, closings in THOUGHTS}
_OPENING: Final = re.compile(
    rf"\s*({_any((*(opening for opening, _ in THOUGHTS), *FRAMES)).pattern})", re.IGNORECASE
)
_OPENINGS: Final = (*_CLOSINGS, *(frame.lower() for frame in FRAMES))
_MAX_TAG_LENGTH: Final = 1 + max(
    len(tag) for opening, closings in THOUGHTS for tag in (opening, *closings, *FRAMES)
)
_BLANKS: Final = re.compile(r"\s*")
_ENDS: Final = tuple(end.lower() for end in FRAME_ENDS)

_PAIRED: Final = {
    closing.lower(): opening.lower()
    for opening, closings in THOUGHTS
    if closings is not _HARMONY
    for closing in closings
}
_UNPAIRED: Final = (*_PAIRED, *(frame.lower() for frame in FRAMES if frame.startswith("<|")))
_LONE: Final = _any(_UNPAIRED)
_SIGNS: Final = {tag[:2] for tag in _UNPAIRED}  # which most texts do without
_FIRST: Final = {opening[0] for opening in _OPENINGS}
_MOST_MENTIONS: Final = 8
_OPENS: Final = "`'\"“‘„«(["
_CLOSES: Final = "`'\"”’“»)]"
_BEGINS: Final = frozenset('\n*_#{[$\\"`')
"""What an answer on the line of the tag may begin with, beside capitals and digits."""


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the thoughts and the answer of a whole reply.

    Thoughts that never close leave no answer. A closing tag alone ends thoughts as well, as some servers put the
    opening one into the prompt.
    """
    start = _after_lone_closing(text)
    if start is None and text.lstrip()[:1] not in _FIRST:
        return "", text
    reader = ThoughtReader(within=start is not None)
    if start is None:
        answer = reader.feed(text)
    else:
        reader.thoughts.append(text[: start.start()])
        answer = reader.feed(text[start.start() if start[0].lower() in _OPENINGS else start.end() :])
    answer += reader.end()
    return "".join(reader.thoughts).strip(), answer


def strip_reasoning(text: str) -> str:
    """Return the answer of a whole reply, see `split_thoughts`."""
    return split_thoughts(text)[1]


def _after_lone_closing(text: str) -> re.Match[str] | None:
    """Return the first tag that ends thoughts without a beginning.

    A tag that the text is about does not count.
    """
    if not any(sign[0] in text and sign in text for sign in _SIGNS) or _OPENING.match(text):
        return None
    for tag in islice(_LONE.finditer(text), _MOST_MENTIONS):
        before, after = text[: tag.start()], text[tag.end() : tag.end() + LONGEST_LEAD]
        opening = _PAIRED.get(tag[0].lower())
        if opening is not None and opening[:-1] in before.lower():
            return None
        if before.count("```") % 2 == 0 and not _mentioned(before, after):
            return tag
    return None


def _mentioned(before: str, after: str) -> bool:
    """Return whether a tag is quoted, or a word of its sentence ("Use </think> to close it")."""
    if before[-1:] and after[:1] and before[-1] in _OPENS and after[0] in _CLOSES:
        return True
    word = before.rstrip(" \t")
    if word == before or not word or word[-1] in ".!?…\n":
        return False
    rest = after.lstrip(" \t")
    if rest == after:
        return not rest.strip() or rest[0] in ",.;:!?)"
    return not (rest[:1].isupper() or rest[:1].isdigit() or rest[:1] in _BEGINS)


class ThoughtReader:
    """Reads a reply in pieces and returns its answer as it comes; `thoughts` collects the rest.

    `within`: there have been thoughts already, so blanks before the answer are not part of it.
    """

    def __init__(self, *, within: bool = False) -> None:
        self.thoughts: list[str] = []
        self._within = within
        self._in_frame = False
        self._held = ""
        self._at = 0  # how much of `_held` has been read
        self._closing = _LONE
        self._state: Literal["leading", "thinking", "framed", "answering"] = "leading"

    def feed(self, text: str) -> str:
        """Take a piece and return what belongs to the answer."""
        if self._state == "answering":
            return text
        self._held += text
        decided = True
        while decided and self._state in ("leading", "thinking"):
            decided = self._lead() if self._state == "leading" else self._think()
        self._held, self._at = self._held[self._at :], 0
        if not decided:
            return ""
        return self._framed() if self._state == "framed" else self._released()

    def end(self) -> str:
        """Return what was held back and turned out to be the answer."""
        if self._state == "thinking":
            self.thoughts.append(self._released())
        if self._in_frame and self._held.rstrip().lower() in _ENDS:
            self._held = ""
        return self._released()

    def _lead(self) -> bool:
        """Return whether it is clear what begins: thoughts, a frame or the answer."""
        opening = _OPENING.match(self._held, self._at)
        if opening is not None:
            self._begin(opening)
            return True
        start = _BLANKS.match(self._held, self._at).end()  # type: ignore[union-attr]  # it always matches
        if self._within:
            self._at = start
        if start - self._at < LONGEST_LEAD and _may_become(
            self._held[start : start + _MAX_TAG_LENGTH], _OPENINGS
        ):
            return False
        self._state = "framed" if self._in_frame else "answering"
        return True

    def _begin(self, opening: re.Match[str]) -> None:
        self._within, self._at = True, opening.end()
        closing = _CLOSINGS.get(opening[1].lower())
        if closing is None:
            self._in_frame = True
            return
        if self.thoughts:
            self.thoughts.append("\n")
        self._closing, self._state = closing, "thinking"

    def _think(self) -> bool:
        """Return whether the thoughts have ended."""
        closing = self._closing.search(self._held, self._at)
        if closing is None:
            kept = max(
                self._at, len(self._held) - _MAX_TAG_LENGTH
            )  # enough to see a tag that comes in two pieces
            self.thoughts.append(self._held[self._at : kept])
            self._at = kept
            return False
        self.thoughts.append(self._held[self._at : closing.start()])
        self._at = closing.start() if closing[0].lower() in _OPENINGS else closing.end()
        self._state = "leading"
        return True

    def _framed(self) -> str:
        """Return the answer except for what may be the end of its frame."""
        cut = self._held.rfind("<")
        if cut < 0 or not _may_become(self._held[cut:].rstrip(), _ENDS):
            cut = len(self._held)
        answer, self._held = self._held[:cut], self._held[cut:]
        return answer

    def _released(self) -> str:
        held, self._held = self._held, ""
        return held


def _may_become(begun: str, tags: tuple[str, ...]) -> bool:
    begun = begun.lower()
    return any(tag.startswith(begun) for tag in tags)
