"""Read verdicts in words: labels, scores, rankings, preferences, yes and no.

The functions of one word (`label`, `score`, …) read the value of a JSON field and raise `ValueError` for what they
do not understand; the `stated_…` functions find the verdict in running text that is `plain` and return `None` if
there is none. The last statement counts. Repetitions are bounded: judges quote hostile text.
"""

from __future__ import annotations

import re
from typing import Any

_LABEL_NOUN = r"(?:candidate|answer|response|option|solution|reply|proposal|assistant|model|choice)"
_LABEL = re.compile(rf"(?:{_LABEL_NOUN}\s{{1,2}})?#?([a-z]{{1,2}}|\d{{1,3}})", re.IGNORECASE)
_WRAPPING = " \t\n\"'`*_[](){}<>.,;:"


def label(value: Any) -> str:
    """Return the label in "Candidate B", "[b]" or "**B**", in capitals."""
    match = _LABEL.fullmatch(_WRAPPED_NOUN.sub("", str(value).strip(_WRAPPING)))
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not match:
        raise ValueError("not a label")
    return match[1].upper()


_WRAPPED_NOUN = re.compile(rf"^{_LABEL_NOUN}\s{{0,2}}(?=[\[(\"'*#])[\[(\"'*#]{{1,3}}", re.IGNORECASE)


def listed(value: Any) -> Any:
    """Return a list as it is, and the labels of "B > A > C" or "B, A, C" as a list."""
    if not isinstance(value, str):
        return value
    labels = stated_ranking(value)
    if labels is None:
        raise ValueError("not a ranking")
    return labels


_NUMBER = r"[-+]?(?<![\d.,])(?:\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})(?![\d]|[.,]\d)"
_SCALE = r"\s{0,2}(?:/|out\sof)\s{0,2}[*_]{0,3}(?P<out_of>\d{1,4})(?![\d/]|\.\d)|\s?(?P<percent>%|percent\b)"
_SCORE = re.compile(rf"({_NUMBER})[*_]{{0,3}}(?:{_SCALE})?", re.IGNORECASE)
_SCALED = re.compile(rf"(?<![\d/.,-])({_NUMBER})[*_]{{0,3}}(?:{_SCALE})", re.IGNORECASE)
_LABELLED = re.compile(
    r"\b(?:(?:score|rating|grade|mark)\b|(?:give|rate)\s(?:it|this)\b(?:\s(?:an?|as)\b)?)[*_\"'`]{0,3}"
    r"\s{0,2}(?:\((?:out of\s|\d{1,2}\s?(?:-|–|to)\s?|/\s?)(?P<top>\d{1,4})\)[*_]{0,3})?"
    r"\s{0,2}(?:(?P<firm>:|=)|is|of)?[*_]{0,3}\s{0,3}[*_\[\"'`]{0,4}"
    rf"(?P<score>{_NUMBER})[*_]{{0,3}}(?:{_SCALE})?(?P<range>\s?(?:-|–|to|or)\s?\d)?",
    re.IGNORECASE,
)


def score(value: Any) -> float:
    """Return a score from 0 to 10: a number as it is; "8/10", "4 out of 5" and "85%" converted."""
    if isinstance(value, bool) or value is None:
        raise ValueError("not a score")
    if isinstance(value, (int, float)):
        return float(value)
    match = _SCORE.fullmatch(str(value).strip(_WRAPPING))
    if not match:
        raise ValueError("not a score")
    return _rescaled(match[1], match[2], match[3])


def _rescaled(number: str, top: str | None, percent: str | None) -> float:
    """Return a number as a score out of ten.

    Raises `ValueError` if it exceeds its own scale.
    """
    value, highest = float(number), 100.0 if percent else float(top or 10)
    if (top or percent) and not 0 <= value <= highest:
        raise ValueError("beyond its own scale")
    return value * 10 / highest if highest else -1.0


def stated_score(text: str) -> float | None:
    """Return the score after "Score:" or "Rating is", else one with a scale, else a lone number."""
    labelled = list(_LABELLED.finditer(text))
    scaled = list(_SCALED.finditer(text))
    try:
        if labelled:
            # "A score of 10 would take more" may follow "Score: 8" and is not the verdict.
            last = ([match for match in labelled if match["firm"]] or labelled)[-1]
            # "7-8" is two scores, and neither is the judge's.
            top = last["out_of"] or last["top"]
            return None if last["range"] else _rescaled(last["score"], top, last["percent"])
        if scaled:
            return _rescaled(*scaled[-1].groups())
        return score(text) if len(text) < 20 else None
    except ValueError:
        return None


