"""rto where programs may run: what agrees by execution, what a hostile draft costs, and nothing runs unasked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import OpenAI

from optillm import sandbox
from optillm.chat import Budget
from optillm.config.settings import load, settings_model
from optillm.engine.engine import Engine, Limits
from optillm.errors import InvalidRequest
from optillm.panel import EQUATE
from optillm.sandbox import Solved
from optillm.techniques import registry
from optillm.techniques.rto import DESCRIBE_CODE, INPUTS
from tests.e2e.proxy import serving
from tests.fakes import Say, Sent, World, failing

QUESTION = "Write a Python function above(xs, k) that gives the numbers of a list above k."
LOOP = """Sure:
```python
def above(xs, k):
    found = []
    for x in xs:
        if x > k:
            found.append(x)
    return found
```
Enjoy."""
COMPREHENSION = "```python\ndef above(xs, k):\n    return [x for x in xs if not x <= k]\n```"
FILTER = "```python\ndef above(xs, k):\n    return list(filter(lambda x: x > k, xs))\n```"
FAULTY = "```python\ndef above(xs, k):\n    return [x for x in xs if x >= k]\n```"
HOSTILE = [
    "```python\nimport os\ndef above(xs, k):\n    return os.listdir('/')\n```",
    "```python\ndef above(xs, k):\n    while True:\n        pass\n```",
    "```python\ndef above(xs, k):\n    return [0] * 10**10\n```",
]
PROPOSED = "above([1, 2, 3], 2)\nabove([], 0)\nabove(open(1), 2)\nabove([5, -1], -1)"
LAST = "```python\ndef above(xs, k):\n    return sorted(x for x in xs if x > k)\n```"

ADMITTED = Limits(Budget(128, None, 600.0), admitted={"rto"})


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the sandbox was asked to run. It is the real one, on a thread: the world's clock is virtual."""
    real, asked = sandbox.solve, []

    async def solve(language: sandbox.Language, program: str, limits: sandbox.SandboxLimits) -> Solved:
        asked.append(program)
        with ThreadPoolExecutor(1) as thread:
            brief = sandbox.SandboxLimits(wall=1)
            return thread.submit(asyncio.run, real(language, program, brief)).result()

    monkeypatch.setattr(sandbox, "solve", solve)
    return asked


def world(
    drafts: list[str],
    version: str = "No idea.",
    proposed: str | Callable[[Sent], str] = PROPOSED,
    limits: Limits = ADMITTED,
) -> World:
    def script(sent: Sent) -> str | Say:
        if sent.role == "judge":
            if opens(sent, INPUTS):
                return proposed if isinstance(proposed, str) else proposed(sent)
            return (
                "Hard to say." if opens(sent, EQUATE) else "Words." if opens(sent, DESCRIBE_CODE) else version
            )
        return LAST if sent.role == "write" else next(waiting)

    waiting = iter(drafts)
    return World(script, limits=limits)


def opens(sent: Sent, prompt: str) -> bool:
    return sent.prompt.startswith(prompt[:60])


def test_a_loop_and_a_comprehension_settle_it_in_one_round(programs: list[str]) -> None:
    scene = world([LOOP, COMPREHENSION])
    completion = scene.complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text in (LOOP, COMPREHENSION)
    assert completion.report.stop_reason == "settled"
    assert completion.report.calls == {"generate": 2, "judge": 1}
    assert scene.seconds == completion.report.rounds == 1
    assert len(programs) == 2


def test_inputs_are_thought_up_from_the_request_alone(programs: list[str]) -> None:
    scene = world([LOOP, COMPREHENSION])
    scene.complete("rto(drafts=2)-m", QUESTION)
    (asked,) = (sent for sent in scene.sent if opens(sent, INPUTS))
    assert QUESTION in asked.prompt
    assert asked.start == 0.0
    assert all("above(open" not in program for program in programs)


def test_the_draft_that_comes_back_in_other_words_is_returned_without_a_judge(programs: list[str]) -> None:
    scene = world([FAULTY, LOOP], version=FILTER)
    completion = scene.complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text == LOOP
    assert scene.seconds == completion.report.rounds == 3
    assert not any(opens(sent, EQUATE) for sent in scene.sent)


