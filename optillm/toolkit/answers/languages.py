"""How replies in other languages state a final answer: the patterns and words of `languages.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from optillm.toolkit.answers.vocabulary import words_of

_DATA: Final = "languages.toml"
_MAX_PARTICLES: Final = 4
"""Words on each side of a value that are removed one after the other."""


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
    return _run("after", r"\s*(?:{})[.。।]?\s*$")


@cache
def counter() -> re.Pattern[str]:
    """Return the pattern of the word between a number and what it counts."""
    return re.compile(rf"\s?(?:{_alternatives(_listed('counters'))})")


@cache
def denying() -> frozenset[str]:
    """Return the words that negate a sentence: "nicht", "pas"."""
    return frozenset(_listed("denials"))


@cache
def bounds() -> Mapping[str, str]:
    """Return the phrases that make a number after them a bound, with its sign: "mindestens" is "≥"."""
    return {
        phrase: sign
        for language in _languages()
        for sign, phrases in language["bounds"].items()
        for phrase in phrases
    }


_GLUED: Final = re.compile(r"(?<=[^\W\d_a-zA-Z])(?=-?\d)")  # "一共25元"


class Language(NamedTuple):
    """Words of one language that matter in answers to its questions.

    `empty` words add nothing to a value, `limits` change it, and `quantities` are phrases that ask for a number (see
    `languages.toml`). `spaced` says that spaces separate the words of the language.
    """

    name: str
    empty: frozenset[str] = frozenset()
    limits: frozenset[str] = frozenset()
    quantities: tuple[str, ...] = ()
    spaced: bool = True
    polar: tuple[str, ...] = ()
    numerals: tuple[str, ...] = ()

    def in_digits(self, text: str) -> str:
        """Return a text with the words for two and more as digits, and a space before a number behind letters."""
        if not self.spaced:
            return _GLUED.sub(" ", without_particles(text))
        if not self.numerals:
            return text
        values = {word: str(value) for value, word in enumerate(self.numerals, start=2)}
        words = re.compile(rf"\b(?:{'|'.join(self.numerals)})\b", re.IGNORECASE)
        return words.sub(lambda word: values[word[0].casefold()], text)

    def asks_polar(self, question: str) -> bool:
        """Return whether a question in this language is one for yes or no."""
        folded = question.strip(" ¿*\n").casefold()
        return any(
            re.match(rf"{re.escape(word)}(?!\w)", folded) is not None
            or (not self.spaced and folded.rstrip("?？。 ").endswith(word))
            for word in self.polar
        )


ENGLISH: Final = Language("English")
_UNSPACED: Final = ("Chinese", "Japanese")
_SCRIPTS: Final = (
    ("Japanese", re.compile("[\u3040-\u30ff]")),
    ("Chinese", re.compile("[\u4e00-\u9fff]")),
    ("Korean", re.compile("[\uac00-\ud7a3]")),
    ("Russian", re.compile("[\u0400-\u04ff]")),
    ("Arabic", re.compile("[\u0600-\u06ff]")),
    ("Hindi", re.compile("[\u0900-\u097f]")),
)
_ENGLISH: Final = words_of(
    "how what which who when where why is are does did do the of a an and write find list name order"
)
_ASKING: Final = frozenset(["how", "what", "which", "who", "when", "where", "why", "does", "did", "the"])


@cache
def _by_name() -> Mapping[str, tuple[Language, frozenset[str]]]:
    """Return the languages by name, each with the words that only its questions have."""
    return {
        entry["name"]: (
            Language(
                entry["name"],
                frozenset(entry["empty"].split()),
                frozenset(entry["limits"].split()),
                tuple(entry["quantities"]),
                entry["name"] not in _UNSPACED,
                tuple(entry.get("polar", ())),
                tuple(entry.get("numerals", "").split()),
            ),
            frozenset(entry.get("asks", "").split()),
        )
        for entry in _languages()
    }


def language_of(text: str) -> Language:
    """Return the language of a question: English, unless its words or its script show another."""
    if not text.isascii():
        for name, script in _SCRIPTS:
            if script.search(text):
                return _by_name()[name][0]
    words = frozenset(re.findall(r"[^\W\d_]+", text.casefold()))
    english = len(words & _ENGLISH)
    if english > 1:
        return ENGLISH
    scores = [
        (len(words & asks), len(words & language.empty), language) for language, asks in _by_name().values()
    ]
    hits, _, language = max(scores, key=lambda entry: entry[:2])
    return language if hits > english or (hits and hits == english and not words & _ASKING) else ENGLISH


def without_particles(statement: str) -> str:
    """Return a statement without the words of its language that add nothing around its value."""
    text = statement.strip()
    for pattern, attempts in ((_after(), _MAX_PARTICLES), (_before(), _MAX_PARTICLES)):
        for _ in range(attempts):
            match = pattern.search(text) if pattern is _after() else pattern.match(text)
            if match is None or match.end() - match.start() == len(text):
                break
            text = (text[: match.start()] + text[match.end() :]).strip()
    return text


@cache
def truths() -> Mapping[str, str]:
    """Return what the words for yes and no in all languages mean."""
    return {word: value for value in ("true", "false") for word in _listed(value)}


@cache
def reason() -> re.Pattern[str]:
    """Return the pattern of a clause that explains what is before it, in any language but English."""
    return re.compile(
        rf"[,，;]?\s?(?:{'|'.join(map(_bounded, _listed('reasons')))})\b.*", re.DOTALL | re.IGNORECASE
    )
