"""Quotations under headings: "Candidate A:", "### Response 2", "[[A]]", labelled fences, numbered lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape

from optillm_simulator.roles.blocks import CANDIDATE_NAMES, TASK_NAMES, Block, Parts
from optillm_simulator.roles.tags import tag_parts

_MARKUP = r"^[ \t#*>_]{0,8}"
_AFTER = r"[*_ \t]{0,4}"
_CANDIDATES = "|".join(sorted(CANDIDATE_NAMES))
_TASKS = "|".join(sorted(TASK_NAMES))
_HEADING = re.compile(
    rf"""{_MARKUP}(?:
        \[\[(?P<double>(?-i:[A-Z])|\d{{1,2}})\]\]
        |(?:the\ )?(?:(?:proposed|student|model|assistant|final)(?:'s)?\ )?
         (?:{_CANDIDATES}|assistant)(?:\ (?:answer|response|solution|reply))?
         (?:\ ?[\#(]?(?P<label>(?-i:[A-Z])|\d{{1,2}})\)?(?={_AFTER}(?:[:.)–—-]|$))|(?=[*_]{{0,3}}:))
    ){_AFTER}[:.)–—-]?{_AFTER}""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_LETTERED = re.compile(r"^[ \t*]{0,4}[(\[]?(?P<label>[A-Z])[:.)\]][*]{0,2}[ \t]", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t*]{0,4}[(\[]?(?P<label>\d{1,2})[:.)\]][*]{0,2}[ \t]", re.MULTILINE)
_TASK_HEADING = re.compile(
    rf"{_MARKUP}(?:the )?(?:(?:user|original|user's) )?(?:{_TASKS})[*_]{{0,3}}[ \t]*:{_AFTER}",
    re.IGNORECASE | re.MULTILINE,
)
_PARTIAL_HEADING = re.compile(
    rf"""{_MARKUP}(?:the\ |your\ |my\ |here\ (?:is|are)\ the\ )?(?:
        (?:partial|unfinished|previous|earlier|existing)\ (?:\w+\ )?(?:solution|steps?|work|reasoning|answer|notes)
        |(?:steps?|work|progress|reasoning|solution|notes|sub-?questions?)(?:\ and\ answers)?
         \ (?:so\ far|taken|done|up\ to\ now|until\ now|already)[\ \w]{{0,20}}
        |(?:progress|notes|trajectory)
    )[*_]{{0,3}}[ \t]*:{_AFTER}""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_INSTRUCTIVE = re.compile(
    r"\b(?:rank|rate|score|compare|which|judge|evaluate|assess|return|respond|reply|output|give|now|please|json|write"
    r"|combine|merge|synthes\w+|group|cluster|pick|choose|decide|list|order|select|critique|criticise|state|end|finish"
    r"|point|find|identify|what|propose|add|think|ask|decompose|paraphrase|rephrase|reword|restate|complete"
    r"|take|proceed|break|pose|refine|improve|revise|criti\w+|repair|mend|fix|explain|continue|verify|check|say|tell|sort|grade|best|name|put|are|is|do)\b",
    re.IGNORECASE,
)
_USER_TURN = re.compile(
    r"^[ \t*\[]{0,4}(?:user|human)[\]*]{0,3}[ \t]*[:>]\*{0,2}[ \t]*", re.IGNORECASE | re.MULTILINE
)
_OTHER_TURN = re.compile(
    r"^[ \t*\[]{0,4}(?:assistant|system|developer|tool|ai|bot)[\]*]{0,3}[ \t]*[:>]",
    re.IGNORECASE | re.MULTILINE,
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def headed(text: str) -> Parts:
    """Return candidates under headings of their own, or else in fences that carry labels."""
    parts = _split(text, list(_HEADING.finditer(text)))
    return parts if parts.blocks else _fenced(text)


def listed(text: str) -> Parts:
    """Return candidates that are the points of a lettered or numbered list."""
    for pattern, labels in ((_LETTERED, _LETTERS), (_NUMBERED, [str(number) for number in range(1, 100)])):
        points = list(_running(pattern.finditer(text), labels))
        if len(points) > 1:
            parts = _split(text, points)
            return Parts(parts.blocks, parts.rest, listed=True)
    return Parts((), text)


def _running(matches: Iterator[re.Match[str]], labels: Sequence[str]) -> Iterator[re.Match[str]]:
    """Yield the matches that count on from the first label."""
    wanted = iter(labels)
    label = next(wanted)
    for match in matches:
        if match["label"] == label:
            yield match
            label = next(wanted, "")


def _split(text: str, headings: Sequence[re.Match[str]]) -> Parts:
    if not headings:
        return Parts((), text)
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    blocks: list[Block] = []
    after = ""
    for heading, end in zip(headings, ends, strict=True):
        content = text[heading.end() : end]
        if end == len(text):
            content, after = _without_instruction(content)
        groups = heading.groupdict()
        label = groups.get("double") or groups.get("label") or ""
        content = unescape(content).strip().strip("`").strip()
        if content and not content.startswith("<"):  # "Answer: <your answer>" asks for one
            blocks.append(Block("candidate", label.upper(), content))
    return Parts(tuple(blocks), text[: headings[0].start()] + "\n" + after)


def _without_instruction(content: str) -> tuple[str, str]:
    """Split the last quotation from the instruction that follows it in paragraphs of its own."""
    paragraphs = re.split(r"\n[ \t]*\n|\n-{3,}\n", content)
    kept = len(paragraphs)
    while kept > 1 and _INSTRUCTIVE.search(" ".join(paragraphs[kept - 1].split()[:6])):
        kept -= 1
    return "\n\n".join(paragraphs[:kept]), "\n\n".join(paragraphs[kept:])


def _fenced(text: str) -> Parts:
    """Return fences whose info string is a label: "```A", "```candidate 2"."""
    blocks: list[Block] = []
    rest: list[str] = []
    label: str | None = None
    inner: list[str] = []
    for line in text.splitlines():
        mark = line.strip()
        if label is None and mark.startswith("```") and (named := _fence_label(mark[3:].strip())):
            label, inner = named, []
        elif label is not None and mark == "```":
            blocks.append(Block("candidate", label, "\n".join(inner).strip()))
            label = None
        else:
            (rest if label is None else inner).append(line)
    return Parts(tuple(blocks), "\n".join(rest)) if blocks else Parts((), text)


def _fence_label(info: str) -> str | None:
    base, label = tag_parts(info.replace(" ", "-"))
    if base in CANDIDATE_NAMES:
        return label or None
    return base.upper() if len(base) == 1 else None


def task_paragraph(text: str) -> Parts:
    """Return a paragraph that opens with "Question:", "Task:", "User:" and the like."""
    heading = _TASK_HEADING.search(text)
    if heading is None:
        return Parts((), text)
    task, gap, rest = text[heading.end() :].lstrip().partition("\n\n")
    next_heading = _HEADING.search(task)
    if next_heading:
        task, rest = task[: next_heading.start()], task[next_heading.start() :] + gap + rest
    return Parts((Block("task", "", unescape(task).strip()),), text[: heading.start()] + "\n" + rest)


def partial_paragraphs(text: str) -> Parts:
    """Return partial work under a heading of its own: "Steps so far:", "Partial solution:"."""
    heading = _PARTIAL_HEADING.search(text)
    if heading is None:
        return Parts((), text)
    content, after = _without_instruction(text[heading.end() :])
    begun = unescape(content).strip()
    blocks = (Block("partial", "", begun),) if begun else ()
    return Parts(blocks, text[: heading.start()] + "\n" + after)


def last_user_line(conversation: str) -> str:
    """Return what follows the last "User:" in a quoted conversation, or all of it without one."""
    starts = [match.end() for match in _USER_TURN.finditer(conversation)]
    if not starts:
        return conversation.strip()
    turn = conversation[starts[-1] :]
    other = _OTHER_TURN.search(turn)
    return (turn[: other.start()] if other else turn).strip()
