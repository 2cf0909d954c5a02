"""English words that decide how an answer is read.

A statement is read as a value only if each of its words is accounted for: as part of the value, as one of the words
here that add nothing, or as a word of the question. Lists of words that add nothing are therefore kept short: a
missing word costs one judge call, a wrong one merges different answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final, NamedTuple


def words_of(text: str) -> frozenset[str]:
    """Return the words of a table."""
    return frozenset(text.split())


def _aliases(table: str) -> dict[str, str]:
    """Map every spelling to its canonical form; each line is a form, a colon, and other ways to write it."""
    lines = (line.partition(":") for line in table.strip().splitlines())
    return {alias: name.strip() for name, _, aliases in lines for alias in aliases.split()}


MONTHS: Final[Mapping[str, str]] = _aliases("""
    1: january jan
    2: february feb
    3: march mar
    4: april apr
    5: may
    6: june jun
    7: july jul
    8: august aug
    9: september sep sept
    10: october oct
    11: november nov
    12: december dec
""")

NUMERALS: Final[Mapping[str, int]] = {
    word: int(number)
    for word, number in _aliases("""
    0: zero
    1: one
    2: two
    3: three
    4: four
    5: five
    6: six
    7: seven
    8: eight
    9: nine
    10: ten
    11: eleven
    12: twelve
    13: thirteen
    14: fourteen
    15: fifteen
    16: sixteen
    17: seventeen
    18: eighteen
    19: nineteen
    20: twenty
    30: thirty
    40: forty
    50: fifty
    60: sixty
    70: seventy
    80: eighty
    90: ninety
""").items()
}

SCALES: Final[Mapping[str, int]] = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}

PARTS: Final[Mapping[str, int]] = {
    word: int(parts)
    for word, parts in _aliases("""
    2: half halves
    3: third thirds
    4: quarter quarters fourth fourths
    5: fifth fifths
    6: sixth sixths
    8: eighth eighths
    10: tenth tenths
""").items()
}

ORDINALS: Final[Mapping[str, str]] = _aliases("""
    1st: first
    2nd: second
    3rd: third
    4th: fourth
    5th: fifth
    6th: sixth
    7th: seventh
    8th: eighth
    9th: ninth
    10th: tenth
    11th: eleventh
    12th: twelfth
    13th: thirteenth
    14th: fourteenth
    15th: fifteenth
    16th: sixteenth
    17th: seventeenth
    18th: eighteenth
    19th: nineteenth
    20th: twentieth
    21st: twenty-first
""")

LEADING: Final = words_of("""
    so thus therefore hence finally then in conclusion overall altogether now well okay indeed clearly this that
    these those it they he she we you i us there here its his her them him their our my your the a an of to for is are
    was were be being been has have had will would should must can could do does did get gets got gives give
    means mean shows show find found conclude see obtain know say get equals equal comes come total totals
    at in on leaves leave with
    answer answers final correct right result results value solution outcome number amount count sum: and
    going go with think believe exactly approximately roughly overall adding calculating computing which equivalent
""")
"""Words before a value that add nothing to it."""

APPROXIMATE: Final = words_of("""
    about approximately approx approx. around roughly exactly precisely only just simply a an the total of
    number value grand equal to equals be either's option choice letter
""")
"""Words right before a value that add nothing to it: "a total of", "about"."""

TRAILING: Final = words_of("""
    total altogether overall combined left remaining over in all the end now so then as well
    old away indeed here there it this that
""")
"""Words behind a value that add nothing to it: "in total", "left"."""

NEVER_ACCOUNTED: Final = words_of("""
    not no never none neither nor cannot can't isn't aren't wasn't weren't doesn't don't didn't won't wouldn't
    couldn't shouldn't hasn't haven't without except unless but however although though if when whenever while
    nothing nobody nowhere only hardly barely scarcely almost nearly probably possibly perhaps maybe likely unlikely
    minus plus or versus instead rather otherwise fails fail false wrong incorrect
