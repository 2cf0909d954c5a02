"""Units of measurement: read, reduced to a dimension and an exact factor, compared across spellings.

`2 km/h` and `2 kilometers per hour` are one unit, `100 cm` and `1 m` one length. A noun that is no unit of
measurement ("apples") is a dimension of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from optillm.toolkit.answers.question_words import NO_WORDS, QuestionWords
from optillm.toolkit.answers.vocabulary import (
    BOUNDS,
    LEADING,
    NEVER_ACCOUNTED,
    TRAILING,
    stem,
    words_of,
)

_TABLE: Final = """
    length meter 1: m metre mètre metro 米 メートル м
    length kilometer 1000: km kilometre kilomètre kilómetro chilometro 千米 公里 км
    length centimeter 1/100: cm centimetre centimètre 厘米 см
    length millimeter 1/1000: mm millimetre
    length inch 254/10000: in inches in.
    length foot 3048/10000: ft feet ft.
    length yard 9144/10000: yd
    length mile 1609344/1000: mi
    mass kilogram 1000: kg kilo kilos kilogramm kilogrammes 公斤 千克 кг
    mass gram 1: g gramm gramme 克 г
    mass milligram 1/1000: mg
    mass microgram 1/1000000: µg μg mcg
    mass tonne 1000000: t
    long-or-short-ton ton 1: tons
    mass ounce 28349523125/1000000000: oz
    mass pound 45359237/100000: lb lbs
    volume liter 1: l L litre litro л 升
    volume milliliter 1/1000: ml mL millilitre
    us-volume gallon 128: gal
    us-volume quart 32: qt
    us-volume pint 16: pt
    us-volume cup 8:
    us-volume fluid-ounce 1:
    time second 1: s sec secs sekunden 秒
    time minute 60: min mins minuten minuto 分钟 分
    time hour 3600: h hr hrs stunde stunden heure hora 小时 時間 ч uur
    time day 86400: tag tage jour día 天 日
    time week 604800: wk wks
    time millisecond 1/1000: ms
    calendar month 1:
    calendar year 12: yr yrs
    calendar decade 120:
    calendar century 1200: centuries
    angle degree 1: ° deg
    angle arcminute 1/60: ′
    angle arcsecond 1/3600: ″
    celsius celsius 1: °C ℃
    fahrenheit fahrenheit 1: °F ℉
    temperature kelvin 1: K
    dollar dollar 1: $ USD usd buck US$
    canadian-dollar canadian-dollar 1: CA$ CAD
    australian-dollar australian-dollar 1: AU$ AUD
    euro euro 1: € EUR eur
    sterling pound-sterling 1: £ GBP gbp
    sterling penny 1/100: pence
    franc swiss-franc 1: CHF
    zloty zloty 1: zł PLN złoty złotych
    lira lira 1: ₺ TRY TL
    yen yen 1: ¥ JPY jpy 円
    yuan yuan 1: CNY RMB rmb 元
    rupee rupee 1: ₹ INR inr Rs Rs.
    ruble ruble 1: ₽ RUB rouble рубль рублей рубля руб руб.
    won won 1: ₩ KRW 원
    real real 1: R$ BRL reais
    dollar cent 1/100: ¢
    force newton 1: N
    energy joule 1: J
    energy kilojoule 1000: kJ
    power watt 1: W
    power kilowatt 1000: kW
    voltage volt 1: V
    current ampere 1: A amp
    resistance ohm 1: Ω
    pressure pascal 1: Pa
    pressure kilopascal 1000: kPa
    frequency hertz 1: Hz
    frequency kilohertz 1000: kHz
    frequency megahertz 1000000: MHz
    frequency gigahertz 1000000000: GHz
    plane radian 1: rad
    data byte 1: B
    data kilobyte 1000: kB KB
    data megabyte 1000000: MB
    data gigabyte 1000000000: GB
    substance mole 1: mol
    person person 1: people persons
    man man 1: men
    woman woman 1: women
    child child 1: children
    mouse mouse 1: mice
    die die 1: dice
"""
"""Each line: dimension, name in the singular, factor to the dimension's base unit, colon, other spellings."""

