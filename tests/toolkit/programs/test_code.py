"""Programs in replies: which are the same, what they look like from outside, what gives them away."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optillm.toolkit.programs.code import (
    behaviour_key,
    broken,
    interface,
    leaked,
    program_text,
    programs,
    unleaked,
    without_programs,
)
from optillm.toolkit.programs.equivalence import alike, merged


def fenced(source: str, language: str = "python") -> str:
    return f"Here you are:\n```{language}\n{source}\n```\nGood luck!"


def same(one: str, other: str, language: str = "python") -> bool:
    return behaviour_key(fenced(one, language)) == behaviour_key(fenced(other, language))


FIB = '''\
def fib(n):
    """The n-th Fibonacci number."""
    a, b = 0, 1
    for _ in range(n):  # step by step
        a, b = b, a + b
    return a'''


@pytest.mark.parametrize(
    "other",
    [
        FIB.replace("    ", "  "),
        "def fib(count):\n    p, q = 0, 1\n    for i in range(count):\n        p, q = q, p + q\n    return p",
        "from typing import Any\ndef fib(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n"
        "        a, b = b, a + b\n    return a",
        "from __future__ import annotations\n" + FIB,
        '"""A module."""\n\n' + FIB,
    ],
)
def test_looks_make_no_difference_to_python(other: str) -> None:
    assert same(FIB, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n    return x < 1", "def f(x):\n    return x <= 1"),
        ("5", "6"),
        ("'Oslo'", "'Lima'"),
        ("def f(a, b):\n    return a - b", "def f(a, b):\n    return b - a"),
        ("def f(x):\n    return x", "def g(x):\n    return x"),
        ("def f(x):\n    return len(x)", "def f(x):\n    return sum(x)"),
        ("def f(a, b):\n    return a - b\nf(a=1, b=2)", "def f(b, a):\n    return b - a\nf(a=1, b=2)"),
        ("def f(*, a):\n    return a", "def f(*, b):\n    return b"),
        ("x = 1\ndef f():\n    return x", "y = 1\ndef f():\n    return y"),
        ("class A:\n    x: int = 0", "class A:\n    x = 0"),
        ("class A:\n    def f(self):\n        return 1", "class A:\n    def g(self):\n        return 1"),
        (
            "def f():\n    class A:\n        x = 1\n    return A().x",
            "def f():\n    class A:\n        y = 1\n    return A().x",
        ),
        ("def f(x):\n    return locals()", "def f(y):\n    return locals()"),
        ('"""Usage: a."""\nprint(__doc__)', '"""Usage: b."""\nprint(__doc__)'),
        ("@route\ndef f(x: int):\n    return x", "@route\ndef f(x: str):\n    return x"),
        ("from a import x\nfrom b import x", "from b import x\nfrom a import x"),
        ("print(1)\nimport a", "import a\nprint(1)"),
        ("def f():\n    import a\n    return a", "def f():\n    import b\n    return b"),
        ("def f():\n    global x\n    x = 1", "def f():\n    global y\n    y = 1"),
        ("def f(x):\n    return f'{x=}'", "def f(y):\n    return f'{y=}'"),
        ("a = [(y := i) for i in p]\nprint(y)", "a = [(z := i) for i in p]\nprint(y)"),
        (
            "def f(x):\n  def g():\n    x = 1\n  return x",
            "def f(x):\n  def g():\n    y = 1\n    x\n  return x",
        ),
    ],
)
def test_what_may_matter_makes_a_difference(one: str, other: str) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import b\nimport a", "import a, b"),
        ("def f(x):\n    y: int = x\n    return y", "def f(u):\n    v = u\n    return v"),
        ("def f(x):\n    pass", "def f(y):\n    ..."),
        ("def f():\n    import numpy as np\n    return np", "def f():\n    import numpy\n    return numpy"),
        ("g = lambda x: x", "g = lambda y: y"),
        (
            "def f(x):\n    try:\n        x()\n    except E as e:\n        return e",
            "def f(y):\n    try:\n        y()\n    except E as z:\n        return z",
        ),
        (
            "def f(p):\n    match p:\n        case [a, *b]:\n            return a, b",
            "def f(q):\n    match q:\n        case [c, *d]:\n            return c, d",
        ),
    ],
)
def test_names_and_order_that_nobody_sees_make_none(one: str, other: str) -> None:
    assert same(one, other)


def test_an_unnamed_fence_is_python_when_it_defines_something() -> None:
    assert behaviour_key(fenced(FIB, "")) == behaviour_key(fenced(FIB))
    assert not same("a: 1\nb: 2", "a: 2\nb: 2", "")  # YAML parses as Python


@pytest.mark.parametrize("language", ["js", "java", "rust", "c++"])
def test_layout_and_comments_make_no_difference_where_comments_are_slashed(language: str) -> None:
    assert same(
        "int f( int a )\n{ // add\n  return a+1;\n}",
        "int f(int a)\n\n{\n\treturn a + 1; /* so */\n}",
        language,
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = i++ + j;", "x = i + ++j;"),
        ("return\nx;", "return x;"),
        ('s = "a  b";', 's = "a b";'),
        ('u = "http://a";', 'u = "http://b";'),
        (r"s.replace(/\/\//g, 'a');", r"s.replace(/\/\//g, 'b');"),
        ("s = `a // b`;", "s = `a // c`;"),
        ("f(a, b);", "f(b, a);"),
    ],
)
def test_a_difference_in_any_other_language_stays_one(one: str, other: str) -> None:
    assert not same(one, other, "js")


def test_languages_without_rules_are_compared_line_by_line() -> None:
    assert same("a: 1 \n\nb: 2", "a: 1\nb: 2", "yaml")
    assert not same("a:\n  b: 1", "a:\nb: 1", "yaml")


def test_all_programs_of_a_reply_count_in_any_order_and_commands_do_not() -> None:
    one = f"{fenced(FIB)}\n{fenced('SELECT 1', 'sql')}\n{fenced('python a.py', 'bash')}"
    other = f"{fenced('SELECT 1', 'sql')}\n{fenced(FIB)}"
    assert behaviour_key(one) == behaviour_key(other)
    assert behaviour_key(one) != behaviour_key(fenced(FIB))
    assert behaviour_key(fenced("ls", "bash")) != behaviour_key(fenced("pwd", "bash"))


def test_a_label_after_the_language_is_not_part_of_it() -> None:
    assert [block.language for block in programs(fenced(FIB, 'Python title="fib.py"'))] == ["python"]


def test_a_reply_without_fences_is_compared_as_text() -> None:
    assert behaviour_key("# Oslo") != behaviour_key("# Lima")
    assert behaviour_key("a \n\nb") == behaviour_key("a\nb")


def test_thoughts_before_a_reply_do_not_count() -> None:
    assert behaviour_key(f"<think>{fenced('x = 1')}</think>{fenced(FIB)}") == behaviour_key(fenced(FIB))


def test_only_python_that_does_not_parse_is_broken() -> None:
    assert broken(fenced("def f(:\n    pass"))
    assert not broken(fenced("    return 1".strip() + "\n", ""))
    assert not broken(fenced("    x = 1\n    y = 2"))  # an indented excerpt
    assert not broken(fenced("function f( {", "js"))


def test_the_interface_names_languages_files_and_definitions() -> None:
    source = "class Stack:\n    def push(self, item):\n        pass\ndef main(argv, *, out):\n    x = 1"
    text = f"`src/stack.py`:\n{fenced(source)}\nand App.tsx:\n{fenced('export function App() {}', 'tsx')}"
    assert interface(text) == {
        "languages": ["python", "tsx"],
        "files": ["src/stack.py", "App.tsx"],
        "names": ["Stack", "Stack.push(self, item)", "main(argv, out)", "App"],
    }
    assert interface("Nothing here, e.g. no code.") == {"languages": [], "files": [], "names": []}


def test_a_text_leaks_what_it_repeats() -> None:
    assert leaked(FIB, f"Write this: {FIB}") == 1.0
    assert leaked(FIB, "Return the n-th Fibonacci number, starting from 0 and 1.") == 0.0
    assert 0 < leaked(FIB, "for _ in range(n):  # step by step") < 0.5
    assert leaked("42", "42") == 0.0


def test_programs_can_be_shown_alone_and_left_out() -> None:
    text = fenced("x = 1")
    assert program_text(text) == "```python\nx = 1\n```"
    assert without_programs(text) == "Here you are:\n\nGood luck!"
    assert program_text("No code.") == without_programs("No code.") == "No code."


@pytest.mark.parametrize(
    "source",
    [
        "(" * 20_000,
        "-" * 40_000 + "1",
        "x" + "+1" * 20_000,
        "/*" * 25_000,
        "'" * 49_999,
        "`\\" * 20_000,
        "a." * 25_000,
    ],
)
@pytest.mark.parametrize("language", ["python", "js", "", "yaml"])
def test_hostile_programs_cost_little(source: str, language: str) -> None:
    started = time.process_time()
    text = fenced(source, language)
    behaviour_key(text)
    interface(text)
    broken(text)
    leaked(source, text)
    assert time.process_time() - started < 3


@given(st.text(alphabet="ab=+-\n `/*'\"\\(){}:#1", max_size=60), st.sampled_from(["python", "js", ""]))
@settings(max_examples=300, deadline=None)
def test_any_program_is_the_same_as_itself_and_nothing_raises(source: str, language: str) -> None:
    text = fenced(source, language)
    assert behaviour_key(text) == behaviour_key(text)
    interface(text)
    broken(text)


# Equivalence


def test_answers_are_alike_by_what_they_state_else_by_their_words() -> None:
    texts = [
        "The answer is 4.",
        "Well: a poem about  rain",
        "So the answer is 4.0.",
        "Well: a poem about rain",
        "I see.",
    ]
    assert alike(texts, "What is 2 + 2?", "answers") == [[0, 2], [1, 3], [4]]
    assert alike(texts, "What is 2 + 2?", "words") == [[1, 3], [0], [2], [4]]


def test_programs_are_alike_by_what_they_do() -> None:
    texts = [
        fenced(FIB),
        fenced("x = 1"),
        fenced(f"{FIB}  # done"),
    ]
    assert alike(texts, "", "programs") == [[0, 2], [1]]


def test_judges_make_groups_one_only_together() -> None:
    groups = [[0, 3], [1], [2]]
    assert merged(groups, [{0: 0, 1: 0, 2: 1}, {0: 5, 1: 5, 2: 5}]) == [[0, 3, 1], [2]]
    assert merged(groups, [{0: 0, 1: 1, 2: 1}]) == [[0, 3], [1, 2]]
    assert merged(groups, []) == groups
    assert merged(groups, [{0: 0, 1: 0}]) == [[0, 3, 1], [2]]


def test_a_text_that_gives_its_source_away_loses_its_programs_or_all() -> None:
    source = "\n".join(f"x{number} = {number} * y + {number}" for number in range(20))
    assert unleaked(source, "It scales y.", 0.25) == "It scales y."
    assert unleaked(source, f"It scales y.\n{fenced(source)}", 0.25).startswith("It scales y.")
    assert "x3 =" not in unleaked(source, f"It scales y.\n{fenced(source)}", 0.25)
    assert unleaked(source, f"It is {source}", 0.25) == ""
