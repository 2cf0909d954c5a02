"""What the words of a question account for in its answers, and which of them say something new."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final, NamedTuple

from optillm.toolkit.answers.vocabulary import LEADING, NEUTRAL_VERBS, OPPOSITES, stem, words_of


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
