"""rto: what describes what, who sees what, and which draft comes back."""

from collections.abc import Callable
from typing import Literal

import pytest

from optillm.chat import Budget, Completion, Delta
from optillm.errors import UpstreamError
from optillm.panel import EQUATE
from optillm.techniques.rto import DESCRIBE_ANSWER, DESCRIBE_CODE
from tests.fakes import HANG, Say, Sent, World, failing

QUESTION = "Write a Python function that doubles a zebra count."
DOUBLE = "Sure:\n```python\ndef double(n):\n    return 2 * n\n```\nEnjoy."
RENAMED = "```python\ndef double(count):\n    # twice\n    return 2 * count\n```"
SHIFTED = "As asked:\n```python\ndef double(n):\n    return n << 1\n```"
TRIPLE = "```python\ndef double(n):\n    return 3 * n\n```"
SPEC = "A function double of one number that gives twice that number."
LAST = "Final:\n```python\ndef double(n):\n    return n + n\n```"

Part = Literal["draft", "describe", "regenerate", "judge", "write"]
Told = Callable[[Sent], str | Say]


def part(sent: Sent) -> Part:
    """The part that a call plays."""
    if sent.role != "judge":
        return "write" if sent.role == "write" else "draft"
    if sent.prompt.startswith(EQUATE.partition("\n")[0]):
        return "judge"
    starts = tuple(prompt.partition("\n")[0][:40] for prompt in (DESCRIBE_CODE, DESCRIBE_ANSWER))
    return "describe" if sent.prompt.startswith(starts) else "regenerate"


def trip(
    drafts: list[str],
    version: Told = lambda sent: "No idea.",
    description: Told = lambda sent: SPEC,
    judge: Told = lambda sent: "Hard to say.",
    last: Told = lambda sent: LAST,
) -> World:
    """A world in which drafts come in turn and each later part says its line."""
    told = {"describe": description, "regenerate": version, "judge": judge, "write": last}

    def script(sent: Sent) -> str | Say:
        return drafts[sent.number % len(drafts)] if part(sent) == "draft" else told[part(sent)](sent)

    return World(script)


def sent_by(world: World, which: Part) -> list[Sent]:
    return [sent for sent in world.sent if part(sent) == which]


def test_the_draft_that_comes_back_is_returned_verbatim_after_three_rounds() -> None:
    world = trip([TRIPLE, DOUBLE], lambda sent: RENAMED)
    completion = world.complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text == DOUBLE
    assert world.seconds == completion.report.rounds == 3
    assert completion.report.calls == {"generate": 2, "judge": 4}


def test_drafts_that_do_the_same_settle_it_at_once() -> None:
    world = trip([DOUBLE, RENAMED])
    completion = world.complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text in (DOUBLE, RENAMED)
    assert completion.report.stop_reason == "settled"
    assert world.seconds == 1.0


def test_disagreement_is_reconciled_in_a_fourth_round_that_sees_it_all() -> None:
    world = trip([TRIPLE, SHIFTED], lambda sent: DOUBLE)
    completion = world.complete("rto(drafts=2,equivalence=ast)-m", QUESTION)
    assert completion.replies[0].text == LAST
    assert world.seconds == completion.report.rounds == 4
    assert completion.report.calls == {"generate": 2, "judge": 4, "write": 1}
    (write,) = sent_by(world, "write")
    assert all(text in write.prompt for text in (TRIPLE, SHIFTED, SPEC))


def test_whoever_describes_sees_the_program_and_never_the_request() -> None:
    messages = [{"role": "system", "content": "You love zebras."}, {"role": "user", "content": QUESTION}]
    world = trip([f"A zebra is doubled so:\n{DOUBLE}", TRIPLE], lambda sent: RENAMED)
    world.complete("rto(drafts=2)-m", messages)
    for sent in sent_by(world, "describe"):
        assert len(sent.body["messages"]) == 1
        assert "def double(n):" in sent.prompt
        assert "zebra" not in sent.prompt


