"""Quotations in XML-like tags, with or without random suffixes: `<candidate-7f3a label="A">`, `<A-19ce>`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from html import unescape

from optillm_simulator.roles.blocks import CANDIDATE_NAMES, KINDS, Block, Parts

_WRAPPERS = frozenset({f"{name}s" for name in CANDIDATE_NAMES} | {"replies", "material", "evidence"})
_OPENING = re.compile(r"<([A-Za-z][\w.:-]{0,63})((?:\s[^<>]{0,200})?)>")
_CLOSING = re.compile(r"</([A-Za-z][\w.:-]{0,63})\s{0,4}>")
_ATTRIBUTE = re.compile(r"""\b(?:label|id|name|index|number|n)\s{0,2}=\s{0,2}["']?([\w.-]{1,32})""")
_LABEL = re.compile(r"(?:[A-Z]|\d{1,2})\Z")
_GLUED = re.compile(r"([A-Za-z][a-z]+)(\d{1,2}|[A-Z])\Z")
_SUFFIX = re.compile(r"[-_.:]\w*\d")

Inside = Callable[[str], Parts]


def tagged(text: str, inside: Inside) -> Parts:
    """Return the tagged blocks of a text.

    Tags within a block are not looked at; `inside` reads wrappers around several blocks.
    """
    closings: dict[str, list[int]] = {}
    for match in _CLOSING.finditer(text):
        closings.setdefault(match[1], []).append(match.start())
    blocks: list[Block] = []
    rest: list[str] = []
    cursor = 0
    for match in _OPENING.finditer(text):
        ends = closings.get(match[1], [])
        at = bisect_left(ends, match.end())
        if match.start() < cursor or at == len(ends):
            continue
        quoted = _blocks(match[1], match[2], text[match.end() : ends[at]], inside)
        if quoted:
            blocks += quoted
            rest.append(text[cursor : match.start()])
            cursor = text.index(">", ends[at]) + 1
    return Parts(tuple(blocks), "\n".join([*rest, text[cursor:]]))


def _blocks(tag: str, attributes: str, inner: str, inside: Inside) -> list[Block]:
    """Return what a tagged text quotes; nothing for tags that only give the instruction a shape."""
    base, label = tag_parts(tag)
    attribute = _ATTRIBUTE.search(attributes)
    label = attribute[1] if attribute else label
    content = unescape(inner).strip()
    if not content.strip(". …"):
        return []
    if base in _WRAPPERS:
        return [block for block in inside(inner).blocks if block.kind in ("candidate", "other")]
    if _LABEL.match(tag[:1]) and len(base) == 1:  # <A-19ce>, but not <b>
        return [Block("candidate", tag[:1], content)]
    kind = KINDS.get(base)
    if kind in ("candidate", "other", None) and (attribute or kind):  # <candidate-7f3a label="notes">
        named = KINDS.get(re.split(r"[-_.:]", label.lower())[0])
        kind, label = (named, "") if named and named != "candidate" else (kind, label)
    if kind == "task":
        return [Block("task", "user" if base == "user" else label, content)]
    if kind:
        return [Block(kind, label, content)]
    return [Block("other", label or base, content)] if _SUFFIX.search(tag) else []


def tag_parts(tag: str) -> tuple[str, str]:
    """Split a tag into name and label: "candidate-1-7f3a" is candidate 1, "A-19ce" A, "answerB" answer B."""
    base, *others = re.split(r"[-_.:]", tag)
    label = next((other for other in others if _LABEL.match(other)), "")
    glued = _GLUED.match(base)
    if glued and not label and glued[1].lower() in KINDS:
        base, label = glued[1], glued[2]
    return base.lower(), label
