"""Where a reply concludes: its last sentence and its first, their clauses, and what they emphasise.

A clause is what follows "so", "therefore" or a colon. A head is what precedes a trailing addition: an aside in
brackets, a reason, a clause after a comma. Each is tried from the most to the least specific.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from optillm.toolkit.answers.extraction import FENCED, sentences
from optillm.toolkit.answers.typography import delatex, plain
from optillm.toolkit.answers.vocabulary import words_of

LONGEST: Final = 400
"""The most characters of a sentence that are read."""
_MOST_CUTS: Final = 8
WORD: Final = re.compile(r"[^\W_][\w'.-]*(?<![.'-])")
_DISPLAY = re.compile(r"\s{0,4}(?:\\\[|\$\$)\s{0,4}(.{1,300}?)\s{0,4}(?:\\\]|\$\$)", re.DOTALL)
_INLINE_MATH = re.compile(r"\\\(\s{0,4}|\s{0,4}\\\)|\$(?!\s)(?P<math>[^$\n]{1,120}?)(?<!\s)\$(?!\d)")
_NUMBER = re.compile(r"\d{1,2}[.)]")
"""The number of an item that was cut off."""
_LINE_MARK = re.compile(r"^(?:[-*•#]+\s+|\d{1,2}[.)]\s+)+")
_SUPPOSING: Final = words_of("if unless suppose supposing assume assuming when whenever imagine should")


def unmarked(text: str) -> str:
    """Return a text as plain characters, without the delimiters of LaTeX; emphasis, quotes and code stay."""
    text = _DISPLAY.sub(lambda display: f" {' '.join(display[1].split())}", text)
    text = _INLINE_MATH.sub(lambda inline: inline["math"] or "", text)
    return delatex(plain(text))


def closing(prose: str) -> str:
    """Return the last sentence of a text; empty if it is too long, a question, or ends with a block of code."""
    every = sentences_of(prose.rstrip().rpartition("\n\n")[2] or prose)
    while len(every) > 1 and (every[-1].startswith("(") or every[-1].endswith("?")):
        every.pop()
    return every[-1] if every and len(every[-1]) <= LONGEST and FENCED not in every[-1] else ""


def opening(prose: str) -> str:
    """Return the first sentence of a text; empty if it is too long, or only announces something."""
    every = sentences_of(prose.lstrip().partition("\n\n")[0])
    return every[0] if every and len(every[0]) <= LONGEST and not every[0].endswith((":", "?")) else ""


def sentences_of(paragraph: str) -> list[str]:
    """Return the sentences of a text without the marks of its lists."""
    lines = [_LINE_MARK.sub("", line.strip()) for line in unmarked(paragraph[-6_000:]).splitlines()]
    lines = [
        part
        for line in lines
        for part in _FULL_STOP.split(line)
        if len(lines) == 1 or not _NUMBER.fullmatch(part)
    ]
    return [sentence for line in lines for sentence in sentences(line) if WORD.search(sentence)]


_FULL_STOP = re.compile(r"(?<=[。！])")
_CONCLUDING = re.compile(
    r"(?:^|[,;.:—–]\s+|\s)(?:and\s)?(?:(?:so|therefore|thus|hence|consequently|accordingly)\b"
    r"(?!\s(?:many|much|far|as)\b),?\s+(?:that\s)?|(?:which|this|that|it) (?:means|shows|implies|follows) (?:that )?)"
    r"|,\s(?:for a total of|leaving|which (?:equals|gives|makes|leaves|results in|leads to)(?:\sus|\syou)?)\s(?=\W*\d)"
    r"|(?<=\w):\s+|;\s+(?=[a-z\d*])",
    re.IGNORECASE,
)


def clauses(sentence: str) -> Iterator[str]:
    """Yield what a sentence concludes, the last conclusion first, and then the whole of it.

    Nothing is concluded from what is only supposed.
    """
    ends = [match.end() for match in _CONCLUDING.finditer(sentence)][-_MOST_CUTS:]
    if not ends and (intro := _INTRODUCED.match(sentence)):
        ends = [intro.end()]
    for end in reversed(ends):
        lead = {word.casefold() for word in WORD.findall(sentence[:end])}
        if sentence.count("(", 0, end) > sentence.count(")", 0, end):
            continue  # "on May 3, 1815 (Old Style: April 21)"
        if sentence[end:].strip() and not lead & _SUPPOSING and not (ends == [end] and lead & _EXCEPTING):
            yield sentence[end:]
    yield sentence


_INTRODUCED = re.compile(
    r"(?:using|by|since|because|as|after|applying|given|from|\w+ing)\s[^;]{3,200}?,\s(?=(?:the|it|this|there|he|she|they|we|you|each|one|[A-Z]\w+)\b)",
    re.IGNORECASE,
)
"""A reason or a way of working out before what follows from it."""
_EXCEPTING: Final = words_of("without excluding except not ignoring disregarding besides")
_ADDITION = re.compile(
    r",\s|\s(?=\()|;\s|:\s|\s[—–-]\s|\s(?=(?:because|since|as (?:it|he|she|they)"
    r"|due to|and (?:it|was|is|has|they|he|she)"
    r"|is (?:the|your|our) (?:result|answer|sum|product)|and \w+ed (?:it|in|the)"
    r"|and (?=\d|two|three|four|five|six|seven|eight|nine|ten)|which|who|whereas|while)\b)"
)


def heads(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield a sentence, then what precedes each addition from the last on, with that addition."""
    yield sentence, ""
    for cut in list(_ADDITION.finditer(sentence))[:_MOST_CUTS][::-1]:
        if cut.start():
            yield sentence[: cut.start()], sentence[cut.start() :]


_EMPHASISED = re.compile(
    r"\*\*\*?(?P<bold>[^*\n]{1,160}?)\*\*\*?|(?<![\w`])`(?P<code>[^`\n]{1,160})`(?!`)"
    r"|(?<![\w\"])\"(?P<quoted>[^\"\n]{1,120})\"(?!\w)"
)


def emphasised(sentence: str, *, bold_only: bool = False) -> list[re.Match[str]]:
    """Return the spans of a sentence that are bold, and those between backticks or quotation marks."""
    spans = list(_EMPHASISED.finditer(sentence))
    return [span for span in spans if span["bold"]] if bold_only else spans


def within(span: re.Match[str]) -> str:
    """Return the words of an emphasised span."""
    return next(group for group in span.groups() if group).strip()


def bare(text: str) -> str:
    """Return a text without marks of emphasis."""
    return text.replace("**", "").strip()