def test_whoever_writes_again_sees_the_description_and_never_draft_or_request() -> None:
    world = trip([f"A zebra is doubled so, in zoo.py:\n{DOUBLE}", TRIPLE], lambda sent: RENAMED)
    world.complete("rto(drafts=2)-m", QUESTION)
    sent = sent_by(world, "regenerate")[0]
    assert SPEC in sent.prompt
    assert not any(text in sent.prompt for text in ("zebra", "return", "2 * n"))
    assert all(name in sent.prompt for name in ("python", "zoo.py", "double(n)"))


def test_a_judge_compares_in_both_orders_where_trees_differ() -> None:
    def judge(sent: Sent) -> str:
        labels = {text: label for label, text in zip("ABC", shown(sent), strict=False)}
        return (
            f'{{"groups": [["{labels["2 * n"]}", "{labels["n << 1"]}"], ["{labels["3 * n"]}"]], "pick": "A"}}'
        )

    world = trip([TRIPLE, SHIFTED], lambda sent: DOUBLE, judge=judge)
    completion = world.complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text == SHIFTED
    assert world.seconds == completion.report.rounds == 4
    one, other = map(shown, sent_by(world, "judge"))
    assert one == other[::-1]


def shown(sent: Sent) -> list[str]:
    """What the versions a judge compares return, in the order shown."""
    return [
        line.removeprefix("    return ")
        for line in sent.prompt.splitlines()
        if line.startswith("    return ")
    ]


def test_a_judge_who_goes_by_the_place_merges_nothing() -> None:
    world = trip(
        [TRIPLE, SHIFTED],
        lambda sent: DOUBLE,
        judge=lambda sent: '{"groups": [["A", "B"], ["C"]], "pick": "A"}',
    )
    completion = world.complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text == LAST
    assert world.seconds == 5.0


def test_two_drafts_that_both_come_back_and_differ_are_reconciled() -> None:
    def version(sent: Sent) -> str:
        return DOUBLE if "twice" in sent.prompt else TRIPLE

    def description(sent: Sent) -> str:
        return "Gives twice that." if "2 * n" in sent.prompt else "Gives three of that."

    assert (
        trip([DOUBLE, TRIPLE], version, description).text("rto(drafts=2,equivalence=ast)-m", QUESTION) == LAST
    )


def test_a_draft_given_twice_outweighs_one_given_once() -> None:
    says = {"2 *": "Gives twice that.", "3 *": "Gives three of that.", "<<": "Shifts that."}
    writes = {"twice": DOUBLE, "three": TRIPLE, "Shifts": SHIFTED}

    def description(sent: Sent) -> str:
        return next(text for cue, text in says.items() if cue in sent.prompt)

    def version(sent: Sent) -> str:
        return next(text for cue, text in writes.items() if cue in sent.prompt)

    world = trip([DOUBLE, TRIPLE, RENAMED, SHIFTED], version, description)
    assert world.text("rto(drafts=4)-m", QUESTION) in (DOUBLE, RENAMED)
    assert len(sent_by(world, "describe")) == 3
    assert world.seconds == 3.0


def test_no_round_trip_is_made_against_a_majority_of_the_drafts() -> None:
    world = trip([TRIPLE, DOUBLE, RENAMED], lambda sent: TRIPLE)
    completion = world.complete("rto(drafts=3)-m", QUESTION)
    assert completion.replies[0].text in (DOUBLE, RENAMED)
    assert completion.report.stop_reason == "settled"
    assert completion.report.calls == {"generate": 3}


def test_an_answer_of_several_files_survives_whole() -> None:
    whole = (
        f"Two files.\n\n`a.py`\n{DOUBLE}\n\n`b.sql`\n```sql\nSELECT 1;\n```\n\nUser: done.\nAssistant: yes."
    )
    version = f"```sql\nSELECT 1;\n```\n{RENAMED}"
    assert trip([TRIPLE, whole], lambda sent: version).text("rto(drafts=2)-m", QUESTION) == whole


def test_half_a_program_does_not_come_back() -> None:
    whole = f"{DOUBLE}\n```sql\nSELECT 1;\n```"
    assert (
        trip([TRIPLE, whole], lambda sent: RENAMED).text("rto(drafts=2,equivalence=ast)-m", QUESTION) == LAST
    )


