"""Where the final answer of a reply stands.

Models state it in a box, after a phrase, on a last line, or as a program. Always the last statement counts;
what looks like none of these is free-form. Regular expressions over a whole reply have bounded repetitions
only, so that the cost stays linear in a hostile text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from optillm.toolkit.thoughts import strip_reasoning as strip_reasoning  # for those who import it from here
from optillm.toolkit.typography import plain

MAX_STATEMENT = 300
_MOST_STATEMENTS = 64
_LONGEST_FENCED = 200_000
FENCED = "```"  # the line that stands for a fenced block in its prose


def ends(text: str, head: int, tail: int) -> str:
    """A text, or, when it is longer than both together, its head and its tail."""
    return text if len(text) <= head + tail else f"{text[:head]}\n\n{text[-tail:]}"


class Fence(NamedTuple):
    """A fenced block: its language in lower case, empty when not named, and its content."""

    language: str
    content: str


def fences(text: str) -> tuple[str, list[Fence]]:
    """The prose of `text` without its fenced blocks, and those blocks; an unclosed one runs to the end.

    Of a text longer than any program only the end is read.
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


_BRACE = re.compile(r"\\(?:boxed|fbox)\s{0,3}\{|\\.|[{}]", re.DOTALL)


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{…}` that closes and says something, braces matched."""
    last: str | None = None
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    opened: list[int | None] = []
    for token in _BRACE.finditer(text):
        if token[0] == "}":
            start = opened.pop() if opened else None
            content = "" if start is None else text[start : token.start()].strip()
            if re.search(r"[\w\\∅]", content):  # not the dots of a quoted instruction
                last = content
        elif token[0].endswith("{") and len(token[0]) != 2:
            opened.append(token.end() if token[0][0] == "\\" else None)
    return last


class Statement(NamedTuple):
    """Words that state an answer; `firm` when they can hardly be meant otherwise: by phrase or by place."""

    text: str
    firm: bool


_PHRASE = re.compile(
    r"\b(?:(?:the|my|our|your|this)\s)?(?P<final>(?:final|correct|right|best)\s)?"
    r"(?:answers?|(?<=final )(?:result|order|ordering|ranking|solution|verdict|value|number)"
    r"|(?<=correct )(?:option|choice|order|ordering|value|result))\b"
    r"(?:\s(?:to|for|of)\s[^.:=\n]{1,80}?)?"
    r"(?:(?P<heading>[*_]{0,3}[ \t]{0,4}(?=\n))|[*_`\"']{0,3}\s{0,3}(?:"
    r"(?P<mark>:|=(?!=)|—|–|-(?=\s))|(?:is|are|was|would be|should be|must be|will be|equals|comes to)\b:?"
    r")(?:[*_`]{1,3}(?=\s|$))?)",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^[ \t]{0,3}####[ \t]{1,4}(?P<rest>[^\n]{1,300})$", re.MULTILINE)
_TAGGED = re.compile(r"<answer>\s{0,9}(?P<rest>[^<]{1,300}?)\s{0,9}</answer>", re.IGNORECASE)
_SUPPOSED = re.compile(r"\b(?:if|whether|suppose|assume|assuming|how|what|not|says?)\s(?:that\s)?(?:an?\s)?$")


def statements(text: str) -> Iterator[Statement]:
    """The last statements of a final answer in `text`, the last first, each at most `MAX_STATEMENT` long."""
    found = [
        (match.start(), match) for place in (_PHRASE, _MARKER, _TAGGED) for match in place.finditer(text)
    ]
    limit = len(text)
    for start, match in sorted(found, key=lambda item: -item[0])[:_MOST_STATEMENTS]:
        groups = match.groupdict()
        if "rest" in groups:
            # "#### 42" states an answer anywhere, "#### Summary" at most on the last line.
            firm = match.re is _TAGGED or not text[match.end() :].strip()
            yield Statement(groups["rest"].strip(), firm)
        elif not _SUPPOSED.search(text[max(0, start - 30) : start].casefold()):
            stated = _after(text[match.end() : min(limit, match.end() + MAX_STATEMENT)])
            alone = not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t#*_>-")
            if groups["heading"] is None or alone:
                firm = any(groups[sign] is not None for sign in ("mark", "final", "heading"))
                yield Statement(stated, firm or start >= len(text) - MAX_STATEMENT)
        limit = start


_ITEM = re.compile(r"\s*(?:[-*•]\s+|\d{1,2}[.)]\s+)")


def _after(text: str) -> str:
    """The rest of the line, or, when there is none, the next line; of a list, all its items."""
    lines = text.split("\n")
    if lines[0].strip(" \t*_:`"):
        return lines[0].strip()
    block = [line for line in lines[1:] if line.strip(" \t*_$\\[]")]
    if not block or block[0] == FENCED:
        return ""
    listed = []
    for line in block:
        if not _ITEM.match(line):
            break
        listed.append(line)
    if len(listed) < 2:
        return block[0].strip()
    return ", ".join(_ITEM.sub("", line).strip() for line in listed)


_BREAK = re.compile(r"[.!?](?=[*_\"')\]]{0,3}\s)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|st|vs|prof|no|e\.g|i\.e|approx|[a-z])$", re.IGNORECASE
)


def sentences(line: str) -> list[str]:
    """The sentences of one line; initials, titles and decimal points end none."""
    found: list[str] = []
    start = 0
    for end in _BREAK.finditer(line):
        before = line[max(start, end.start() - 8) : end.start()]
        if line[end.start()] == "." and _ABBREVIATION.search(before):
            continue
        found.append(line[start : end.end()].strip())
        start = end.end()
    return [*found, line[start:].strip()] if line[start:].strip(" *_\"')]") else found


def last_line(text: str) -> tuple[str, str]:
    """The last line that is not blank, and the one before it."""
    end = len(text.rstrip())
    start = text.rfind("\n", 0, end) + 1
    before = text[:start].rstrip()
    return text[start:end].strip(), before[before.rfind("\n") + 1 :].strip()


def first_sentence(statement: str) -> str:
    """A statement up to its first full stop."""
    pieces = sentences(plain(statement))
    return pieces[0] if pieces else ""