# No two alternatives below match the same text, so that nothing is ever tried twice.
_NAME = rf"(?<![\w'])(?:{_LABEL_NOUN}\s{{1,2}}#?\w{{1,2}}|[A-Za-z])(?![\w'])"
_NEXT = r"(?:\s{0,2}[,;]\s{0,3}|\s{1,3})(?:(?:and|then)\s{1,3})?"
_BETTER_THAN = r"\s{0,3}(?:>{1,2}|≻|→|->|=>)\s{0,3}"
_CHAIN = re.compile(rf"{_NAME}(?:{_BETTER_THAN}{_NAME})+", re.IGNORECASE)
_LIST = rf"{_NAME}(?:{_NEXT}{_NAME})*"
_HEADED = re.compile(
    rf"\b(?:ranking|rank|order|best to worst)\b[^:\n]{{0,60}}:\s{{0,3}}({_LIST})"
    r"(?=\s{0,3}(?:[.\n;:(–—-]|$|because\b|since\b))",
    re.IGNORECASE,
)
_WHOLE = re.compile(rf"({_LIST})\.?", re.IGNORECASE)
_NUMBERED = re.compile(
    r"(?:^|(?<=\s))#?(\d{1,2})(?:[.:]{1,2}|(?:st|nd|rd|th)\b:?)\s{0,3}(?:place:?\s)?"
    rf"(?:(?P<noun>{_LABEL_NOUN})\s{{1,2}})?(?P<label>[A-Za-z])(?![\w'])"
    r"(?P<end>(?=\s{0,3}(?:$|\n|[.,:;–—-]|#?\d{1,2}(?:[.:]|[snrt][tdh]))))?",
    re.IGNORECASE,
)
_LETTER = re.compile(rf"{_LABEL_NOUN}|\b(?:then|and)\b|\b([A-Za-z]|\d{{1,2}})\b", re.IGNORECASE)
_MARKUP = str.maketrans("", "", '*_`"[]{}()')


def stated_ranking(text: str) -> list[str] | None:
    """Return the labels of the last ranking: "B > A > C", "Ranking: B, A, C", "1. B 2. A 3. C".

    Failing that, those of the best.
    """
    text = re.sub(r"(?<=\d)\)", ".", text).translate(_MARKUP)
    for labels in (_stated_chain(text), _stated_list(text), _stated_numbers(text)):
        if labels:
            return labels
    whole = _WHOLE.fullmatch(text.strip()) if len(text) < 200 else None
    return _letters(whole[1]) if whole else _stated_best(text)


_BEST = re.compile(
    r"(?<![\w'])(?P<subject>(?-i:[A-Z]))\s(?:is|seems|appears|looks)\s"
    r"(?:(?!not\b|no\b|hardly\b|never\b|second\b|third\b|next\b)\w{1,14}\s)?(?:the\s)?(?:best|winner)\b"
    rf"|(?<!next\s)(?<!second\s)(?<!third\s)\b(?:best|winner)(?:\s(?:{_LABEL_NOUN}|one|overall)){{0,2}}"
    rf"\s{{0,2}}(?::|=|\bis\b)\s{{0,2}}(?:the\s)?(?:{_LABEL_NOUN}\s{{1,2}})?(?P<object>(?-i:[A-Z]))(?![\w'])",
    re.IGNORECASE,
)


def _stated_best(text: str) -> list[str] | None:
    """Return the label in the last "B is the best" or "The best answer is B"."""
    matches = list(_BEST.finditer(text))
    return [matches[-1]["subject"] or matches[-1]["object"]] if matches else None


def _letters(text: str) -> list[str]:
    return [match[1].upper() for match in _LETTER.finditer(text) if match[1]]


def _stated_chain(text: str) -> list[str] | None:
    for chain in reversed(list(_CHAIN.finditer(text))):
        before, after = text[: chain.start()][-3:].rstrip(), text[chain.end() :][:3].lstrip()
        if before[-1:] in ("=", "~", ">") or after[:1] == ">":
            continue  # a ranking cannot express a tie before its end
        if chain[0].islower() and chain[0].strip() != text.strip():
            continue  # "x > y" is algebra
        labels = _letters(chain[0])
        # Candidates that tie at the end are left out and share the remaining marks.
        return labels[:-1] if after[:1] in ("=", "~") else labels
    return None


def _stated_list(text: str) -> list[str] | None:
    headed = list(_HEADED.finditer(text))
    return _letters(headed[-1][1]) if headed else None


def _stated_numbers(text: str) -> list[str] | None:
    run: list[str] = []
    for item in _NUMBERED.finditer(text):
        if not item["noun"] and item["end"] is None:
            continue  # "1. A good answer"
        if int(item[1]) == 1:
            run = [item["label"].upper()]
        elif int(item[1]) == len(run) + 1:
            run.append(item["label"].upper())
    return run if len(run) > 1 else None


