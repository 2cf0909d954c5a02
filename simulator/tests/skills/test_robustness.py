"""Whatever it is told, the demo model reads it without falling over."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from optillm_simulator.error_models import SMALL
from optillm_simulator.roles.prompts import take_apart
from optillm_simulator.skills.lexicon import DETERMINERS, PREPOSITIONS, PRONOUNS, VERBS
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import truth, work
from optillm_simulator.vocabulary import in_order

from simulator.tests.talk import say

THINGS = in_order(
    "apples bags boxes dollars pens marbles $5 $ % 3 12 0 0.5 7 1/2 half twice third as many much more fewer"
)
FRAME = in_order(
    "Tom Ann Bob is has than each among into . . ? How many does have left cost taller first last not and ,"
)
WORDS = [*THINGS, *FRAME, *sorted(VERBS), *sorted(DETERMINERS), *sorted(PREPOSITIONS), *sorted(PRONOUNS)]
SENTENCES = st.lists(st.one_of(st.sampled_from(THINGS + FRAME), st.sampled_from(WORDS)), max_size=30).map(
    " ".join
)


@settings(max_examples=1500, deadline=None)
@given(SENTENCES)
def test_reads_any_jumble_of_its_own_words(text: str) -> None:
    question = f"Tom has 5 apples. {text}. How many apples does Tom have?"
    compared = f"{text}. How many more apples does Tom have than Ann?"
    for told in (text, question, compared):
        task = read(told)
        if task is not None:
            truth(task)
            work(task, SMALL, random.Random(0))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("<>/[]{}ABab1:.\n`#* -\"'5$%(),?Step"), max_size=200))
def test_replies_to_any_jumble_of_signs(text: str) -> None:
    take_apart(text)
    assert say(text)
    assert say(f"<candidate-1>{text}</candidate-1> <candidate-2>{text}</candidate-2> Rank them. {text}")
