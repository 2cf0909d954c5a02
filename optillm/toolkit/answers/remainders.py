"""The name or the few words that are left of a sentence without the words of its question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from optillm.toolkit.answers.concluding import WORD, bare, clauses, emphasised, heads, within
from optillm.toolkit.answers.forms import Form
from optillm.toolkit.answers.languages import without_particles
from optillm.toolkit.answers.questions import Question, question_of
from optillm.toolkit.answers.sentences import Reading, in_words
from optillm.toolkit.answers.texts import text_key
from optillm.toolkit.answers.vocabulary import BOUNDS, NEVER_ACCOUNTED, OPPOSITES, stem, words_of

_MOST_WORDS: Final = 5
_MOST_LOWER_WORDS: Final = 3
_FUNCTION: Final = words_of("""
    the a an of in on at to for from by with as is are was were be been being has have had it this that these those
    its their his her there here which who called named known so thus therefore hence and people person one answer
    word term name also commonly officially usually generally often mainly primarily currently first you i we they he
    she would official main primary actually you're it's they're he's she's i'm now translates
    translated translation means written spelled into pronounced
""") - words_of("first and")
_CONNECTING: Final = words_of("of the and de la du von van der di da & le el los las y")
_CHANGING: Final = (
    NEVER_ACCOUNTED
    | BOUNDS
    | words_of(
        "than each other another former latter unlike similar second third fourth fifth next past runner-up deputy"
    )
) - words_of("false wrong plus")
_VERBS: Final = words_of("is are was were has have had means you're it's they're he's she's i'm")
_RELATED: Final = {
    "author": "write", "wrote": "write", "written": "write", "writer": "write",
    "painter": "paint", "composer": "compos",
    "inventor": "invent", "discoverer": "discover", "founder": "found", "director": "direct", "spoken": "speak",
    "spok": "speak", "creator": "creat", "developer": "develop", "leader": "lead", "winner": "win",
}  # fmt: skip
"""Stems of nouns for who does something, with that of the verb."""
_SUBJECT_ASKED = re.compile(
    r"\b(?:who|which\s\w+|what\s\w+)\s(?!(?:is|are|was|were|do|does|did|has|have|had|can|will|would)\b)\w+",
    re.IGNORECASE,
)
_INTERPOSED = re.compile(
    r"^(?P<name>[^,]{2,60}),\s(?P<aside>(?:[^,]|,(?=\d)){3,120}),\s(?=(?P<verb>[a-z]+)\b)"
)


_ANOTHER_NAME = re.compile(r"\s?\((?:[A-Z]{2}|[A-Z][a-z]{3,}(?:\s[A-Z]\w+)?)\)")


_DATED = re.compile(
    r"\s(?:in|on|during|around|since)\s(?:the\s)?(?:early\s|late\s|mid-?\s?)?(?:\d|January|February|March|April|May|June|July"
    r"|August|September|October|November|December)[^,;]*$"
)
_OBJECT_ASKED = re.compile(r"\b(?:what|which|whom?)\s(?:[a-z]+\s)?(?:do|does|did|can|could)\s", re.IGNORECASE)


class Remainder(NamedTuple):
    """What is left of a sentence, and the words before and behind it."""

    text: str
    before: Sequence[str]
    behind: Sequence[str]


def name_in(sentence: str, question: Question) -> Reading | None:
    """Return the one name or few words that the conclusion of a sentence adds to its question."""
    for clause in clauses(sentence):
        if reading := _emphasised(clause, question) or _left(clause, question):
            return reading
    return None


def _emphasised(clause: str, question: Question) -> Reading | None:
    """Return the one emphasised span that the question does not have, if nothing before it changes it."""
    spans = [
        span
        for span in emphasised(clause)
        if within(span).casefold().strip(".,") not in question.last.casefold()
    ]
    bold = [span for span in spans if span["bold"]]
    spans = bold or [span for span in spans if _is_framed(clause, span, question)]
    if len(spans) != 1:
        return None
    span = spans[0]
    outside = [word.casefold() for word in WORD.findall(bare(clause[: span.start()]))]
    behind = [word.casefold() for word in WORD.findall(re.split(r"[,;.:(]", clause[span.end() :])[0])]
    if {word for word in outside if not question.words.mention(word)} & _CHANGING or set(behind) & _CHANGING:
        return None
    if set(behind) & words_of("and or"):
        return None
    stated = within(span)
    if len(stated.split()) > _MOST_WORDS or re.search(r"\d[^\w]*\d.*[=+*/]|=", stated):
        return None
    if not (span["bold"] or _repeats(outside + behind, question) or _FUNCTION.issuperset(outside + behind)):
        return None
    return _named(stated, question, marked=True)


def _is_framed(clause: str, span: re.Match[str], question: Question) -> bool:
    """Return whether the words around a quotation are all accounted for."""
    outside = WORD.findall(f"{bare(clause[: span.start()])} {re.split('[,;.:(]', clause[span.end() :])[0]}")
    return all(_is_accounted(word, question) or word[0].isupper() for word in outside)


def _repeats(words: Sequence[str], question: Question) -> bool:
    """Return whether words repeat any of the question's that mean something."""
    return any(word not in _FUNCTION and _mentions(word, question) for word in words)