""")
"""Words that change or limit an answer; no question makes them harmless."""

NEUTRAL_VERBS: Final = words_of("""
    is are was were has have had stands stand holds hold contains contain
    takes take took costs cost weighs weigh lasts last measures equals totals
    appears appear occurs occur
""")
"""Verbs that give their subject a value without changing it."""

BOUNDS: Final = words_of("""
    least most than under over below above beneath beyond before after until till up upto down minimum maximum
    min max more less fewer greater smaller larger higher lower
""")
"""Words that turn the value right behind them into a bound."""

BOUND_PHRASES: Final[Mapping[str, str]] = {
    phrase.strip(): sign
    for sign, phrases in (
        (
            "≥",
            "at least, no less than, no fewer than, not less than, a minimum of, minimum of, minimum, a minimum, ≥",
        ),
        ("≤", "at most, no more than, not more than, up to, a maximum of, maximum of, maximum, a maximum, ≤"),
        (">", "more than, greater than, over, above, exceeding, larger than, higher than, >"),
        ("<", "less than, fewer than, under, below, smaller than, lower than, <"),
    )
    for phrase in phrases.split(",")
}
"""Words that turn the number after them into a bound."""

TRAILING_BOUNDS: Final[Mapping[str, str]] = {
    phrase.strip(): sign
    for sign, phrases in (
        (
            "≥",
            "or more, or greater, or above, or higher, or older, or over, or longer, or larger, and above, and up",
        ),
        ("≥", "at least, minimum, at a minimum, at the least, +"),
        (
            "≤",
            "or less, or fewer, or below, or lower, or younger, or under, or shorter, or smaller, and below",
        ),
        ("≤", "at most, maximum, at a maximum, at the most"),
    )
    for phrase in phrases.split(",")
}
"""Words that turn the number before them into a bound."""

EXTREMES: Final = words_of("least most minimum maximum min max up until till")
"""Words that turn the value before them into a bound: "3 at least"."""

_OPPOSITES: Final = """
more greater larger higher bigger above over up increase increased increases rise rose rises rising
| less fewer smaller lower below under down decrease decreased decreases fall fell falls falling
gain gained gains grew grow grows | drop dropped drops lose lost loses loss shrank shrink shrinks
profit profits surplus earn earned earns income | loss losses deficit spend spent spends debt
receive received receives credit deposit deposited | pay paid pays debit withdrawal withdrew withdrawn owe owes
north northern | south southern
east eastern | west western
left | right eaten gone used sold spent away
clockwise | counterclockwise anticlockwise counter-clockwise anti-clockwise
before earlier ago early | after later late
first earliest | last latest
minimum min least smallest lowest shortest | maximum max most largest highest longest greatest
total altogether combined together all both sum overall
| each per every apiece individually difference
add added adds | subtract subtracted removed remove
remaining remain remains remained left | eaten ate used sold gave given lost spent gone
inside | outside
forward forwards ahead | backward backwards behind
male males boys men | female females girls women
win wins won | lose loses lost
open | closed
true | false
"""
OPPOSITES: Final = tuple(
    (words_of(one), words_of(other))
    for one, _, other in (
        line.partition(" | ") for line in _OPPOSITES.replace("\n|", " |").strip().splitlines()
    )
)
"""Words that are each other's opposites; a question with one side accounts for no word of the other."""

LIMITING: Final = words_of("""
    but however unless except only provided assuming although though if when while until otherwise not no wait
    actually correction or and also still yet plus minus except,
""")
"""First words of a sentence that changes the answer before it."""

CORRECTING: Final = words_of("""
    wait actually correction oops sorry scratch no hold hmm hang mistake alternatively
""")
"""First words of a writer who takes an answer back."""

FUNCTIONS: Final = words_of("""
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp sqrt max min gcd lcm mod det pi
""")
"""Names in algebra that are longer than a letter."""