_RATES: Final = {
    "mph": "mile/hour",
    "mpg": "mile/gallon",
    "kph": "kilometer/hour",
    "kmh": "kilometer/hour",
    "fps": "foot/second",
}
CENTS: Final = frozenset(("dollar", "euro", "canadian-dollar", "australian-dollar"))
"""Currencies that have a hundred cents."""


class _Base(NamedTuple):
    dimension: str
    name: str
    factor: Fraction


def _table() -> Iterator[tuple[str, _Base]]:
    for line in _TABLE.strip().splitlines():
        definition, _, aliases = line.partition(":")
        dimension, name, factor = definition.split()
        base = _Base(dimension, name, Fraction(factor))
        for spelling in (name, *aliases.split()):
            yield spelling, base


_UNITS: Final = dict(_table())


class Unit(NamedTuple):
    """A unit: its name, its dimension, and its factor to that dimension's base unit.

    `counted` marks a plain noun, which is no unit of measurement.
    """

    name: str
    dimension: str
    factor: Fraction
    counted: bool = False


ARCS: Final = {
    "minute": Unit("arcminute", "angle", Fraction(1, 60)),
    "second": Unit("arcsecond", "angle", Fraction(1, 3600)),
}
"""The meaning of "minutes" and "seconds" behind degrees."""

_POWER_WORDS: Final = {"square": 2, "sq": 2, "sq.": 2, "cubic": 3, "cu": 3, "squared": 2, "cubed": 3}
_SPLIT: Final = re.compile(r"\s*(?:/|\bper\b|\ba\b(?=\s)|\ban\b(?=\s)|\bfor each\b)\s*")
_FACTOR: Final = re.compile(
    r"(?P<word>[^\W\d_]+\.?|°[CF]?|[′″$€£¥₹₽₩¢%])(?:\s?\^?\s?\{?(?P<power>-?[1-4])\}?)?"
)
MAX_LENGTH: Final = 60


def currency(symbol: str) -> Unit:
    """Return the currency of a symbol that stands before an amount.

    Raises `KeyError` for any other text.
    """
    base = _UNITS[symbol]
    return Unit(base.name, base.dimension, base.factor)


@lru_cache(maxsize=512)
def unit_of(text: str, question: QuestionWords = NO_WORDS) -> Unit | None:
    """Return the unit that `text` names; `None` if it says anything else or more.

    A single plural noun is taken for what is counted; other nouns only if they are words of the question.
    """
    text = text.strip().rstrip(".") if text.strip() not in _UNITS else text.strip()
    if not text or len(text) > MAX_LENGTH:
        return None
    parts = _SPLIT.split(
        text if text.isascii() else text.replace("平方", "square ").replace("立方", "cubic ")
    )
    if len(parts) > 3 or not all(parts):
        return None
    powers = Counter[_Base]()
    for index, part in enumerate(parts):
        bases = _product(part, question)
        if bases is None or (len(parts) > 1 and any(_is_plain_noun(base, question) for base in bases)):
            return None
        for base, power in bases.items():
            powers[base] += -power if index else power
    return _unit(powers)


def _is_plain_noun(base: _Base, question: QuestionWords) -> bool:
    """Return whether a noun of a rate ("apples per box") is vouched for by nothing."""
    return base.name not in _UNITS and not all(question.mention(word) for word in base.name.split())


def _unit(powers: Counter[_Base]) -> Unit:
    ordered = sorted(powers.items(), key=lambda item: (-item[1], item[0].name))
    above = "*".join(_raised(base.name, power) for base, power in ordered if power > 0)
    below = "".join("/" + _raised(base.name, -power) for base, power in ordered if power < 0)
    dimensions = Counter[str]()
    factor = Fraction(1)
    for base, power in ordered:
        dimensions[base.dimension] += power
        factor *= base.factor**power
    dimension = "*".join(f"{name}^{power}" for name, power in sorted(dimensions.items()) if power)
    single = ordered[0][0].dimension if len(ordered) == 1 and ordered[0][1] == 1 else dimension
    counted = len(ordered) == 1 and ordered[0][0].name not in _UNITS
    return Unit((above or "1") + below, single, factor, counted)


def _raised(name: str, power: int) -> str:
    return name if power == 1 else f"{name}^{power}"


