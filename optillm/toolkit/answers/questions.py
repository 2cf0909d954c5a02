"""What a question asks for, as far as that decides where its answer stands and how it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final

from optillm.toolkit.answers.extraction import ends, sentences
from optillm.toolkit.answers.languages import ENGLISH, Language, language_of
from optillm.toolkit.answers.question_words import QuestionWords
from optillm.toolkit.answers.typography import plain

_LABEL = re.compile(r"(?:(?<=[\s?？:：。])|^)[(\[]?\**([A-Za-z])\**[)\].:]\**(?=\s)", re.MULTILINE)
_NUMBER = re.compile(r"^[ \t]{0,4}[(\[]?\**(\d{1,2})\**[)\].:]\**(?=\s)", re.MULTILINE)
_CHOOSING = re.compile(
    r"\b(?:which|what|who|where|how (?:many|much)|choose|select|pick|options?|choices?|the following)\b",
    re.IGNORECASE,
)
"""What a question asks whose labels may be lower case letters or numbers."""
_MOST_OPTIONS = 26
_WORD = re.compile(r"[^\W_][\w'.-]*(?<![.'-])")


_MAKING = re.compile(
    r"\b(?:write|implement|create|code|complete|fix|refactor|debug|generate|give|provide|rewrite|translate|port"
    r"|optimi[sz]e|build|define|modify)\b",
    re.IGNORECASE,
)
_MADE = re.compile(
    r"\b(?:functions?|programs?|scripts?|code|class(?:es)?|methods?|algorithms?|snippets?|modules?|regex(?:es)?"
    r"|quer(?:y|ies)|sql|html|css|python|javascript|typescript|java|rust|golang|bash|c\+\+)(?!\w)",
    re.IGNORECASE,
)
_WRITING = r"\b(?:write|implement|complete|fix|refactor|debug|rewrite|translate|port|optimi[sz]e)\b"
_FEW_WORDS_ON = r"(?:[^\w.!?]+\w+){0,6}?[^\w.!?]+"
_PROGRAM = re.compile(
    rf"{_WRITING}{_FEW_WORDS_ON}{_MADE.pattern}"
    rf"|{_MAKING.pattern}{_FEW_WORDS_ON}(?:programs?|scripts?|snippets?|sql|python|javascript|typescript|java|rust|bash)\b",
    re.IGNORECASE,
)
"""A verb of making, and soon a program; "give the class average" and "define the function" ask for none."""
_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|fast|big|heavy|high|deep|wide|often|large|likely)\b"
    r"|\b(?:calculate|compute|evaluate|solve|determine|find)\b"
    r"|\b(?:number|amount|total|sum|product|value|percent|percentage|probability|average|mean|median|area|volume"
    r"|perimeter|distance|speed|price|cost|age|length|width|height|remainder|ratio|difference|quotient|divisor"
    r"|multiple|root) of\b"
    r"|\bwhat(?: i|')s -?\d|\b(?:does|did|do|will|would)\b[^.?!]{1,60}\b(?:cost|weigh|measure|earn|pay)\b",
    re.IGNORECASE,
)
_MONEY_IN_POUNDS = re.compile(r"£|\bGBP\b|\bpence\b|\bpounds? sterling\b", re.IGNORECASE)
_PAYING = re.compile(
    r"\b(?:costs?|prices?|pays?|paid|spends?|spent|earns?|fees?|bill|salary|money)\b", re.IGNORECASE
)
_WEIGHING = re.compile(r"\b(?:weighs?|weighed|weights?|heavy|mass|ounces?|lbs?|kg|tons?)\b", re.IGNORECASE)
_PERCENT = re.compile(
    r"\b(?:what|which|how many|as a) (?:percent|per cent|percentage)\b|\bpercentage of\b", re.IGNORECASE
)
_ORDER = re.compile(
    r"\b(?:order(?! does(?:n't| not) matter)|orders|ranking|rank|sequence|ascending|descending|arrange|arrangement"
    r"|sort|next|from\s(?:the\s)?(?:\w+est|most|least|first|last|top|bottom|left|right|north|south|east|west|early|low|high)\b"
    r"[^.?!]{0,40}\sto)\b",
    re.IGNORECASE,
)
_RISING = re.compile(
    r"\b(?:ascending|increasing|rising|(?:smallest|least|lowest|lightest|shortest|slowest|youngest|cheapest|weakest|coldest)"
    r"\s(?:[a-z]+\s)?(?:to|first))\b",
    re.IGNORECASE,
)
_FALLING = re.compile(
    r"\b(?:descending|decreasing|falling|(?:largest|biggest|greatest|highest|heaviest|longest|fastest|oldest|tallest"
    r"|strongest|hottest|most\s[a-z]+)\s(?:[a-z]+\s)?(?:to|first))\b",
    re.IGNORECASE,
)
_SET = re.compile(
    r"\b(?:order does(?:n't| not) matter|in any order|roots|zeros|solutions|factors|divisors|select all|all that apply"
    r"|(?:name|list) (?:the|all|any|some|two|three|four|five|six)\b"
    r"(?!.*\b(?:steps|stages|phases|instructions|first|last|by|since|from)\b)"
    r"|(?:what|which) (?:are (?:the )?)?(?:two|three|four|five) (?!steps|stages|phases)"
    r"|what are the (?:numbers|integers|values)"
    r"|which (?:numbers|integers|primes|elements|values|factors|of (?:the|these|them))|solve)\b",
    re.IGNORECASE,
)
_TWO = re.compile(r"(?<!\w)and\b|\brespectively\b", re.IGNORECASE)
_PAIRED = re.compile(r"\b[a-z] and [a-z]\b|\brespectively\b")
_INTERVAL = re.compile(
    r"\b(?:intervals?|inequalit(?:y|ies)|domain|range|for (?:which|what) (?:values of )?[a-z]|values of [a-z])\b|[<>≤≥]"
    r"|\\[lg]eq?\b",
    re.IGNORECASE,
)
_PROBABILITY = re.compile(r"\b(?:probability|chances?|odds|likely|likelihood)\b", re.IGNORECASE)
_VERSION = re.compile(r"\bversions?\b", re.IGNORECASE)
_POLAR = re.compile(
    r"(?:^|[.!?:,\n]\s{0,4})(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|must)\b"
    r"(?! you\b)[^.!?\n]{1,400}\?",
    re.IGNORECASE,
)
_WHETHER_RIGHT = re.compile(
    r"\b(?:incorrect|wrong|untrue|mistaken|(?<!true or )false(?!\s?or))\b|n't\b|\bnot\b", re.IGNORECASE
)
_FACT = re.compile(
    r"(?:^|[.!?\n]\s{0,4})(?:(?:in|on|at|from|of|for|to|by|with) )?"
    r"(?:who|whose|whom|what|which|where|when|name the)\b[^.!?\n]{1,400}(?:\?|$)",
    re.IGNORECASE,
)

_HOW_TO_ANSWER = re.compile(
    r"(?:(?<=[.?!:]\s)|^)(?:please\s)?(?:answer|reply|respond|end|finish|conclude|begin|start)\b[^.?!\n]{0,200}[.!]?",
    re.IGNORECASE | re.MULTILINE,
)
"""A sentence that says only how to answer, not what is asked."""

_LONGEST_HEAD = 4_000
_LONGEST_TAIL = 8_000


class Question:
    """One question and what it asks for, each property computed at most once.

    Of a question that quotes whole documents only both ends are read: that is where people ask.
    """

    def __init__(self, text: str) -> None:
        self.text = ends(text, _LONGEST_HEAD, _LONGEST_TAIL)

    def __bool__(self) -> bool:
        return bool(self.text.strip())

    @cached_property
    def options(self) -> Mapping[str, str]:
        """Return the options of a multiple-choice question, label to text; empty for any other question.

        Labels run A, B, C… without a gap and carry a bracket, a full stop or a colon, so that an article or an
        initial does not count. The last such run counts: few-shot examples come before the question.
        """
        return _options(self.text)

    @cached_property
    def words(self) -> QuestionWords:
        """Return what the words of the question account for in its answers."""
        text = self.matter
        every, last = (
            [word.casefold() for word in _WORD.findall(part)] for part in (text, _last_question(text))
        )
        words = QuestionWords.of(every, last)
        language = self.language
        if language is ENGLISH:
            return words
        unspaced = "" if language.spaced else text
        return words.in_language(language.empty, language.limits, unspaced, last)

    @cached_property
    def matter(self) -> str:
        """Return it as plain text without what it says of how to answer."""
        return _HOW_TO_ANSWER.sub("", plain(self.text))

    @cached_property
    def last(self) -> str:
        """Return its last sentence as plain text: what it asks, without what it states before."""
        return _last_question(plain(self.text)).strip()

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Return the words of its last sentence in lower case, otherwise as written."""
        return frozenset(word.casefold() for word in _WORD.findall(self.last))

    @cached_property
    def language(self) -> Language:
        """Return the language of its last sentence; English if answers in that language are not read."""
        return language_of(_last_question(self.text))

    @cached_property
    def asks_for_code(self) -> bool:
        """Return whether the reply is to contain a program."""
        return bool(_MAKING.search(self.text) and _MADE.search(self.text))

    @cached_property
    def asks_for_program(self) -> bool:
        """Return whether it explicitly asks for a program; `asks_for_code` errs on the side of code."""
        return bool(_PROGRAM.search(self.text))

    @cached_property
    def asks_for_quantity(self) -> bool:
        """Return whether the answer is a number or a mathematical expression."""
        if self.language is not ENGLISH:
            folded = self.text.casefold()
            return any(phrase in folded for phrase in self.language.quantities)
        return bool(_QUANTITY.search(self.text))

    @cached_property
    def asks_for_percentage(self) -> bool:
        """Return whether a bare number is a percentage because the question asks for one."""
        return bool(_PERCENT.search(self.text))

    @cached_property
    def pays_in_pounds(self) -> bool:
        """Return whether pounds are money, not weight."""
        if _MONEY_IN_POUNDS.search(self.text):
            return True
        return bool(_PAYING.search(self.text)) and not _WEIGHING.search(self.text)

    @cached_property
    def asks_for_order(self) -> bool:
        """Return whether the answer is a list whose order matters."""
        return bool(_ORDER.search(self.text))

    @cached_property
    def direction(self) -> int:
        """Return the order of the list it asks for: 1 rising, -1 falling, 0 if not stated."""
        return bool(_RISING.search(self.text)) - bool(_FALLING.search(self.text))

    @cached_property
    def asks_for_two(self) -> bool:
        """Return whether it asks for two things by name ("the length and the width"), in that order."""
        return bool(_TWO.search(_last_question(self.text)))

    @cached_property
    def asks_for_set(self) -> bool:
        """Return whether the answer is a list whose order means nothing."""
        return bool(_SET.search(self.text)) and not self.asks_for_order and not _PAIRED.search(self.text)

    @cached_property
    def asks_for_interval(self) -> bool:
        """Return whether a pair of numbers in brackets in an answer means an interval."""
        return _INTERVAL.search(self.text) is not None

    @cached_property
    def asks_for_probability(self) -> bool:
        """Return whether "1 in 6" is a fraction."""
        return bool(_PROBABILITY.search(self.text))

    @cached_property
    def asks_for_version(self) -> bool:
        """Return whether a number with a point is a version, so that 3.10 is not 3.1."""
        return bool(_VERSION.search(self.text))

    @cached_property
    def asks_yes_or_no(self) -> bool:
        """Return whether the question is polar; a polite request ("Can you…?") is not."""
        return bool(_POLAR.search(self.text))

    @cached_property
    def asks_whether_right(self) -> bool:
        """Whether it asks if something is wrong or false, so that "it is wrong" may mean yes."""
        return bool(_WHETHER_RIGHT.search(self.last))

    @cached_property
    def asks_for_fact(self) -> bool:
        """Return whether the question asks for a name, a place, a time or a thing."""
        return bool(_FACT.search(self.text))