SHORT_WORDS: Final = words_of("""
    is of to in on or at by no if it as be we he an am pm up us vs so do go me my
""")
"""Words that would pass for a product of two variables."""

CLAUSE_STARTS: Final = words_of("""
    but because since which so as where who whose while although though not if when with or is are was were it
    they he she we you this that these those there given for to therefore thus hence making i
""")
"""First words after a comma that separates clauses, not items."""

NO_ANSWER: Final = words_of("""
    correct incorrect right wrong helpful clear unclear not in as given below above that because obtained found
    derived complicated complex simple obvious based therefore likely probably supported verified consistent
    unique valid invalid reasonable expected rounded only if when where depends it this here there hello hi hey
    thanks thank sure okay ok good great dear best sincerely regards welcome please sorry done absolutely
    certainly of let hope i we you follows up to still also simply either what how why your my
""")
"""First words of courtesies and of remarks about an answer ("the answer is correct")."""


_IRREGULAR: Final = _aliases("""
    fall: fell fallen
    win: won
    take: took taken
    go: went
    grow: grew grown
    rise: rose risen
    write: wrote written
    break: broke broken
    begin: began begun
    come: came
    become: became
    run: ran
    buy: bought
    make: made
    build: built
    meet: met
    give: gave given
    draw: drew drawn
    speak: spoke spoken
    lose: lost loss losses
    sing: sang sung
    drive: drove driven
    lead: led
    find: found
    fly: flew flown
""")
"""Irregular forms of verbs."""


def stem(word: str) -> str:
    """Return a word in lower case without the ending that number and tense give it, as far as spelling tells."""
    word = word.casefold().removesuffix("'s").removesuffix("'")
    word = _IRREGULAR.get(word, word)
    for ending in ("ies", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] in "ey" else word


class QuestionWords(NamedTuple):
    """What the words of a question account for in its answers.

    `stems` are those of its last sentence, which an answer may repeat without saying anything new; `nouns` those of
    all of it, which may name what is counted. `disputed` are words that say the opposite of something in the
    question, or one of its alternatives, and so are never ignored. `counted` are the stems of what the question
    asks the number of, empty if it does not say. `coordinated` are the stems of what it joins by "and": answers may
    be about either. `empty` and `limits` are words of a language other than English (see `languages`); `unspaced`
    is the text of the question if its language does not separate words by spaces.
    """

    stems: frozenset[str] = frozenset()
    nouns: frozenset[str] = frozenset()
    disputed: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    coordinated: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    limits: frozenset[str] = frozenset()
    unspaced: str = ""

    @classmethod
    def of(cls, words: Sequence[str], final: Sequence[str]) -> QuestionWords:
        """Return those of a question's words and of its last sentence's, in lower case and in order."""
        triples = zip(words, words[1:], words[2:], strict=False)
        disputed = {word for before, middle, after in triples if middle == "or" for word in (before, after)}
        everywhere, last = set(words), set(final)
        for one, other in OPPOSITES:
            if bool(last & one) != bool(last & other):
                disputed |= other if last & one else one
            elif everywhere & one and everywhere & other:
                disputed |= one | other
        if last & _PRESENT and not last & _OTHER_TENSES:
            disputed |= _OTHER_TENSES
        disputed |= _set_apart(final)
        open_stems = frozenset(map(stem, disputed))
        return cls(
            _stems(last) - open_stems,
            _stems(everywhere) - open_stems,
            frozenset(disputed),
            _counted(words),
            _coordinated(final, ("and",)),
        )

    def in_language(
        self, empty: frozenset[str], limits: frozenset[str], unspaced: str, final: Sequence[str]
    ) -> QuestionWords:
        """Return these words for a question in a language other than English."""
        joined = frozenset(unspaced) & frozenset("和与與跟とや、")
        coordinated = joined or _coordinated(final, _AND_WORDS)
        return self._replace(empty=empty, limits=limits, unspaced=unspaced, coordinated=coordinated)

    def tells_apart(self, word: str) -> bool:
        """Return whether a word may say which of several things in the question an answer is about."""
        return bool(self.coordinated) and word not in LEADING | NEUTRAL_VERBS | self.empty

    def mention(self, word: str) -> bool:
        """Return whether the question has this word anywhere."""
        return stem(word) in self.nouns

    def account_for(self, word: str, harmless: AbstractSet[str]) -> bool:
        """Return whether a word adds nothing: it is harmless, or a word of the last sentence."""
        word = word.casefold().removesuffix("'s")
        if self.limits:
            return self._accounts_for_foreign(word)
        return (word in harmless and word not in self.disputed) or stem(word) in self.stems

    def _accounts_for_foreign(self, word: str) -> bool:
        """Return whether a word of the question's language adds nothing; "l'eau" counts as two words."""
        if word in self.limits:
            return False
        if word in self.empty or stem(word) in self.stems:
            return True
        if self.unspaced:
            return self._spells(word)
        head, apostrophe, tail = word.partition("'")
        return bool(apostrophe and tail) and all(
            self._accounts_for_foreign(part) for part in (head + apostrophe, tail)
        )

    def _spells(self, run: str) -> bool:
        """Return whether a run of characters consists of empty words and of pieces of the question in order."""
        start = reached = 0
        while start < len(run):
            for end in range(len(run), start, -1):
                piece = run[start:end]
                position = self.unspaced.find(piece, reached) if end - start > 1 or len(run) == 1 else -1
                if position >= 0 and not any(limit in piece for limit in self.limits):
                    reached, start = position + len(piece), end
                    break
                if piece in self.empty:
                    start = end
                    break
            else:
                return False
        return True


