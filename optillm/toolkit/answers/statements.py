"""Where a reply states its final answer: in a box, after a phrase ("the answer is"), behind a marker.

The last statement counts. Regular expressions over a whole reply have bounded repetitions only, so that the cost
stays linear in a hostile text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from optillm.toolkit.answers.extraction import FENCED
from optillm.toolkit.answers.languages import announcements
from optillm.toolkit.answers.vocabulary import BOUNDS, EXTREMES, NEVER_ACCOUNTED, words_of

MAX_LENGTH: Final = 300
"""Characters of one statement."""
_MAX_STATEMENTS: Final = 64


class Statement(NamedTuple):
    """Words that state an answer, and where they begin and end in the reply.

    `firm` ones can hardly mean anything else, by phrase or by position; `marked` ones follow a colon, a heading or
    "final"; `foreign` ones are not in English; `qualified` ones, such as "Bob's answer", may or may not be meant.
    """

    text: str
    start: int
    end: int
    firm: bool = True
    foreign: bool = False
    boxed: bool = False
    marked: bool = False
    qualified: bool = False


_PHRASE = re.compile(
    r"\b(?:(?:the|my|our|your|this)\s)?(?P<final>(?:final|correct|right|best)\s)?"
    r"(?:answers?|(?<=final )(?:result|order|ordering|ranking|solution|verdict|value|number)"
    r"|(?<=correct )(?:options?|choices?|order|ordering|value|result|statements?)|(?<=best )(?:option|choice))\b"
    r"(?:\s(?:to|for|of)\s(?:\"[^\"\n]{1,80}\"|[^.:=\n\"]){1,80}?)?"
    r"(?:(?P<heading>[*_]{0,3}[ \t]{0,4}(?=\n))|[*_`\"']{0,3}\s{0,3}(?:"
    r"(?P<mark>[:：]|=(?!=)|—|–|-(?=\s))|\b(?:is|are|was|would be|should be|must be|will be|equals|comes to)\b:?"
    r")(?:[*_`]{1,3}(?=\s|$))?)",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^[ \t]{0,3}####[ \t]{1,4}(?P<rest>[^\n]{1,300})$", re.MULTILINE)
_NUMBERED_HEADING = re.compile(r"\d+[.)]\s+[^\W\d_]")
_TAGGED = re.compile(r"<answer>\s{0,9}(?P<rest>[^<]{1,300}?)\s{0,9}</answer>", re.IGNORECASE)
_SUPPOSED = re.compile(r"\b(?:if|whether|suppose|assume|assuming|how|what|not|says?)\s(?:that\s)?(?:an?\s)?$")
_CONDITION = re.compile(
    r"^\W*(?:note|remark|(?:if|without|unless|otherwise|had)\b(?!.*\b(?:so|thus|hence|therefore)\b))"
)
_PART = re.compile(
    r"\s(?:to|for|of)\s(?:the\s)?(?:part|step|first|second|third|sub|question \d|\(\w\))", re.IGNORECASE
)
_PART_LABEL = re.compile(r"^\W*(?:\([a-z]\)|[a-z]\)|part \w)\W*$")
_DETERMINERS = words_of("""
    the my our your this so thus hence therefore and then short quick direct exact numerical numeric simplified complete
    overall required desired single only is get gives true actual final correct right best
    integer rounded approximate mathematical whole unique resulting total that revised corrected updated new improved
""")
"""Words right before "answer" that leave it the answer to the question."""
_NOT_FINAL = words_of("""
    wrong incorrect false mistaken common tempting draft initial first preliminary tentative intermediate previous
    possible plausible long longer detailed full