def test_programs_that_differ_somewhere_are_reconciled_without_a_judge(programs: list[str]) -> None:
    other = "```python\ndef above(xs, k):\n    return []\n```"
    scene = world([FAULTY, LOOP], version=other)
    assert scene.text("rto(drafts=2)-m", QUESTION) == LAST
    assert not any(opens(sent, EQUATE) for sent in scene.sent)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_draft_costs_its_vote_and_nothing_else(programs: list[str], hostile: str) -> None:
    completion = world([hostile, LOOP], version=COMPREHENSION).complete("rto(drafts=2)-m", QUESTION)
    assert completion.replies[0].text == LOOP
    assert completion.report.stop_reason == "complete"


def test_an_answer_of_several_files_survives_whole(programs: list[str]) -> None:
    whole = f"Two files.\n\n`above.py`\n{LOOP}\n\n`b.sql`\n```sql\nSELECT 1;\n```\n\nUser: done."
    version = f"{COMPREHENSION}\n```sql\nSELECT 1;\n```"
    assert world([FAULTY, whole], version=version).text("rto(drafts=2)-m", QUESTION) == whole
    assert (
        world([FAULTY, whole], version=COMPREHENSION).text("rto(drafts=2)-m", QUESTION) == LAST
    )  # half of it


@pytest.mark.parametrize("proposed", ["No idea.", "above", "above(input(), 1)"])
def test_without_inputs_trees_and_judges_decide(programs: list[str], proposed: str) -> None:
    scene = world([LOOP, FAULTY], version=COMPREHENSION, proposed=proposed)
    assert scene.text("rto(drafts=2)-m", QUESTION) == LAST
    assert any(opens(sent, EQUATE) for sent in scene.sent)
    assert not programs


def test_losing_the_inputs_loses_no_draft(programs: list[str]) -> None:
    def fails(sent: Sent) -> str:
        raise failing(400)

    assert world([LOOP, LOOP], proposed=fails).text("rto(drafts=2)-m", QUESTION) == LOOP


@pytest.mark.parametrize("model", ["rto(drafts=2)-m", "rto(drafts=2,equivalence=judge)-m"])
def test_switched_off_nothing_runs_and_nobody_is_asked_for_inputs(programs: list[str], model: str) -> None:
    scene = world([LOOP, COMPREHENSION], version=FILTER, limits=Limits(Budget(128, None, 600.0)))
    scene.complete(model, QUESTION)
    assert not programs
    assert not any(opens(sent, INPUTS) for sent in scene.sent)


@pytest.mark.parametrize("equivalence", ["ast", "judge"])
def test_a_request_may_do_without_execution_but_not_ask_for_it(programs: list[str], equivalence: str) -> None:
    world([LOOP, COMPREHENSION], version=FILTER).complete(
        f"rto(drafts=2,equivalence={equivalence})-m", QUESTION
    )
    assert not programs


@pytest.mark.parametrize("name", ["rto_execution", "execution"])
def test_no_request_can_admit_execution(programs: list[str], name: str) -> None:
    scene = world([LOOP, COMPREHENSION], version=FILTER, limits=Limits(Budget(128, None, 600.0)))
    with pytest.raises(InvalidRequest, match=name):
        scene.complete("rto(drafts=2)-m", QUESTION, options={name: True})
    assert not programs


def test_the_operators_setting_admits_it_and_is_off_by_default() -> None:
    model = settings_model({slug: technique.Options for slug, technique in registry().items()})
    for given, admitted in (({}, False), ({"rto_execution": "true"}, True)):
        settings = load(model, {"base_url": "http://127.0.0.1:9/v1", **given})
        assert Engine.from_settings(settings, registry()).limits.admitted == ({"rto"} if admitted else set())


def test_the_flag_reaches_the_sandbox_of_a_real_server() -> None:
    with (
        serving("--demo", "--rto-execution") as proxy,
        OpenAI(base_url=proxy.base_url, api_key="-") as client,
    ):
        settled = 0
        for seed in range(8):
            completion = client.chat.completions.create(
                model="rto-demo-large",
                messages=[
                    {"role": "user", "content": "Write a Python function `reverse_words(text)` that returns the"
                     " words of the text in reverse order, separated by single spaces."}
                ],
                seed=seed,
                extra_body={"optillm": {"trace": True}},
            )  # fmt: skip
            report = (completion.model_extra or {})["optillm"]
            executed = [span for span in report["trace"]["spans"] if span["name"] == "execute"]
            settled += bool(executed) and report["rounds"] == 1
    assert settled


def test_what_is_no_task_of_programming_runs_nothing(programs: list[str]) -> None:
    scene = world(["The answer is 1.", "The answer is 2."], version="The answer is 3.")
    scene.complete("rto(drafts=2)-m", "How many?")
    assert not programs
    assert not any(opens(sent, INPUTS) for sent in scene.sent)