_TIE = r"tie|tied|draw|equal|equally good|neither|both|same"
_SIDE = rf"(?:{_LABEL_NOUN}\s{{1,2}})?[\[(]{{0,2}}"
_BETTER = re.compile(
    rf"(?<![\w'])[\[(]{{0,2}}(?P<subject>(?-i:[AB]))[\])]{{0,2}}\s"
    r"(?:(?:is|seems|appears|looks)\s(?:(?!not\b|no\b|hardly\b|never\b)\w{1,14}\s)?(?:the\s)?"
    r"(?:better|best|stronger|superior|preferable|winner|preferred)"
    r"(?=\s(?:than|overall|answer|response|one|of|here)\b|\s?[^\w\s]|\s{0,3}$)|wins\b)"
    rf"|\b(?:better|best|winner|preference|preferred|verdict|choice)(?:\s(?:{_LABEL_NOUN}|one|overall)){{0,2}}"
    rf"\s{{0,2}}(?::|=|\bis\b)\s{{0,2}}(?:the\s)?{_SIDE}(?P<object>(?-i:[AB])|{_TIE})(?![\w'])"
    rf"|\b(?:prefer|choose|pick|favou?r)\s(?:the\s)?{_SIDE}(?P<chosen>(?-i:[AB]))(?![\w'])"
    r"|\[\[(?P<double>[ABC])\]\]"
    r"|(?<![\w'>])(?P<more>[AB])\s?(?P<sign>>{1,2}|<{1,2})\s?(?P<less>[AB])(?![\w'>])"
    r"|\b(?P<even>(?:it(?:'s| is)|they are|(?:both|the two)[^.\n]{0,30}? are|result:?)\s"
    r"(?:an?\s)?(?:tie|tied|draw|equal|equally good)|neither (?:one )?is better)\b",
    re.IGNORECASE,
)


def side(value: Any) -> str:
    """Return `A`, `B` or `tie`."""
    text = str(value).strip(_WRAPPING)
    if re.fullmatch(_TIE, text, re.IGNORECASE):
        return "tie"
    return label(value)


def stated_side(text: str) -> str | None:
    """Return the last side in "A is better", "Winner: **B**", "[[A]]" or "it is a tie"."""
    bare = text.strip(_WRAPPING)
    if re.fullmatch(rf"(?:{_LABEL_NOUN}\s{{1,2}})?(?:[AB]|{_TIE})", bare, re.IGNORECASE):
        return side(bare)
    matches = list(_BETTER.finditer(text.translate(_EMPHASIS)))
    if not matches:
        return None
    last = matches[-1]
    if last["more"]:
        better, worse = (last["more"], last["less"]) if ">" in last["sign"] else (last["less"], last["more"])
        return better.upper() if better.upper() != worse.upper() else None
    named = last["subject"] or last["object"] or last["chosen"] or last["double"]
    return "tie" if last["even"] or named in ("C", "c") else side(named)


_EMPHASIS = str.maketrans("", "", '*_`"')
_NOTHING = frozenset(
    ("", "none", "none found", "no error", "no errors", "no errors found", "nothing", "null", "n/a")
)


_LONGEST_REMARK = 300
_MOST_REMARKS = 20


def remarks(value: Any) -> list[str]:
    """Return a judge's remarks, each as one line of bounded length; none if it says "none"."""
    parts = list(value) if isinstance(value, (list, tuple)) else [value]
    lines = [
        " ".join(_remark(part)[: 4 * _LONGEST_REMARK].split())[:_LONGEST_REMARK]
        for part in parts[:_MOST_REMARKS]
    ]
    return [line for line in lines if line.strip(_WRAPPING).casefold() not in _NOTHING]


def _remark(value: Any) -> str:
    if isinstance(value, dict):
        return ": ".join(part for part in value.values() if isinstance(part, str))
    return value if isinstance(value, str) else ""


_DECLINED = re.compile(
    r"[\s*_\"'#>-]{0,9}(?:(?:I'm|I am)(?: \w{1,12})? sorry|sorry\b|I apologi[sz]e|as an AI\b"
    r"|I(?:'m| am) (?:unable|not able|not going)|I must decline"
    r"|(?:(?:unfortunately|no),? )?I (?:can't|cannot|can not|won't|will not|would rather not)\b)",
    re.IGNORECASE,
)


def declines(text: str) -> bool:
    """Return whether a reply opens by declining the request; `text` is `plain`."""
    return _DECLINED.match(text) is not None