def _left(clause: str, question: Question) -> Reading | None:
    text = _INTERPOSED.sub(lambda match: _without_aside(match, question), bare(clause))
    text = text.rstrip(".! ")
    dated = _DATED.search(text)
    cuts = [*heads(text), *([(text[: dated.start()], text[dated.start() :])] if dated else [])]
    every = [(head, addition) for head, addition in cuts if adds_nothing(addition, head)]
    for head, _ in sorted(every, key=lambda pair: len(pair[0])):
        for asking in dict.fromkeys((question, question_of(question.last))):
            remainder = _remainder(head, asking)
            if remainder and _answers(remainder, asking):
                return _named(remainder.text, question)
    return None


def _named(stated: str, question: Question, *, marked: bool = False) -> Reading | None:
    reading = in_words(stated, question, _MOST_WORDS, marked=marked)
    return (
        Reading(reading.text, reading.form._replace(subject=None))
        if reading and reading.form.kind == "text"
        else None
    )


_LISTED = re.compile(r"[^,;:=<>.?]{1,40}(?:,\s[^,;:=<>.?]{1,40}){0,7},?\sand\s[^,;:=<>.?]{1,40}")
_IN_BRACKETS = re.compile(r"\s?\([^()]{1,60}\)")


def names_of(sentence: str, question: Question) -> Reading | None:
    """Return the several names that a sentence lists in answer to a question for a number of them, as a set."""
    text = _IN_BRACKETS.sub("", bare(sentence)).rstrip(" .!")
    words = list(WORD.finditer(text))
    left = [index for index, word in enumerate(words) if not _is_accounted(word[0], question)]
    if len(left) < 2 or any(
        word[0].casefold() in _CHANGING and not question.words.mention(word[0]) for word in words
    ):
        return None
    inside = words[left[0] : left[-1] + 1]
    if any(
        word[0].casefold() not in _CONNECTING and left[0] + i not in left for i, word in enumerate(inside)
    ):
        return None
    stated = text[inside[0].start() : inside[-1].end()]
    if _LISTED.fullmatch(stated) is None:
        return None
    return _set_of(re.split(r",\s(?:and\s)?|\sand\s", stated))


def _set_of(names: Sequence[str]) -> Reading:
    keys = sorted({text_key(name) for name in names})
    return Reading(", ".join(names), Form("collection", "{" + "; ".join(keys) + "}"))


def _without_aside(match: re.Match[str], question: Question) -> str:
    """Return a subject without the aside between it and its verb: "Insulin, made by the pancreas, lowers …"."""
    is_verb = match["verb"] in _VERBS or _mentions(match["verb"], question)
    return f"{match['name']} " if is_verb and adds_nothing(match["aside"]) else match[0]


def adds_nothing(addition: str, head: str = "") -> bool:
    """Return whether an addition behind a name leaves it that name."""
    if _ANOTHER_NAME.match(addition) and not any(word in head for word in WORD.findall(addition)):
        return False  # "Springfield (Illinois)"
    words = {word.casefold() for word in WORD.findall(addition)}
    return not words & words_of(
        "not but except unless if however or though although instead nor neither only"
    )


_RANKED = re.compile(r"\b(?:place|position|rank|century|floor|grade)\b", re.IGNORECASE)
_RANKS: Final = words_of("second third fourth fifth")


def _is_changing(word: str, question: Question) -> bool:
    """Return whether a word makes another name of the one beside it, and neither is the question's nor asked for."""
    folded = word.casefold()
    if folded not in _CHANGING or question.words.mention(folded):
        return False
    return folded not in _RANKS or not _RANKED.search(question.last)


def _remainder(text: str, question: Question) -> Remainder | None:
    """Return the one run of words of a text that neither the question has nor add nothing."""
    words = list(WORD.finditer(text))
    left = [
        index
        for index, word in enumerate(words)
        if not _is_accounted(word[0], question) or (index and _is_in_name(words, index, question))
    ]
    if not left or any(_is_changing(word[0], question) for word in words):
        return None
    first, last = left[0], left[-1]
    inside = words[first : last + 1]
    if any(word[0].casefold() not in _CONNECTING and first + i not in left for i, word in enumerate(inside)):
        return None
    stated = text[words[first].start() : words[last].end()]
    around = text[max(0, words[first].start() - 1) : words[first].start()] + text[words[last].end() :][:1]
    if re.search(r"[;:=<>]|,\s", stated) or re.search(r"[^\s\"'.,;:!)*`]", around):
        return None
    before = [word[0].casefold() for word in words[:first]]
    behind = [word[0].casefold() for word in words[last + 1 :]]
    return Remainder(stated, before, behind)


