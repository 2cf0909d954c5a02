"""The reader: what it understands, and that it says so when it does not."""

from __future__ import annotations

import pytest
from optillm_simulator.problems import Family, generate
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import parts, truth


def answer(question: str) -> str | None:
    task = read(question)
    return None if task is None else truth(task)


@pytest.mark.parametrize("family", ["arithmetic", "ordering"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_solves_every_generated_problem(family: Family, seed: int) -> None:
    for problem in generate(family, 300, seed):
        assert answer(problem.question) == problem.answer, problem.question


@pytest.mark.parametrize(("family", "length"), [("arithmetic", 20), ("ordering", 7)])
def test_reads_long_problems(family: Family, length: int) -> None:
    for problem in generate(family, 40, 3, length=length):
        task = read(problem.question)
        assert task is not None, problem.question
        assert truth(task) == problem.answer
        assert len(parts(task)) >= length - 2


def test_the_same_seed_gives_the_same_problems_and_another_seed_others() -> None:
    assert generate("ordering", 20, 4) == generate("ordering", 20, 4)
    assert generate("ordering", 20, 4) != generate("ordering", 20, 5)


EXPRESSIONS = [
    ("What is 17 * 23 + 4?", "395"),
    ("(3+4)*12/7", "12"),
    ("What's 15% of 80?", "12"),
    ("Calculate 12 plus 7 times 3.", "33"),
    ("what is 10 divided by 4", "2.5"),
    ("What is the product of 6 and 7?", "42"),
    ("Divide 144 by 12.", "12"),
    ("Hi! Can you tell me what 1,200 - 2 × (3 + 97) is? Please show your work.", "1000"),
    ("10/3", "10/3"),
    ("-3 + 5 = ?", "2"),
]


@pytest.mark.parametrize(("question", "right"), EXPRESSIONS)
def test_reads_plain_expressions(question: str, right: str) -> None:
    assert answer(question) == right


STORIES = [
    ("Tom has 5 apples. He buys 3 more and eats 2. How many apples does he have left?", "6"),
    ("If Tom has 5 apples and eats 2, how many are left?", "3"),
    ("How many apples does Tom have if he starts with 9 and gives 4 to Ann?", "5"),
    ("Mary has 3 dozen eggs. She uses 10 of them for a cake. How many eggs are left?", "26"),
    ("Julie has five bags with 8 sweets each. She eats three sweets. How many sweets remain?", "37"),
    ("Tom has 5 boxes. Each box holds 12 pencils. How many pencils does Tom have?", "60"),
    ("Each box holds 12 pencils. Tom buys 5 boxes. How many pencils does Tom have?", "60"),
    ("There are 20 birds on a tree. 5 fly away and 8 more arrive. How many birds are on the tree now?", "23"),
    ("A bus has 20 passengers. At the first stop 5 get off and 8 get on. How many are on the bus now?", "23"),
    ("Ben has 40 marbles. He loses half of them and then finds 6. How many marbles does Ben have?", "26"),
    ("A farmer has 30 sheep. He sells a third of them. How many sheep are left?", "20"),
    (
        "Emma had 18 balloons. 4 popped. Her brother gave her 6 more. How many balloons does Emma have now?",
        "20",
    ),
    ("Tom has 12 coins and gives half to Ann. Ann already has 5 coins. How many does Ann have now?", "11"),
    ("Tom has 20 apples. He gives 3 apples to each of his 4 friends. How many apples has he left?", "8"),
    ("Ann has 12 stickers. Bob has twice as many as Ann. How many stickers do they have altogether?", "36"),
    ("Nina has 7 more coins than Omar. Omar has 12 coins. How many coins does Nina have?", "19"),
    ("Jack has 15 marbles. Jill has 9. How many more marbles does Jack have than Jill?", "6"),
    ("A class has 30 students. 12 are boys. How many are girls?", "18"),
    ("Lena bakes 24 cookies and shares them equally among 4 friends. How many does each friend get?", "6"),
    ("A baker makes 60 rolls and packs them into boxes of 12. How many boxes does he need?", "5"),
    ("A shop sells pens at $2 each. Anna buys 4 pens and a notebook for $5. How much does she spend?", "13"),
    ("Sara has $50. She buys 3 books at $8 each and a pen for $4. How much money does she have left?", "22"),
    ("Rita buys a coat for $80 and shoes for $45. She pays with $150. How much change does she get?", "25"),
    ("If 3 apples cost $6, how much do 5 apples cost?", "10"),
    ("A book costs $8. A pen costs $3. What is the total cost of 2 books and 5 pens?", "31"),
    ("A notebook costs twice as much as a pen. A pen costs $2. How much does a notebook cost?", "4"),
    ("A bakery sells cakes for $12 each. On Monday it sells 5 cakes. How much money does it make?", "60"),
    ("A train travels 60 miles per hour for 3 hours. How far does it travel?", "180"),
    ("Kim reads 20 pages on Monday and 30 on Tuesday. How many pages did she read in all?", "50"),
    ("Paul earns $15 per hour and works for 8 hours. How much does he earn?", "120"),
]


@pytest.mark.parametrize(("question", "right"), STORIES)
def test_reads_word_problems_as_a_newcomer_words_them(question: str, right: str) -> None:
    assert answer(question) == right


PUZZLES = [
    ("Ann is taller than Bob. Cid is shorter than Bob. Who is the tallest?", "Ann"),
    ("Ann is taller than Bob but shorter than Cid. List them from tallest to shortest.", "Cid, Ann, Bob"),
    ("Ann is older than Bob. Cid is not older than Bob. List them from youngest to oldest.", "Cid, Bob, Ann"),
    ("Ann beat Bob. Bob beat Cid. Dee came last. What was the order, from first to last?", "Ann, Bob, Cid, Dee"),
    ("Ann, Bob and Cid stand in a row. Bob is immediately to the left of Cid. Ann is to the right of Cid."
     " Who is in the middle?", "Cid"),
    ("Ann finished ahead of Bob. Cid came in first. What place did Bob finish in?", "third"),
    ("Kim, Lee, Max and Ned ran. Kim was neither first nor last. Lee finished just before Kim. Max was third."
     " Who was last?", "Ned"),
    ("Cid finished just before Dee. Ann finished after Dee. Bob was not last. Bob finished after Dee."
     " Who came second to last?", "Bob"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "right"), PUZZLES)
def test_reads_ordering_puzzles_as_a_newcomer_words_them(question: str, right: str) -> None:
    assert answer(question) == right


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "Write a poem about 3 cats.",
        "How many legs do 4 dogs and 3 chickens have?",
        "Hello!",
        "",
        "Call me at 555 1234 tomorrow.",
        "Ann is taller than Bob. Cid is taller than Bob. Who is the tallest?",
    ],
)
def test_does_not_pretend_to_understand(text: str) -> None:
    assert answer(text) is None


def test_reads_a_hostile_text_without_delay() -> None:
    for text in ("9" * 3000, "(" * 3000, "1+" * 1500, "a " * 1900, "<" * 3900, "Ann, " * 700, "5 " * 1900):
        assert answer(text) is None