_END_BEFORE = re.compile(r"[!?\n]|\.(?!\d)")
_LONGEST_QUESTION = 1000


def _last_question(text: str) -> str:
    """Return the last sentence that ends with a question mark, else the last sentence."""
    end = text.rfind("?")
    while end >= 0:
        before = text[max(0, end - _LONGEST_QUESTION) : end]
        if before and not _END_BEFORE.match(before[-1]):
            ends = [match.end() for match in _END_BEFORE.finditer(before)]
            return f"{before[ends[-1] if ends else 0 :]}?"
        end = text.rfind("?", 0, end)
    return (sentences(text.strip().rpartition("\n")[2]) or [""])[-1]


def _options(question: str) -> dict[str, str]:
    lower = _CHOOSING.search(question) is not None
    lettered = [label for label in _LABEL.finditer(question) if lower or not label[1].islower()]
    run = _last_run(lettered, lambda label: ord(label.upper()) - ord("A"))
    if len(run) < 2 and lower:
        run = _last_run(list(_NUMBER.finditer(question)), lambda label: int(label) - 1)
    if len(run) < 2:
        return {}
    ends = [label.start() for label in run[1:]] + [len(question)]
    texts = (question[label.end() : end].strip() for label, end in zip(run, ends, strict=True))
    return {
        label[1].upper(): text.split("\n\n")[0].strip(" \n;,") for label, text in zip(run, texts, strict=True)
    }


def _last_run(labels: Sequence[re.Match[str]], index_of: Callable[[str], int]) -> list[re.Match[str]]:
    """Return the last of the labels that count on from the first without a gap."""
    run: list[re.Match[str]] = []
    for label in labels:
        index = index_of(label[1])
        if index == 0:
            run = [label]
        elif index == len(run) < _MOST_OPTIONS:
            run.append(label)
    return run


@lru_cache(maxsize=64)
def _read(text: str) -> Question:
    return Question(text)


def question_of(text: str) -> Question:
    """Return a question, the same object for the same text: every reply to a request is read with it."""
    return _read(ends(text, _LONGEST_HEAD, _LONGEST_TAIL))


NO_QUESTION: Final = Question("")