def _is_in_name(words: Sequence[re.Match[str]], index: int, question: Question) -> bool:
    """Return whether a capitalised little word goes on with a name: the "An" of "Hoi An"."""
    word, before = words[index][0], words[index - 1]
    if not word[0].isupper() or word.casefold() not in _FUNCTION or before.end() + 1 != words[index].start():
        return False
    return before[0][0].isupper() and not _is_accounted(before[0], question)


def _mentions(word: str, question: Question) -> bool:
    stems = question.words.nouns
    own = _RELATED.get(stem(word), _RELATED.get(word.casefold(), stem(word)))
    return stem(word) in stems or own in {_RELATED.get(other, other) for other in stems}


def _is_accounted(word: str, question: Question) -> bool:
    folded = word.casefold().removesuffix("'s")
    if folded in question.words.disputed:
        return False
    return folded in _FUNCTION or _mentions(folded, question)


def _answers(remainder: Remainder, question: Question) -> bool:
    """Return whether a remainder stands where an answer does: as the subject, or behind the verb of its sentence."""
    if not _repeats([*remainder.before, *remainder.behind], question):
        return False
    words = remainder.text.split()
    if len(words) > _MOST_WORDS or any(
        word.casefold() in side for word in words for pair in OPPOSITES for side in pair
    ):
        return False
    is_name = remainder.text[0].isupper()
    is_subject = all(word in words_of("the a an so") for word in remainder.before)
    if is_subject and _OBJECT_ASKED.search(question.last):
        return False  # "Ben called Anna" does not say whom Ben called
    if is_subject:
        verb = (remainder.behind or [""])[0]
        return is_name and bool(remainder.behind) and (verb in _VERBS or _mentions(verb, question))
    follows = any(not _mentions(word, question) for word in remainder.behind)
    is_object = bool(_OBJECT_ASKED.search(question.last)) and _mentions(
        (remainder.before or [""])[-1], question
    )
    if _OBJECT_ASKED.search(question.last) and remainder.before[-1:] == ["by"]:
        return False  # "Anna was called by Ben"
    has_verb = is_object or bool(_VERBS.intersection(remainder.before))
    if not is_name and (len(words) > _MOST_LOWER_WORDS or follows or not has_verb):
        return False
    if _SUBJECT_ASKED.search(question.last) and (
        not set(remainder.before) & words_of("is are was were by")
        or set(remainder.before[-1:]) & words_of("for to after from with at")
    ):
        return False  # "Italy beat Spain" does not say who beat Italy, nor "painted for him" who painted it
    return bool(set(remainder.before) & (_VERBS | words_of("called named by in"))) or any(
        word not in _FUNCTION and _mentions(word, question) for word in remainder.before[-1:]
    )


_REASON = re.compile(
    r"\b(?:because of|due to|owing to|on account of|as a result of|because|since)\s(?P<reason>[^,;]{3,80})$",
    re.IGNORECASE,
)


def reason_in(sentence: str, question: Question) -> Reading | None:
    """Return the reason that a sentence ends with, if all before it is the question's: "due to heavy snow"."""
    match = _REASON.search(bare(sentence).rstrip(".! "))
    if match is None:
        return None
    lead = [
        word for word in WORD.findall(bare(sentence)[: match.start()]) if not _is_accounted(word, question)
    ]
    if lead or {word.casefold() for word in WORD.findall(match["reason"])} & words_of("not but"):
        return None
    return Reading(match["reason"], Form("text", text_key(f"because of {match['reason']}")))


def foreign_name_in(sentence: str, question: Question) -> Reading | None:
    """Return what is left of a sentence in another language without the question's words at both ends."""
    text = without_particles(bare(sentence).strip(" .。।!！")).strip(" —–-")
    if question.words.unspaced:
        ends = [
            end for end in range(len(text) - 1, 2, -1) if question.words.account_for(text[:end], frozenset())
        ]
        stated = text[ends[0] :] if ends else ""
    else:
        words = text.split()
        kept = [index for index, word in enumerate(words) if not _is_empty(word, question)]
        in_question = question.last.casefold().split()
        if not kept or any(
            word.casefold() in question.words.limits and word.casefold() not in in_question for word in words
        ):
            return None
        dropped = {*words[: kept[0]], *words[kept[-1] + 1 :]}
        repeats = any(word in question.last.split() or word.casefold() in question.tokens for word in dropped)
        stated = " ".join(words[kept[0] : kept[-1] + 1]).strip(" —–-") if repeats else ""
    if not stated or len(stated.split()) > _MOST_WORDS or re.search(r"[\d,，、:：;=]", stated):
        return None
    return Reading(stated, Form("text", text_key(stated)))


def _is_empty(word: str, question: Question) -> bool:
    """Return whether a word adds nothing; scripts with combining signs have no words but those between blanks."""
    if word.strip("—–-") == "" or word in question.last.split():
        return True
    return question.words.account_for(word.strip('.,!?«»"').casefold(), frozenset())
