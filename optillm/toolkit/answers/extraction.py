"""The parts of a reply: its fenced blocks, its sentences and lines. All cost is linear in the text."""

from __future__ import annotations

import re
from typing import NamedTuple

_LONGEST_FENCED = 200_000
FENCED = "```"  # the line that stands for a fenced block in its prose


def ends(text: str, head: int, tail: int) -> str:
    """Return a text, or only its head and its tail if it is longer than both together."""
    return text if len(text) <= head + tail else f"{text[:head]}\n\n{text[-tail:]}"


def beginnings(text: str, count: int) -> list[str]:
    """Return beginnings of a text, cut at ends of sentences nearest to evenly spaced shares from 20 % to 50 %."""
    stops = [index + 1 for index, mark in enumerate(text) if mark in ".\n;"] or [len(text) // 2]
    shares = [0.2 + 0.3 * i / max(count - 1, 1) for i in range(count)]
    cuts = [min(stops, key=lambda stop: abs(stop - share * len(text))) for share in shares]
    return [text[:cut] for cut in dict.fromkeys(cuts) if text[:cut].strip()]


class Fence(NamedTuple):
    """A fenced block: its language in lower case, empty if not named, and its content."""

    language: str
    content: str


def fences(text: str) -> tuple[str, list[Fence]]:
    """Return the prose of `text` without its fenced blocks, and those blocks.

    An unclosed block runs to the end. Of a text longer than any program only the end is read.
    """
    if "```" not in text and "~~~" not in text:
        return text, []
    text = text[-_LONGEST_FENCED:]
    prose: list[str] = []
    blocks: list[Fence] = []
    fence, language, content = "", "", list[str]()
    for line in text.splitlines():
        stripped = line.strip()
        if not fence and stripped.startswith(("```", "~~~")) and "`" not in stripped.lstrip("`"):
            marks = len(stripped) - len(stripped.lstrip(stripped[0]))
            fence, language = stripped[:marks], stripped[marks:].strip().casefold()
        elif fence and stripped.startswith(fence) and not stripped.strip(fence[0]):
            blocks.append(Fence(language, "\n".join(content)))
            prose.append(FENCED)
            fence, content = "", []
        elif fence:
            content.append(line)
        else:
            prose.append(line)
    if fence:
        prose.append(FENCED)
        blocks.append(Fence(language, "\n".join(content)))
    return "\n".join(prose), blocks


_BREAK = re.compile(r"[.!?](?=[*_\"')\]]{0,3}\s)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:mr|mrs|ms|dr|st|mt|vs|prof|no|inc|corp|ltd|jr|sr|e\.g|i\.e|approx|(?<!\d\s)[a-z])$",
    re.IGNORECASE,
)


def sentences(line: str) -> list[str]:
    """Return the sentences of one line; initials, titles and decimal points do not end one."""
    complete: list[str] = []
    start = 0
    for end in _BREAK.finditer(line):
        before = line[max(start, end.start() - 8) : end.start()]
        if line[end.start()] == "." and _ABBREVIATION.search(before):
            continue
        complete.append(line[start : end.end()].strip())
        start = end.end()
    return [*complete, line[start:].strip()] if line[start:].strip(" *_\"')]") else complete


def last_line(text: str) -> tuple[str, str]:
    """Return the last line that is not blank, and the one before it."""
    end = len(text.rstrip())
    start = text.rfind("\n", 0, end) + 1
    before = text[:start].rstrip()
    return text[start:end].strip(), before[before.rfind("\n") + 1 :].strip()
