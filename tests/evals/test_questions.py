"""Questions from files: all shapes, all encodings, and bad rows by their line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optillm.chat import content_text
from optillm.config.sources import SettingsError
from optillm.evals.questions import Question, load


def lines(tmp_path: Path, *rows: Any, name: str = "questions.jsonl") -> str:
    path = tmp_path / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return str(path)


def one(tmp_path: Path, row: Any) -> Question:
    (question,) = load(lines(tmp_path, row))
    return question


def table(tmp_path: Path, text: str, name: str = "questions.csv", encoding: str = "utf-8") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return str(path)


# Our own shape


def test_a_row_has_a_question_and_an_answer(tmp_path: Path) -> None:
    question = one(tmp_path, {"question": "2 + 2?", "answer": 4, "group": "sums", "score": "exact", "id": 7})
    assert question.messages == [{"role": "user", "content": "2 + 2?"}]
    assert (question.answers, question.group, question.score, question.id) == (("4",), "sums", "exact", "7")


def test_rows_without_an_id_are_numbered(tmp_path: Path) -> None:
    path = lines(tmp_path, {"question": "a", "answer": "b"}, "", {"question": "c", "answer": "d"})
    assert [(question.id, question.where) for question in load(path)] == [
        ("1", f"{path}:1"),
        ("2", f"{path}:3"),
    ]


def test_a_system_message_comes_first(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hello"}, {"role": "user", "content": "2 + 2?"}]
    question = one(tmp_path, {"messages": turns, "system": "Be brief", "answers": ["4", "four"]})
    assert question.messages[0] == {"role": "system", "content": "Be brief"}
    assert (question.text, question.answers) == ("2 + 2?", ("4", "four"))


@pytest.mark.parametrize("answer", [1, "B", "b", "Rome", "1"])
def test_the_answer_to_a_choice_is_a_letter(tmp_path: Path, answer: object) -> None:
    question = one(tmp_path, {"question": "Capital?", "choices": ["Paris", "Rome"], "answer": answer})
    assert question.answers == ("B",)
    assert question.text == "Capital?\n\nA. Paris\nB. Rome"


def test_an_option_that_is_a_digit_is_found_by_its_text(tmp_path: Path) -> None:
    assert one(tmp_path, {"question": "?", "choices": ["1", "0"], "answer": "1"}).answers == ("A",)
    assert one(tmp_path, {"question": "?", "choices": ["1", "0"], "answer": 1}).answers == ("B",)


def test_options_that_the_question_lists_are_not_listed_twice(tmp_path: Path) -> None:
    text = "Capital?\n(A) Paris\n(B) Rome"
    assert one(tmp_path, {"question": text, "choices": ["Paris", "Rome"], "answer": "A"}).text == text


def test_options_follow_content_in_parts(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": "Which?"}]}]
    question = one(tmp_path, {"messages": turns, "choices": ["x", "y"], "answer": 0})
    assert content_text(question.messages[0]) == "Which?\n\nA. x\nB. y"


# The shapes of others


def test_gsm8k_is_recognised(tmp_path: Path) -> None:
    question = one(tmp_path, {"question": "How many?", "answer": "48 / 2 = <<48/2=24>>24\n#### 1,072"})
    assert question.answers == ("1,072",)


def test_math_is_recognised(tmp_path: Path) -> None:
    row = {
        "problem": "Half?",
        "solution": r"So $\boxed{\frac{1}{2}}$.",
        "type": "Algebra",
        "level": "Level 1",
    }
    question = one(tmp_path, row)
    assert (question.text, question.answers, question.group) == ("Half?", (r"\frac{1}{2}",), "Algebra")


def test_mmlu_is_recognised(tmp_path: Path) -> None:
    row = {"question": "Which?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 2}
    question = one(tmp_path, row)
    assert (question.answers, question.group) == (("C",), "anatomy")


def test_mmlus_tables_need_no_header(tmp_path: Path) -> None:
    (question,) = load(table(tmp_path, "Which?,one,two,three,four,D\n"))
    assert (question.answers, question.choices[3]) == (("D",), "four")


def test_arc_is_recognised(tmp_path: Path) -> None:
    choices = {"text": ["mud", "sand"], "label": ["1", "2"]}
    question = one(tmp_path, {"question": "Which?", "choices": choices, "answerKey": "2"})
    assert question.answers == ("B",)


def test_humaneval_is_recognised(tmp_path: Path) -> None:
    row = {
        "task_id": "HumanEval/0",
        "prompt": "def double(n):\n",
        "test": "def check(f):\n    assert f(1) == 2",
        "entry_point": "double",
        "canonical_solution": "    return 2 * n",
    }
    question = one(tmp_path, row)
    assert (question.id, question.score) == ("HumanEval/0", "python")
    assert "def double(n):" in question.text
    assert str(question.row["tests"]).endswith("\ncheck(double)")


def test_mbpp_is_recognised(tmp_path: Path) -> None:
    row = {
        "task_id": 2,
        "text": "Write double.",
        "test_list": ["assert double(1) == 2", "assert double(0) == 0"],
    }
    question = one(tmp_path, row)
    assert (question.id, question.score) == ("2", "python")
    assert question.row["tests"] == "assert double(1) == 2\nassert double(0) == 0"


# Tables


def test_a_table_may_have_cells_of_several_lines(tmp_path: Path) -> None:
    path = table(tmp_path, 'question,answer\n"two\nlines",1\nnext,2\n')
    assert [(question.text, question.where) for question in load(path)] == [
        ("two\nlines", f"{path}:2"),
        ("next", f"{path}:4"),
    ]


@pytest.mark.parametrize(("sign", "name"), [(";", "a.csv"), ("\t", "a.tsv"), (",", "a.csv")])
def test_columns_may_be_parted_otherwise(tmp_path: Path, sign: str, name: str) -> None:
    (question,) = load(table(tmp_path, f"question{sign}answer\r\nHow many?{sign}3\r\n", name))
    assert (question.text, question.answers) == ("How many?", ("3",))


def test_a_cell_may_hold_a_list(tmp_path: Path) -> None:
    (question,) = load(table(tmp_path, 'question,answers\nq,"[""4"", ""four""]"\n'))
    assert question.answers == ("4", "four")


def test_empty_cells_are_absent(tmp_path: Path) -> None:
    (question,) = load(table(tmp_path, "question,answer,answers,system\nq,4,,\n"))
    assert (question.answers, len(question.messages)) == (("4",), 1)


# Encodings and sizes


def test_a_byte_order_mark_and_windows_line_ends_are_no_content(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "q", "answer": "1"}\r\n\r\n')
    assert load(str(path))[0].text == "q"
    (question,) = load(table(tmp_path, "question,answer\r\nq,1\r\n", encoding="utf-8-sig"))
    assert question.text == "q"


def test_a_line_separator_within_a_text_ends_no_line(tmp_path: Path) -> None:
    path = lines(tmp_path, '{"question": "日本\u2028首都？ 🗾", "answer": "東京"}')
    assert load(path)[0].text == "日本\u2028首都？ 🗾"


def test_ten_thousand_rows_are_read(tmp_path: Path) -> None:
    rows = [{"question": f"{number} + 1?", "answer": number + 1} for number in range(10_000)]
    questions = load(lines(tmp_path, *rows))
    assert (len(questions), questions[-1].answers) == (10_000, ("10000",))


# What is wrong


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ({"answer": 1}, "needs either question or messages; it has answer"),
        ({"question": "a", "messages": [], "answer": 1}, "needs either question or messages"),
        ({"question": " ", "answer": 1}, "question is no text"),
        ({"question": 7, "answer": 1}, "question is no text"),
        ({"messages": [{"role": "user"}], "answer": 1}, "messages is no list of messages"),
        ({"question": "a", "answer": " "}, "an answer is empty"),
        ({"question": "a", "answer": 1, "answers": [1]}, "both answer and answers"),
        ({"question": "a", "choices": ["x"], "answer": 0}, "choices is no list of 2 to 26 texts"),
        ({"question": "a", "choices": ["x", "y"], "answer": "z"}, "the answer 'z' is none of the 2 choices"),
        ({"question": "a", "choices": ["x", "y"], "answer": 2}, "the answer '2' is none of the 2 choices"),
        ({"question": "a", "answer": 1, "id": ["x"]}, "id is neither text nor number"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: object, problem: str) -> None:
    path = lines(tmp_path, {"question": "good", "answer": 1}, row)
    with pytest.raises(SettingsError) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path}:2: ")
    assert problem in str(refusal.value)


def test_ids_that_occur_twice_are_named_with_both_lines(tmp_path: Path) -> None:
    row = {"question": "a", "answer": 1, "id": "x"}
    path = lines(tmp_path, row, {**row, "id": "y"}, row)
    with pytest.raises(SettingsError, match=rf"{path}:3: the id 'x' is that of {path}:1, too"):
        load(path)


def test_of_many_bad_rows_the_first_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(lines(tmp_path, *["{"] * 12))
    named = str(refusal.value).splitlines()
    assert (len(named), named[-1]) == (6, "and 7 more")


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b'{"question": "a", "answer": 1}\n{"question": "\xff"}')
    with pytest.raises(SettingsError, match=r":2: byte 15 is not UTF-8"):
        load(str(path))
    with pytest.raises(SettingsError, match=r":2: not UTF-8"):
        load(table(tmp_path, "question,answer\nÄ,1\n", encoding="latin-1"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("question,answer\na,b,c\n", ":2: 3 cells, but the table has 2 columns"),
        ('question,answer\na,1\n"open,2\n', ":3: not a row of a table"),
        ('question,choices,answer\na,"[1,",1\n', ":2: choices is no JSON list"),
    ],
)
def test_a_bad_row_of_a_table_is_named_by_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load(table(tmp_path, text))


def test_files_without_questions_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there are no questions"):
        load(lines(tmp_path, ""))
    with pytest.raises(SettingsError, match="No such file"):
        load(str(tmp_path / "nothing.jsonl"))


def test_the_digest_tells_questions_apart(tmp_path: Path) -> None:
    digest = one(tmp_path, {"question": "a", "answer": 1}).digest
    assert digest == one(tmp_path, {"question": "a", "answer": "1", "note": "x", "id": 7}).digest
    assert digest != one(tmp_path, {"question": "a", "answer": 2}).digest
