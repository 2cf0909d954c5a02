"""Read an ordering puzzle: "Ann is taller than Bob but shorter than Cid. Who is last?" """

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from optillm_simulator.skills.language import Word, as_written, sentences, words
from optillm_simulator.skills.puzzle import ORDINALS, Clue, Puzzle, Relation, solvable
from optillm_simulator.vocabulary import vocabulary

_AHEAD = vocabulary(
    "taller older faster heavier richer bigger larger longer higher stronger earlier sooner better quicker before"
    " ahead above left beat beats defeated outran"
)
_BEHIND = vocabulary(
    "shorter younger slower lighter poorer smaller lower weaker later worse after behind below right"
)
_TOP = vocabulary(
    "tallest oldest fastest heaviest richest biggest largest longest highest strongest earliest best quickest"
    " winner won leftmost top front"
)
_BOTTOM = vocabulary(
    "shortest youngest slowest lightest poorest smallest lowest weakest latest worst last rightmost bottom"
    " back"
)
_PLACES = {word: position for position, word in enumerate(ORDINALS, start=1)}
_PLACES |= {"1st": 1, "2nd": 2, "3rd": 3} | {f"{position}th": position for position in range(4, 9)}
_CLOSE = vocabulary("just immediately directly right straight")
_BESIDE = vocabulary("next beside adjacent")
_JOINTS = vocabulary("and but , ; while or nor")
_VERBS = vocabulary(
    "is was are were came comes finished finishes arrived arrives ended ends sits sat stands stood ran beat beats"
    " won lives lived scored got has isn't wasn't didn't does did placed ranks ranked"
)
_NOT_NAMES = vocabulary(
    "a an the who what which in if there they list rank order arrange put name give sort state from of and but"
    " each every all no not nobody two three four five six seven eight question puzzle clues clue solve task"
    " problem here some several exactly one their his her it its he she user also finally answer i we you tell"
    " step please find determine work this that these those then both neither either only at on with for think"
    " let write show use explain how when where why given using start end read after before last first"
)
_ASKING = frozenset(
    ["who", "what", "which", "list", "order", "rank", "arrange", "put", "give", "sort", "name"]
)
_MOST_NAMES = len(ORDINALS)
_MIDDLE = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A position in an order: from 1 at the top, negative from the bottom, 0 for the middle."""

    at: int

    def among(self, size: int) -> int:
        if self.at == _MIDDLE:
            return (size + 1) // 2
        return self.at if self.at > 0 else size + 1 + self.at


def read_puzzle(text: str) -> Puzzle | None:
    """Return the puzzle in a text; `None` if there is none or its clues leave the answer open."""
    names: dict[str, None] = {}
    clues: list[Clue] = []
    question: Sequence[Word] = ()
    for sentence in sentences(text):
        sentence_words = words(sentence)
        if _asks(sentence_words):
            question = sentence_words
            continue
        names |= dict.fromkeys(word.shown for word in sentence_words if _is_name(word))
        clues += _Scan(sentence_words).clues()
    involved = {name for clue in clues for name in (clue.first, clue.second) if name}
    involved_names = tuple(name for name in names if name in involved or _listed(name, text))
    if not question or not clues or not 2 <= len(involved_names) <= _MOST_NAMES:
        return None
    settled = tuple(_settle(clue, len(involved_names)) for clue in clues)
    puzzle = _question(question, Puzzle(involved_names, settled, "order"))
    return puzzle if puzzle and solvable(puzzle) else None


def _is_name(word: Word) -> bool:
    return word.shown[:1].isupper() and word.text.isalpha() and word.text not in _NOT_NAMES


def _asks(sentence_words: Sequence[Word]) -> bool:
    texts = [word.text for word in sentence_words]
    return bool(texts) and (texts[-1] == "?" or texts[0] in _ASKING) and bool(_ASKING & set(texts))


def _listed(name: str, text: str) -> bool:
    """Return whether a name without a clue stands in an enumeration ("Ann, Bob and Cid ran a race")."""
    return f"{name}," in text or f"and {name}" in text or f", {name}" in text


def _settle(clue: Clue, size: int) -> Clue:
    return (
        replace(clue, position=_Place(clue.position).among(size))
        if clue.relation in ("at", "not at")
        else clue
    )


class _Scan:
    """Walks through one sentence and notes each clue as soon as it is complete."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.texts = [word.text for word in words]
        self.about = as_written(words)
        self.subjects: list[str] = []
        self.relation: str | None = None
        self.close = False
        self.negated = False
        self.found_clues: list[Clue] = []

    def clues(self) -> list[Clue]:
        at = 0
        while at < len(self.words):
            at += self.take(at)
        return self.found_clues

    def text(self, at: int) -> str:
        return self.texts[at] if 0 <= at < len(self.texts) else ""

    def take(self, at: int) -> int:
        """Read the word at `at`; return how many words that took."""
        word = self.words[at]
        match = place_at(self.texts, at)
        if word.text == "from":  # "… from tallest to shortest" names no position
            return len(self.words)
        if _is_name(word):
            self.name(word.shown, at)
        elif word.text in ("not", "never", "neither") or word.text.endswith("n't"):
            self.negated = True
        elif word.text in _CLOSE and self.text(at + 1) in _AHEAD | _BEHIND | {"to", "next"}:
            self.close = True
        elif word.text in _BESIDE:
            self.relation = "beside"
            if self.text(at + 2) == "each" and len(self.subjects) > 1:
                self.note("next to", *self.subjects[-2:])
        elif match and self.subjects:
            relation: Relation = "not at" if self.negated else "at"
            self.found_clues.append(Clue(relation, self.subjects[-1], position=match[0].at, about=self.about))
            return match[1]
        elif word.text in _AHEAD | _BEHIND:
            self.relation = "ahead" if word.text in _AHEAD else "behind"
        elif word.text in ("but", ";", "while"):
            self.negated = self.close = False
        return 1

    def name(self, name: str, at: int) -> None:
        opens = self.text(at + 1) in _VERBS and self.text(at - 1) in _JOINTS
        if self.relation is None or not self.subjects or opens:
            if opens:
                self.negated = self.close = False
            self.subjects.append(name)
            self.relation = None if opens else self.relation
            return
        subject = self.subjects[-1]
        behind = (self.relation == "behind") != self.negated
        first, second = (name, subject) if behind else (subject, name)
        if self.relation == "beside":
            self.note("next to", subject, name)
        else:
            self.note("just before" if self.close else "before", first, second)

    def note(self, relation: Relation, first: str, second: str) -> None:
        if first != second:
            self.found_clues.append(Clue(relation, first, second, about=self.about))


