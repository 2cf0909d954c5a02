"""English words that decide how an answer is read.

A statement is read as a value only if each of its words is accounted for: as part of the value, as one of the words
here that add nothing, or as a word of the question. Lists of words that add nothing are therefore kept short: a
missing word costs one judge call, a wrong one merges different answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def words_of(text: str) -> frozenset[str]:
    """Return the words of a table."""
    return frozenset(text.split())


def _aliases(table: str) -> dict[str, str]:
    """Map every spelling to its canonical form; each entry is a form, a colon, and other ways to write it."""
    lines = (line.partition(":") for line in table.replace(";", "\n").strip().splitlines())
    return {alias: name.strip() for name, _, aliases in lines for alias in aliases.split()}


def _in_order(text: str) -> list[str]:
    return text.split()


_MONTHS: Final = _in_order("""
    january february march april may june july august september october november december
""")
MONTHS: Final[Mapping[str, str]] = {
    name: str(number) for number, month in enumerate(_MONTHS, start=1) for name in (month, month[:3])
} | {"sept": "9"}

_UNITS: Final = _in_order("""
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
""")
_TENS: Final = _in_order("twenty thirty forty fifty sixty seventy eighty ninety")
NUMERALS: Final[Mapping[str, int]] = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * tens for tens, word in enumerate(_TENS, start=2)
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

_ORDINALS: Final = _in_order("""
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth twenty-first
""")
ORDINALS: Final[Mapping[str, str]] = {
    word: f"{number}{'th' if 3 < number < 21 else ('st', 'nd', 'rd')[number % 10 - 1]}"
    for number, word in enumerate(_ORDINALS, start=1)
}

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
    fall: fell fallen; win: won; take: took taken; go: went; grow: grew grown; rise: rose risen
    write: wrote written; break: broke broken; begin: began begun; come: came; become: became; run: ran
    buy: bought; make: made; build: built; meet: met; give: gave given; draw: drew drawn
    speak: spoke spoken; lose: lost loss losses; sing: sang sung; drive: drove driven; lead: led
    find: found; fly: flew flown
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