def test_a_description_that_copies_the_program_proves_nothing() -> None:
    long = (
        "```python\ndef double(n):\n"
        + "\n".join(f"    n{i} = n * {i} + 1" for i in range(20))
        + "\n    return n1\n```"
    )
    inline = long.replace("```", "")
    world = trip([long], lambda sent: long, lambda sent: f"{SPEC} {inline}")
    assert world.text("rto(drafts=1)-m", QUESTION) == long
    assert len(world.sent) == 2


def test_code_in_a_description_is_taken_out_and_the_words_go_on() -> None:
    long = (
        "```python\ndef double(n):\n"
        + "\n".join(f"    n{i} = n * {i} + 1" for i in range(20))
        + "\n    return n1\n```"
    )
    world = trip([long], lambda sent: RENAMED, lambda sent: f"{SPEC}\n{long}")
    world.complete("rto(drafts=1,equivalence=ast)-m", QUESTION)
    (sent,) = sent_by(world, "regenerate")
    assert SPEC in sent.prompt
    assert "n3 =" not in sent.prompt


def test_python_that_does_not_parse_never_comes_back() -> None:
    broken = "```python\ndef double(n:\n    return 2 * n\n```"
    assert trip([broken], lambda sent: broken).text("rto(drafts=1)-m", QUESTION) == LAST


def test_several_descriptions_and_regenerations_go_side_by_side() -> None:
    world = trip([TRIPLE, DOUBLE], lambda sent: RENAMED)
    completion = world.complete("rto(drafts=2,descriptions=2,regenerations=3)-m", QUESTION)
    assert completion.replies[0].text == DOUBLE
    assert completion.report.calls == {"generate": 2, "judge": 2 * 2 * (1 + 3)}
    assert world.seconds == 3.0


def test_answers_that_are_no_programs_go_round_as_questions() -> None:
    world = trip(
        ["3 x 8 = 25. The answer is 25.", "3 x 8 = 24. The answer is 24."],
        lambda sent: "That makes 24.0. The answer is 24.",
        lambda sent: "How much is 3 times 8?",
    )
    completion = world.complete("rto(drafts=2)-m", "How many legs do three spiders have?")
    assert completion.replies[0].text == "3 x 8 = 24. The answer is 24."
    assert world.seconds == 3.0
    assert [sent.prompt for sent in sent_by(world, "regenerate")] == ["How much is 3 times 8?"] * 2
    assert all("spiders" not in sent.prompt for sent in sent_by(world, "describe"))


@pytest.mark.parametrize(
    "description",
    [
        "How much is 3 times 8? The answer is 24.",
        "Why is 3 times 8 the same as 24?",
        "Why is it twenty-four?",
    ],
)
def test_a_description_that_gives_the_answer_away_proves_nothing(description: str) -> None:
    drafts = ["3 x 8 = 25. The answer is 25.", "3 x 8 = 24. The answer is 24."]
    world = trip(
        drafts,
        lambda sent: "The answer is 24.",
        lambda sent: description if drafts[1] in sent.prompt else "How much is 3 times 8?",
    )
    completion = world.complete("rto(drafts=2,reconcile=false)-m", "How many legs do three spiders have?")
    assert len(sent_by(world, "describe")) == 2
    assert len(sent_by(world, "regenerate")) == 1
    assert completion.replies[0].text in drafts


def test_stated_answers_that_differ_need_no_judge() -> None:
    world = trip(["The answer is 1.", "The answer is 2."], lambda sent: "The answer is 3.")
    assert world.text("rto(drafts=2)-m", "How many?") == LAST
    assert world.seconds == 4.0
    assert not sent_by(world, "judge")


def test_without_reconciliation_a_draft_is_the_last_word() -> None:
    world = trip([TRIPLE, DOUBLE])
    assert world.text("rto(drafts=2,equivalence=ast,reconcile=false)-m", QUESTION) in (TRIPLE, DOUBLE)
    assert not sent_by(world, "write")


@pytest.mark.parametrize("silent", ["describe", "regenerate"])
@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_silent_phase_leaves_the_drafts(silent: Part, text: str | None) -> None:
    def line(which: Part, said: str) -> Told:
        return lambda sent: Say(text) if which == silent else said

    drafts = [TRIPLE, DOUBLE, RENAMED, SHIFTED]
    world = trip(drafts, line("regenerate", RENAMED), line("describe", SPEC))
    assert world.text("rto(drafts=4)-m", QUESTION) in (DOUBLE, RENAMED)
    assert not sent_by(world, "write")