""")
"""Words right before "answer" that make it none."""


def statements(text: str) -> list[Statement]:
    """Return the statements of a final answer in `text`, the last first."""
    every = [*_joined(list(_boxes(text)), text), *_marked(text), *_phrased(text)]
    return sorted(every, key=lambda statement: -statement.start)[:_MAX_STATEMENTS]


_BETWEEN_BOXES = re.compile(
    r"[\s$\\()\[\]]*(?P<joint>,|;|,?\s?\b(?:and|or)\b)[\s$\\()\[\]]*(?:[A-Za-z]\s?=\s?)?"
)


def _joined(boxes: list[Statement], text: str) -> list[Statement]:
    """Return boxes, those that one sentence lists joined into one statement."""
    joined: list[Statement] = []
    for box in boxes:
        before = joined[-1] if joined else None
        joint = (
            _BETWEEN_BOXES.fullmatch(text, before.end, box.start)
            if before and box.start > before.end
            else None
        )
        if before and joint:
            word = joint["joint"].strip(" ,;") or "and"
            listed = f"{before.text} {word} {box.text}"
            joined[-1] = before._replace(text=listed, start=before.start, end=box.end)
        else:
            joined.append(box)
    return joined


def _marked(text: str) -> Iterator[Statement]:
    for pattern in (_MARKER, _TAGGED):
        matches = list(pattern.finditer(text))
        numbers = [match["rest"].strip() for match in matches]
        if len(matches) > 1 and numbers == [str(number + 1) for number in range(len(matches))]:
            continue  # headings
        for match in matches:
            if pattern is _MARKER and _NUMBERED_HEADING.match(match["rest"]):
                continue
            # "#### 42" states an answer anywhere, "#### Summary" at most on the last line.
            firm = pattern is _TAGGED or not text[match.end() :].strip()
            yield Statement(
                match["rest"].strip(), match.start(), match.end(), firm, marked=pattern is _TAGGED
            )


def _phrased(text: str) -> Iterator[Statement]:
    matches = [(match, False) for match in _PHRASE.finditer(text)]
    matches += [(match, True) for match in announcements(text)]
    matches.sort(key=lambda pair: -pair[0].start())
    limit = len(text)
    for match, is_foreign in matches[:_MAX_STATEMENTS]:
        start = match.start()
        qualifier = "" if is_foreign else _qualifier(text, match)
        if qualifier is None:
            continue
        begin = match.end()
        words, end = _after(text, begin, min(limit, begin + MAX_LENGTH))
        before = text[text.rfind("\n", 0, start) + 1 : start]
        if before.count('"') % 2 and '"' in words:
            words = words.partition('"')[0]  # the statement is a quotation
        alone = not before.strip(" \t#*_>-")
        groups = match.groupdict()
        if is_foreign:
            yield Statement(words, start, end, firm=True, foreign=True, marked=True)
        elif groups["heading"] is None or alone:
            firm = any(groups[sign] is not None for sign in ("mark", "final", "heading"))
            firm_or_last = firm or start >= len(text) - MAX_LENGTH
            yield Statement(words, start, end, firm_or_last, marked=firm, qualified=bool(qualifier))
        limit = start


def _qualifier(text: str, match: re.Match[str]) -> str | None:
    """Return the word that makes a phrase state some other answer, "" if there is none.

    Returns `None` for no answer at all: a supposed one, a wrong one, or one to a part of the question.
    """
    line = text[max(0, match.start() - MAX_LENGTH) : match.start()].rpartition("\n")[2]
    before = re.split(r"[.!?]\s", line)[-1].casefold()
    if any(pattern.search(before) for pattern in (_SUPPOSED, _CONDITION, _PART_LABEL)) or _PART.search(
        match[0]
    ):
        return None
    word = _BEFORE.search(before) if match[0][0] in "aA" else None
    if word is None or word[0] in _DETERMINERS:
        return ""
    return None if word[0] in _NOT_FINAL else word[0]


_ITEM = re.compile(r"\s*(?:[-*•]\s+|\d{1,2}[.)]\s+)")


def _after(text: str, begin: int, limit: int) -> tuple[str, int]:
    """Return the rest of the line or, if it is empty, the next line; of a list, all items; and its end."""
    lines = text[begin:limit].split("\n")
    if lines[0].strip(" \t*_:`"):
        return lines[0].strip(), begin + len(lines[0])
    block: list[str] = []
    length = len(lines[0])
    for line in lines[1:]:
        if block and not (_ITEM.match(line) and _ITEM.match(block[0])):
            if line.strip():
                break
            length += 1 + len(line)
            continue
        length += 1 + len(line)
        if line.strip(" \t*_$\\[]"):
            block.append(line)
    if not block or block[0] == FENCED:
        return "", begin
    if len(block) == 1:
        return block[0].strip(), begin + length
    return ", ".join(_ITEM.sub("", line).strip() for line in block), begin + length


_BRACE = re.compile(r"\\(?:boxed|fbox)\s{0,3}\{|\\.|[{}]", re.DOTALL)
_AROUND = 60
_BEFORE = re.compile(r"[^\W\d_][\w']*(?=[\s$*\\(\[]*$)")
_BEHIND = re.compile(r"[\s$*)\]\\,]*?(?P<percent>\\?%)|[ \t$*)]*(?:\\[)\]])?[ \t]*(?P<word>[^\W\d_][\w']*)")


def _boxes(text: str) -> Iterator[Statement]:
    r"""Yield each `\boxed{…}` that closes and says something, braces matched."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return
    opened: list[tuple[int, int] | None] = []
    for token in _BRACE.finditer(text):
        if token[0] == "}":
            opening = opened.pop() if opened else None
            content = "" if opening is None else text[opening[1] : token.start()].strip()
            if opening is not None and re.search(r"[\w\\∅]", content):  # not the dots of a quoted instruction
                yield Statement(
                    _in_context(text, content, opening[0], token.end()), opening[0], token.end(), boxed=True
                )
        elif token[0].endswith("{") and len(token[0]) != 2:
            opened.append((token.start(), token.end()) if token[0][0] == "\\" else None)