def _product(text: str, question: QuestionWords) -> Counter[_Base] | None:
    """Return the units multiplied in `text` ("kW h", "square meters"), each with its power."""
    words = text.replace("·", " ").replace("*", " ").replace("-", " ").split()
    if not words or len(words) > 4:
        return None
    if text in _RATES:
        above, _, below = _RATES[text].partition("/")
        return Counter({_UNITS[above]: 1, _UNITS[below]: -1})
    if phrase := _PHRASES.get(" ".join(words).casefold()):
        return Counter({_UNITS[phrase]: 1})
    return _measured(words) or _counted(words, question)


def _measured(words: list[str]) -> Counter[_Base] | None:
    powers = Counter[_Base]()
    pending, last = 1, None
    for word in words:
        power = _POWER_WORDS.get(word.casefold())
        match = _FACTOR.fullmatch(word)
        base = (
            _measure(match["word"]) if match and (word != "in" or not powers) else None
        )  # "weeks in a year"
        if power and last is not None and word.casefold().endswith("ed"):
            powers[last] += power - 1
        elif power and pending == 1:
            pending = power
        elif base is not None and match is not None:
            powers[base] += int(match["power"] or 1) * pending
            last, pending = base, 1
        else:
            return None
    return powers if last is not None and pending == 1 else None


def _measure(word: str) -> _Base | None:
    """Return the unit of measurement that one word names; symbols keep their case, words do not matter."""
    if word in _UNITS:
        return _UNITS[word]
    singular = _singular(word)
    return _UNITS.get(singular) if len(singular) > 2 else None


def _counted(words: list[str], question: QuestionWords) -> Counter[_Base] | None:
    """Return the noun that says what is counted."""
    folded = [word.casefold() for word in words]
    if any(word in _NO_NOUN or word in _NO_NOUNS or word in _PREPOSITIONS for word in folded):
        return None
    if question.counted and not any(stem(word) in question.counted for word in folded):
        return None  # couples are no answer to "how many people"
    if len(words) > (1 if question.limits else 3):
        return None
    plural = len(words) == 1 and words[0].isalpha() and words[0].islower() and len(words[0]) > 3
    plural = plural and folded[0].endswith("s") and not folded[0].endswith("ss")
    if not plural and not all(question.mention(word) for word in folded):
        return None
    name = " ".join(map(_singular, words))
    return Counter({_Base(name, name, Fraction(1)): 1})


_PHRASES: Final = {
    "degrees centigrade": "celsius", "pounds sterling": "pound-sterling",
    **{f"{noun} {name}": name for noun in ("degree", "degrees") for name in ("celsius", "fahrenheit")},
    **{
        phrase + ending: name
        for phrase, name in (
            ("us dollar", "dollar"), ("fluid ounce", "fluid-ounce"), ("swiss franc", "swiss-franc"),
            ("canadian dollar", "canadian-dollar"), ("australian dollar", "australian-dollar"),
        )
        for ending in ("", "s")
    },
}  # fmt: skip


_NO_NOUN: Final = words_of("""
    times plus minus less yes is was has does this his as thus us always perhaps towards afterwards upwards
    downwards forwards backwards inwards outwards northwards southwards eastwards westwards sideways
    dozens hundreds thousands millions billions halves thirds quarters fourths fifths sixths eighths tenths ones
    twos percents versus across besides overseas indoors outdoors upstairs downstairs sometimes others whereas
    millones miles cientos docenas decenas centenas milhares milhões dezenas dúzias milliers milliards centaines
    douzaines dizaines
    ends goes rises falls drops increases decreases gains losses profits
""")
"""Words in -s behind a number that count nothing, or change it."""
_NO_NOUNS: Final = NEVER_ACCOUNTED | BOUNDS | TRAILING | LEADING


_PREPOSITIONS: Final = words_of("between from among during after before by on until who that which and")


def _singular(word: str) -> str:
    word = word.casefold()
    if word in ("gas", "bus", "lens", "series", "species"):
        return word
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        return word[:-1]
    return word


def conversion(one: str, other: str) -> Fraction | None:
    """Return how many of the unit `other` make one of `one`; `None` if they measure different things."""
    first, second = unit_of(one), unit_of(other)
    if first is None or second is None or first.dimension != second.dimension:
        return None
    return first.factor / second.factor