@pytest.mark.parametrize("failed", ["describe", "regenerate", "judge"])
def test_a_failed_phase_still_gives_an_answer(failed: Part) -> None:
    def script(sent: Sent) -> str:
        if part(sent) == failed:
            raise failing(400)
        if part(sent) == "draft":
            return [TRIPLE, DOUBLE][sent.number % 2]
        return {"describe": SPEC, "regenerate": SHIFTED, "judge": "?", "write": LAST}[part(sent)]

    assert World(script).text("rto(drafts=2)-m", QUESTION) in (TRIPLE, DOUBLE, LAST)


def test_a_hanging_reader_is_cut() -> None:
    def description(sent: Sent) -> str:
        return HANG if "3 * n" in sent.prompt else SPEC

    world = trip([TRIPLE, DOUBLE], lambda sent: RENAMED, description)
    assert world.text("rto(drafts=2)-m", QUESTION) == DOUBLE
    assert world.seconds == 3.5


def test_a_reader_who_says_nothing_does_not_end_the_other_trip() -> None:
    def description(sent: Sent) -> Say:
        return Say(None if "3 * n" in sent.prompt else SPEC)

    assert (
        trip([TRIPLE, DOUBLE], lambda sent: RENAMED, description).text("rto(drafts=2)-m", QUESTION) == DOUBLE
    )


def test_when_the_last_call_fails_the_best_draft_is_the_answer() -> None:
    def last(sent: Sent) -> str:
        raise failing(403)

    completion = trip([TRIPLE, DOUBLE], lambda sent: SHIFTED, last=last).complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text in (TRIPLE, DOUBLE)
    assert completion.report.stop_reason == "degraded"


def test_a_refused_reconciliation_gives_way_to_a_draft() -> None:
    world = trip(
        [TRIPLE, DOUBLE], lambda sent: SHIFTED, last=lambda sent: Say(None, message={"refusal": "No."})
    )
    assert world.text("rto(drafts=2)-m", QUESTION) in (TRIPLE, DOUBLE)


def test_judges_that_hang_leave_time_to_reconcile_the_drafts() -> None:
    def judge(sent: Sent) -> str:
        return HANG

    world = trip(
        [TRIPLE, DOUBLE, SHIFTED], lambda sent: DOUBLE if "2 *" in sent.prompt else LAST, judge=judge
    )
    completion = world.complete("rto(drafts=3)-m", QUESTION, budget=Budget(seconds=8))
    assert completion.report.stop_reason == "deadline"
    assert completion.replies[0].text.startswith("Final:")
    assert world.seconds < 8


def test_the_reconciliation_is_streamed() -> None:
    world = trip([TRIPLE, DOUBLE], lambda sent: SHIFTED, last=lambda sent: "One\ntwo.")
    events = world.events("rto(drafts=2,equivalence=ast)-m", QUESTION)
    assert [(at, event.content) for at, event in events if isinstance(event, Delta)] == [
        (4.0, "One\n"),
        (4.0, "two."),
    ]
    assert isinstance(events[-1][1], Completion)


def test_drafts_that_call_tools_are_voted_on() -> None:
    def call(city: str) -> Say:
        function = {"name": "weather", "arguments": f'{{"city": "{city}"}}'}
        return Say(None, message={"tool_calls": [{"id": "1", "type": "function", "function": function}]})

    calls = [call("Rome"), call("Oslo"), call("Oslo")]
    world = World(lambda sent: calls[sent.number % 3])
    completion = world.complete("rto(drafts=3)-m", QUESTION)
    assert "Oslo" in str(completion.replies[0].tool_calls)
    assert world.seconds == 1.0


def test_nothing_but_errors_is_an_error() -> None:
    def script(sent: Sent) -> str:
        raise failing(429, "slow down")

    with pytest.raises(UpstreamError, match="slow down"):
        World(script, retries=0).complete("rto(drafts=2)-m", QUESTION)


def test_a_null_reply_among_the_drafts_is_no_draft() -> None:
    world = World(lambda sent: Say(None) if sent.number == 0 else DOUBLE)
    assert world.text("rto(drafts=2)-m", QUESTION) == DOUBLE