def _in_context(text: str, content: str, start: int, end: int) -> str:
    """Return what a box says, with the word beside it that changes it: "at least", "%", "or"."""
    before = _BEFORE.search(text[max(0, start - _AROUND) : start])
    if before and before[0].casefold() in BOUNDS | NEVER_ACCOUNTED:
        content = f"{before[0]} {content}"
    behind = _BEHIND.match(text[end : end + _AROUND])
    if behind and behind["percent"]:
        return f"{content}%"
    if (
        behind
        and behind["word"]
        and behind["word"].casefold() in EXTREMES | {"or", "if", "unless", "except", "only"}
    ):
        return f"{content} {text[end : end + _AROUND].splitlines()[0].strip(' $*)')}"
    return content


_CORRECTION = re.compile(
    r"(?:^|[.!?\n(]|—|–)[\s*_>#(]{0,6}(?:wait|actually|correction|hold on|hang on|oops|scratch that|on second thought"
    r"|let me (?:re|correct|fix)|i (?:made|have made|think i made) an? (?:mistake|error)|no\b(?=[,.!;:—– ])"
    r"|(?:but )?that(?:'s| is|’s) (?:wrong|not right|incorrect|not correct|a mistake)|sorry\b|hmm\b|my mistake|edit:"
    r"|on (?:closer|further|re)\s?(?:inspection|reflection|examination|look|thought)|on reflection|looking again"
    r"|i mis(?:read|calculated|counted|took|spoke))",
    re.IGNORECASE,
)
_REACH = 2_000
_RETRACTED = re.compile(
    r"\w[^\w\n]*(?:[,(—–-]|\.\.\.|…)\s*(?:sorry|oops|correction|i meant?\b|make that|no,? wait|wait|or rather"
    r"|scratch that|my mistake)\b",
    re.IGNORECASE,
)


def retracts(sentence: str) -> bool:
    """Return whether a sentence takes back what it has just said: "17 × 6 = 112, sorry, 102."."""
    return _RETRACTED.search(sentence) is not None


def correction(text: str, after: int) -> int | None:
    """Return where a correction begins behind a statement that ends at `after`, if there is one."""
    start = max(0, after - 1)
    match = _CORRECTION.search(text, start, after + _REACH)
    return match.end() if match else None