def _stems(words: AbstractSet[str]) -> frozenset[str]:
    """Return the stems of words long enough to be no variable and no label, those that only ask aside."""
    return frozenset(stem(word) for word in words - _ASKING if len(word) > 1 or word.isdigit())


def _set_apart(words: Sequence[str]) -> set[str]:
    """Return the words of a question behind a negation: of what is not red, "red" says something else."""
    asking = max((i for i, word in enumerate(words) if word in _ASKING), default=0)
    starts = [
        i for i, word in enumerate(words) if i > asking and (word in _SETTING_APART or word.endswith("n't"))
    ]
    return {word for word in words[starts[0] + 1 :] if word not in LEADING} if starts else set()


def _coordinated(words: Sequence[str], and_words: Sequence[str]) -> frozenset[str]:
    """Return the stems of the words on both sides of "and", except words that add nothing, and numbers."""
    joints = [i for i, word in enumerate(words) if word in and_words]
    return frozenset(
        stem(word)
        for i in joints
        for word in (*words[max(0, i - 2) : i], *words[i + 1 : i + 6])
        if word not in LEADING | _ASKING | _AUXILIARIES and len(word) > 2 and word.isalpha()
    )


_AND_WORDS: Final = ("und", "et", "y", "e", "en", "и", "ve", "i")


def _counted(words: Sequence[str]) -> frozenset[str]:
    """Return the stems of the noun phrase after the last "how many"."""
    starts = [i + 2 for i, pair in enumerate(pairwise(words)) if pair == ("how", "many")]
    phrase: list[str] = []
    for word in words[starts[-1] : starts[-1] + 6] if starts else ():
        if word in _AUXILIARIES:
            break
        phrase.append(word)
    return frozenset(stem(word) for word in phrase if word not in LEADING and len(word) > 2)


_ASKING: Final = words_of("how many much what which who whom whose when where why whether if")
_SETTING_APART: Final = words_of("""
    not never no neither nor without except cannot false incorrect wrong untrue unlike excluding minus
""")
_PRESENT: Final = words_of("is are has have does do now")
_OTHER_TENSES: Final = words_of("was were had did took will would")
_AUXILIARIES: Final = words_of(
    "are is was were do does did can could has have had will would should must may might"
)
NO_WORDS: Final = QuestionWords()