def place_at(texts: Sequence[str], at: int) -> tuple[_Place, int] | None:
    """Return the position named at word `at`, and its length in words: "third", "second to last"."""
    text, after = texts[at], texts[at + 1] if at + 1 < len(texts) else ""
    if text in ("middle", "centre", "center"):
        return _Place(_MIDDLE), 1
    if text in _PLACES:
        rest = [word for word in texts[at + 1 : at + 6] if word != "-"]
        if rest[:2] == ["to", "last"]:
            return _Place(-_PLACES[text]), 5 if after == "-" else 3
        if after in _TOP | _BOTTOM:
            return _Place(_PLACES[text] if after in _TOP else -_PLACES[text]), 2
        return _Place(_PLACES[text]), 1
    if text in _TOP | _BOTTOM:
        return _Place(1 if text in _TOP else -1), 1
    return None


def _places(texts: Sequence[str]) -> Iterator[_Place]:
    index = 0
    while index < len(texts):
        match = place_at(texts, index)
        if match:
            yield match[0]
        index += match[1] if match else 1


def _question(question: Sequence[Word], puzzle: Puzzle) -> Puzzle | None:
    """Return the puzzle with what the question asks of it, or `None` if that is unclear."""
    texts = [word.text for word in question]
    size = len(puzzle.names)
    places = [position.among(size) for position in _places(texts)]
    if len(places) > 1 or {"order", "list", "rank", "arrange", "sort", "ranking", "sequence"} & set(texts):
        return replace(puzzle, wanted="order", backwards=len(places) > 1 and places[0] > places[-1])
    subject = next((word.shown for word in question if word.shown in puzzle.names), "")
    if subject and {"place", "position", "where", "rank"} & set(texts):
        return replace(puzzle, wanted="place", subject=subject)
    if len(places) == 1 and 1 <= places[0] <= size:
        return replace(puzzle, wanted="who", position=places[0])
    return None
