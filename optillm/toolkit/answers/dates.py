"""Calendar dates and times of day in English, as ISO 8601 writes them."""

from __future__ import annotations

import re
from datetime import date

from optillm.toolkit.answers.vocabulary import MONTHS

_WEEKDAY = re.compile(r"(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+", re.IGNORECASE)
_ON = re.compile(r"(?:on|in)\s+(?!\d{4}\b)", re.IGNORECASE)
_ISO = re.compile(r"(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})")
_MONTH_FIRST = re.compile(r"(?P<m>[A-Za-z]{3,9})\.?\s(?P<d>\d{1,2})(?:st|nd|rd|th)?(?:,?\s(?P<y>\d{4}))?")
_DAY_FIRST = re.compile(
    r"(?:the\s)?(?P<d>\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(?P<m>[A-Za-z]{3,9})\.?(?:,?\s(?P<y>\d{4}))?"
)
_MONTH_ONLY = re.compile(r"(?P<m>[A-Za-z]{3,9})\.?,?\s(?:of\s)?(?P<y>\d{4})")
_SLASHED = re.compile(r"(?P<a>\d{1,2})[/.](?P<b>\d{1,2})[/.](?P<y>\d{4})")
_LEAP_YEAR = 2000


def iso_date(text: str) -> str | None:
    """Return the date `text` consists of: 2024-03-05, 2024-03 without a day, --03-05 without a year.

    Returns `None` if there is none, and for 3/5/2024, which is March to some and May to others.
    """
    text = _WEEKDAY.sub("", _ON.sub("", text, count=1), count=1)
    if slashed := _SLASHED.fullmatch(text):
        low, high = sorted((int(slashed["a"]), int(slashed["b"])))
        return _calendar(slashed["y"], low, high) if high > 12 or low == high else None
    for pattern in (_ISO, _MONTH_FIRST, _DAY_FIRST):
        if match := pattern.fullmatch(text):
            return _calendar(match["y"], _month(match["m"]), int(match["d"]))
    match = _MONTH_ONLY.fullmatch(text)
    month = _month(match["m"]) if match else None
    return f"{match['y']}-{month:02}" if match and month else None


def _month(name: str) -> int | None:
    number = MONTHS.get(name.casefold(), name)
    return int(number) if number.isdecimal() else None


def _calendar(year: str | None, month: int | None, day: int) -> str | None:
    try:
        written = date(int(year) if year else _LEAP_YEAR, month or 0, day).isoformat()
    except ValueError:
        return None
    return written if year else f"-{written[4:]}"


_CLOCK = re.compile(
    r"(?:(?:at|um)\s)?(?P<h>\d{1,2})(?:[:.](?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?)?\s?(?P<half>[ap]\.?m\.?)?(?:(?<=\d)\s(?:Uhr|uur))?"
    r"(?:\s(?P<part>in\sthe\s(?:morning|afternoon|evening)|at\snight))?"
    r"(?P<zone>\s(?-i:UTC|GMT|CET|CEST|EST|EDT|CST|CDT|MST|MDT|PST|PDT))?",
    re.IGNORECASE,
)
_ERA = re.compile(r"(?P<year>\d{1,4})\s(?P<era>BCE?|AD|CE)|AD\s(?P<anno>\d{1,4})")
_NAMED_TIMES = {"noon": "T12:00", "12 noon": "T12:00", "midnight": "T00:00", "12 midnight": "T00:00"}


def _half_of(part: str, hour: int) -> str:
    """Return "a" for a.m. or "p" for p.m.: nine at night is 21:00, one at night is 1:00."""
    if part == "at night":
        return "p" if 6 <= hour < 12 else "a"
    return "a" if part.endswith("morning") else "p"


def year_of_era(text: str) -> str | None:
    """Return the year `text` consists of if it names an era: "-753" for 753 BC."""
    match = _ERA.fullmatch(text)
    if match is None:
        return None
    year = int(match["year"] or match["anno"])
    return f"-{year}" if (match["era"] or "").startswith("B") else f"+{year}"


def time_of_day(text: str) -> str | None:
    """Return the time `text` consists of, "T15:30"; `None` if it may be in either half of the day."""
    if named := _NAMED_TIMES.get(text.casefold()):
        return named
    match = _CLOCK.fullmatch(text)
    if match is None or (match["m"] is None and match["half"] is None and match["part"] is None):
        return None
    hour, half = int(match["h"]), (match["half"] or "").casefold()[:1]
    if match["part"]:
        if half or hour > 12:
            return None
        half = _half_of(match["part"].casefold(), hour)
    if half and not 1 <= hour <= 12:
        return None
    if not half and (not 13 <= hour <= 23 or ":" not in text):
        return None
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    seconds = f":{match['s']}" if match["s"] and match["s"] != "00" else ""
    return f"T{hour:02}:{match['m'] or '00'}{seconds}{match['zone'] or ''}"
