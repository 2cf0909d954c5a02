"""How replies in other languages state a final answer: the patterns that `languages.toml` makes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

_DATA: Final = "languages.toml"
_ALPHABET: Final = re.compile(r"[\w']")
_MOST: Final = 4
"""Words before or behind a value that are taken off one after the other."""


@cache
def _languages() -> tuple[Mapping[str, Any], ...]:
    text = files(__package__).joinpath(_DATA).read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["language"])


def _listed(key: str) -> list[str]:
    """Return the words of all languages under one key, the longest first."""
    words = {word for language in _languages() for word in language.get(key, ())}
    return sorted(words, key=lambda word: (-len(word), word))


def _alternatives(words: list[str]) -> str:
    return "|".join(map(re.escape, words))


def _bounded(word: str) -> str:
    """Return the pattern of a word; scripts that put blanks between words want them there."""
    pattern = re.escape(word)
    if _is_spaced(word[0]):
        pattern = r"(?<![^\W_])" + pattern
    return pattern + r"(?![^\W_])" if _is_spaced(word[-1]) else pattern


def _is_spaced(character: str) -> bool:
    """Return whether a character is a letter of a script that separates words by blanks."""
    return (
        character.isalpha()
        and not "\u3040" <= character <= "\u9fff"
        and not "\uac00" <= character <= "\ud7a3"
    )


@cache
def _statement_patterns() -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    """Return for each language its nouns, and the pattern of a noun with what leads from there to the value."""
    patterns: list[tuple[tuple[str, ...], re.Pattern[str]]] = []
    for language in _languages():
        nouns = "|".join(_bounded(noun) for noun in sorted(language["nouns"], key=len, reverse=True))
        adjectives = "|".join(map(re.escape, language["adjectives"]))
        joins = "|".join(_bounded(join) for join in sorted(language["joins"], key=len, reverse=True))
        middle = rf"(?:\s{{0,2}}(?:{adjectives}))?" if adjectives else ""
        ending = rf"\s{{0,2}}(?:{joins})" if joins else r"(?!)"
        pattern = rf"(?:{nouns}){middle}[*_]{{0,3}}(?:\s{{0,2}}[:：=](?:[*_]{{1,3}}(?=\s|$))?|{ending}:?)"
        patterns.append((tuple(language["nouns"]), re.compile(pattern, re.IGNORECASE)))
    return tuple(patterns)


def announcements(text: str) -> Iterator[re.Match[str]]:
    """Yield the words that announce an answer: a noun and a colon, or a noun and a verb."""
    folded = text.casefold()
    for nouns, pattern in _statement_patterns():
        if any(noun in folded for noun in nouns):  # far quicker than the pattern, and mostly false
            yield from pattern.finditer(text)


def _run(key: str, template: str) -> re.Pattern[str]:
    return re.compile(template.format("|".join(map(_bounded, _listed(key)))), re.IGNORECASE)


@cache
def _before() -> re.Pattern[str]:
    return _run("before", r"\s*(?:{})\s*")


@cache
def _after() -> re.Pattern[str]:
    return re.compile(rf"\s*(?:{_alternatives(_listed('after'))})[.。।]?\s*$", re.IGNORECASE)


@cache
def _counted() -> re.Pattern[str]:
    # A counter and a noun of a few characters; signs for "more", "less" and "at least" are none of a noun.
    limits = "以上下内外前后後多少余餘满滿超未至以左右约約미만이상이하초과"
    noun = rf"[^\W\d_a-zA-Z{limits}]{{0,4}}"
    return re.compile(
        rf"(?P<number>-?[\d.,/]*\d)\s?(?:{_alternatives(_listed('counters'))}){noun}", re.IGNORECASE
    )


def without_particles(statement: str) -> str:
    """Return a statement without the words of its language that add nothing around its value."""
    text = statement.strip()
    for pattern, attempts in ((_after(), _MOST), (_before(), _MOST)):
        for _ in range(attempts):
            match = pattern.search(text) if pattern is _after() else pattern.match(text)
            if match is None or match.end() - match.start() == len(text):
                break
            text = (text[: match.start()] + text[match.end() :]).strip()
    counted = _counted().fullmatch(text)
    return counted["number"] if counted else text


@cache
def truths() -> Mapping[str, str]:
    """Return what the words for yes and no in all languages mean."""
    return {word: value for value in ("true", "false") for word in _listed(value)}


def corrections() -> Iterator[str]:
    """Yield the words that begin a correction."""
    yield from _listed("corrections")
