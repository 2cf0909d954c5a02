"""English words that decide how an answer is read: units, months, function names, and words that are no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _aliases(table: str) -> dict[str, str]:
    """Each line is a word in canonical form, a colon, and other ways to write it."""
    lines = (line.partition(":") for line in table.strip().splitlines())
    return {alias: name.strip() for name, _, aliases in lines for alias in aliases.split()}


UNITS: Final[Mapping[str, str]] = _aliases("""
    dollar: $ US$ CA$ AU$ USD usd
    euro: € EUR eur
    pound: £ GBP gbp lb lbs
    yen: ¥ JPY jpy
    rupee: ₹ INR inr
    degree: ° deg
    celsius: °C
    fahrenheit: °F
    meter: m metre
    kilometer: km kilometre
    centimeter: cm centimetre
    millimeter: mm millimetre
    inch: in
    foot: ft feet
    yard: yd
    mile: mi
    kilogram: kg
    gram: g
    milligram: mg
    ounce: oz
    liter: l L litre
    milliliter: ml mL millilitre
    hour: h hr hrs
    minute: min mins
    second: s sec secs
    millisecond: ms
    mile per hour: mph
    kilometer per hour: km/h kph
    meter per second: m/s
    newton: N
    joule: J
    watt: W
    volt: V
    ampere: A
    kelvin: K
    hertz: Hz
    person: people
    man: men
    woman: women
    child: children
    mouse: mice
    die: dice
""")
"""Symbols, abbreviations and irregular plurals of units; symbols keep their case."""

CURRENCIES: Final = _words("dollar euro yen rupee cent")

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

NEVER_UNITS: Final = _words("""
    and or of to is are was were be if but because since so then than from for with by at on as that which who
    when where after before not no in the a an per left remaining altogether total each more away into until
    today now pi e i x y z n sqrt sin cos tan log ln exp mod oo
""")
"""What follows a number in running text or in algebra without being its unit."""

FUNCTIONS: Final = _words("""
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp sqrt max min gcd lcm mod det pi
""")
"""Names in algebra that are longer than a letter."""

SHORT_WORDS: Final = _words("""
    is of to in on or at by no if it as be we he an am pm up us vs so do go me my
""")
"""Words that would pass for a product of two variables."""

CLAUSE_STARTS: Final = _words("""
    but because since which so as where who whose while although though not if when with or is are was were it
    they he she we you this that these those there given for to therefore thus hence making i
""")
"""What the part after a comma starts with when the comma separates clauses, not items."""

NO_ANSWER: Final = _words("""
    correct incorrect right wrong helpful clear unclear not in as given below above that because obtained found
    derived complicated complex simple obvious based therefore likely probably supported verified consistent
    unique valid invalid reasonable expected rounded only if when where depends it this here there hello hi hey
    thanks thank sure okay ok good great dear best sincerely regards welcome please sorry done absolutely
    certainly of let hope i we you follows up to still also simply either what how why your my
""")
"""First words of courtesies and of remarks about an answer ("the answer is correct")."""
