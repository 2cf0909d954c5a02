"""The playground in a browser, in front of the demo model and of upstreams that misbehave."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, delta, sse
from tests.web.conftest import OpenPage

HOSTILE: Final = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
    "[link](javascript:alert(1)) <svg onload=alert(1)></svg> <a href='javascript:alert(1)'>here</a> "
    "\u202egnol os \u2066 \u200f <iframe srcdoc='<script>alert(1)</script>'></iframe> <style>* {display: none}</style>"
    + "w"
    * 20_000
)
PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """An upstream; each test sets its `respond`."""
    with Stub(lambda call: call.answer("four")) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(stub: Stub) -> Iterator[Proxy]:
    """A proxy in front of it."""
    with serving("--base-url", stub.base_url, "--model", "m") as running:
        yield running


Opened = Callable[..., Page]


@pytest.fixture
def opened(stub: Stub, proxy: Proxy, open_page: OpenPage) -> Opened:
    """Open the playground in front of the stub: `opened("none", "bon", respond=…)`."""

    def opened(*expressions: str, respond: Callable[[Call], None] | None = None, **options: Any) -> Page:
        stub.respond = respond or (lambda call: call.answer("four"))
        stub.calls.clear()
        fragment = "&".join(f"e={expression}" for expression in expressions)
        page = open_page(f"{proxy.url}/playground#{fragment}", **options)
        expect(plans(page)).to_have_count(len(expressions))
        return page

    return opened


def plans(page: Page) -> Locator:
    """What the columns would take."""
    return page.locator(".plan", has_text=re.compile("At most"))


def ask(page: Page, question: str) -> None:
    """Send a question."""
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Send to all").click()


def chats(stub: Stub) -> list[Any]:
    """The bodies of the chat requests that arrived upstream."""
    return [call.sent for call in stub.calls if call.method == "POST"]


def test_two_techniques_answer_side_by_side(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(f"{demo.url}/playground#e=none&e=bon")
    expect(plans(page)).to_have_count(2)
    ask(page, "What is 48 / 4 + 7 * 13?")
    plain, best = page.get_by_label("Answer of plain"), page.get_by_label("Answer of bon")
    for answer in (plain, best):
        expect(answer.locator(".status")).to_have_text("done")
        expect(answer).to_contain_text("The answer is")
        expect(answer.locator(".facts")).to_contain_text("tokens")
    expect(best.locator(".facts")).to_contain_text("calls")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_four_columns_of_a_first_visit_are_ready_to_send(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(f"{demo.url}/playground")
    expect(plans(page)).to_have_count(4)
    expect(page.get_by_label("Question")).not_to_be_empty()
    expect(page.get_by_role("textbox", name="Expression").nth(3)).to_have_value(
        "self_consistency(samples=16)"
    )
    expect(page.get_by_role("button", name="Add a column")).to_be_disabled()
    expect(page.locator("#total")).to_contain_text("In total at most")


def test_an_option_of_the_form_is_written_into_the_expression_and_planned(opened: Opened) -> None:
    page = opened("none", "bon")
    column = page.get_by_role("region", name="Column 2")
    column.get_by_text("Options").click()
    column.get_by_label("n 1 to 32", exact=True).fill("5")
    expect(column.get_by_role("textbox", name="Expression")).to_have_value("bon(n=5)")
    expect(column.locator(".plan")).to_contain_text("22 calls")
    column.get_by_label("judge", exact=True).select_option("pairwise")
    expect(column.get_by_role("textbox", name="Expression")).to_have_value("bon(n=5,judge=pairwise)")
    column.get_by_label("n 1 to 32", exact=True).fill("")
    expect(column.get_by_role("textbox", name="Expression")).to_have_value("bon(judge=pairwise)")


def test_the_form_follows_the_expression(opened: Opened) -> None:
    page = opened("re2&bon(n=7)".replace("&", "%26"), "none")
    column = page.get_by_role("region", name="Column 1")
    expect(column.get_by_label("Technique")).to_have_value("other")
    column.get_by_text("Options").click()
    expect(column.get_by_role("group", name="Re2")).to_be_visible()
    expect(column.get_by_label("n 1 to 32", exact=True)).to_have_value("7")
    column.get_by_role("textbox", name="Expression").fill("moa")
    expect(column.get_by_label("Technique")).to_have_value("moa")
    expect(column.get_by_role("group", name="Mixture of agents")).to_be_visible()


def test_an_expression_that_is_none_is_refused_in_the_servers_words_before_it_is_sent(opened: Opened) -> None:
    page = opened("bon", expected_errors=["status of 400"])
    column = page.get_by_role("region", name="Column 1")
    column.get_by_role("textbox", name="Expression").fill("bon(n=99)")
    expect(column.locator(".plan")).to_contain_text("32")
    column.get_by_role("textbox", name="Expression").fill("bonn")
    expect(column.locator(".plan")).to_contain_text("unknown technique expression")
    expect(column.get_by_role("textbox", name="Expression")).to_have_attribute("aria-invalid", "true")


def test_equal_final_answers_have_one_colour_and_name_who_gave_them(opened: Opened) -> None:
    def respond(call: Call) -> None:
        call.answer("2 + 2 = 4. The answer is 4.")

    page = opened("bon", "self_consistency", respond=respond)
    ask(page, "What is 2 + 2?")
    expect(page.locator(".agreement")).to_have_text("4 bon, self_consistency")
    chips = page.locator(".answer .chip")
    expect(chips).to_have_text(["4", "4"])
    assert chips.first.get_attribute("class") == chips.last.get_attribute("class")


def test_an_answer_leads_to_its_trace_while_it_comes(opened: Opened) -> None:
    go_on = threading.Event()

    def respond(call: Call) -> None:
        go_on.wait(60)
        call.answer("four")

    page = opened("bon", respond=respond)
    ask(page, "What is 2 + 2?")
    link = page.get_by_label("Answer of bon").get_by_role("link", name="Trace")
    expect(link).to_have_attribute("href", re.compile("^/traces/trace_[0-9a-f]{24}$"))
    go_on.set()
    expect(page.locator(".status", has_text="done")).to_be_visible()
    with page.context.expect_page() as opening:  # beside this one, which would lose its answers
        link.click()
    expect(opening.value.get_by_role("heading", level=1)).to_contain_text("What is 2 + 2?")


def test_words_and_progress_are_shown_as_they_come(opened: Opened, stub: Stub) -> None:
    go_on = threading.Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(sse(delta("half an "), done=False))
        call.write(b": thinking hard\n\n")
        go_on.wait(30)
        call.write(sse(delta("answer"), delta(finish="stop")))

    page = opened("none", respond=respond)
    ask(page, "?")
    answer = page.get_by_label("Answer of plain")
    expect(answer.locator(".text").last).to_have_text("half an ")
    expect(answer).to_contain_text("thinking hard")
    expect(page.get_by_role("status").last).to_have_text("0 of 1 answer finished")
    go_on.set()
    expect(answer.locator(".text").last).to_have_text("half an answer")
    expect(answer.locator(".status")).to_have_text("done")


def test_stopping_ends_the_calls_upstream(opened: Opened) -> None:
    left = threading.Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(sse(delta("begun "), done=False))
        call.until_left()
        left.set()

    page = opened("none", respond=respond)
    ask(page, "?")
    answer = page.get_by_label("Answer of plain")
    expect(answer).to_contain_text("begun")
    page.get_by_role("button", name="Stop").click()
    expect(answer.locator(".status")).to_have_text("stopped")
    assert left.wait(30)
    expect(page.get_by_role("button", name="Send to all")).to_be_enabled()


def test_an_error_is_shown_in_the_words_of_whoever_refused(opened: Opened) -> None:
    def respond(call: Call) -> None:
        call.json({"error": {"message": "no <credit> left", "code": "insufficient_quota"}}, 429)

    page = opened("none", "bon", respond=respond, expected_errors=["status of 429"])
    ask(page, "?")
    for name in ("plain", "bon"):
        answer = page.get_by_label(f"Answer of {name}")
        expect(answer.locator(".status")).to_have_text("failed")
        expect(answer.get_by_role("alert")).to_contain_text("no <credit> left")


def test_a_stream_that_breaks_says_so_and_keeps_what_came(opened: Opened) -> None:
    def respond(call: Call) -> None:
        call.events(delta("half"), {"error": {"message": "the GPU is on fire"}})

    page = opened("none", respond=respond)
    ask(page, "?")
    answer = page.get_by_label("Answer of plain")
    expect(answer.get_by_role("alert")).to_contain_text("the GPU is on fire")
    expect(answer.locator(".text").last).to_have_text("half")


def test_a_hostile_answer_is_text(opened: Opened) -> None:
    page = opened(
        "none", "bon", respond=lambda call: call.answer(HOSTILE), viewport={"width": 390, "height": 844}
    )
    title = page.title()
    ask(page, "?")
    for name in ("plain", "bon"):
        answer = page.get_by_label(f"Answer of {name}")
        expect(answer.locator(".status")).to_have_text("done")
        text = answer.locator(".text").last
        assert text.evaluate("element => element.textContent") == HOSTILE
        assert text.evaluate("element => element.childElementCount") == 0
    assert page.title() == title
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_each_column_goes_on_from_its_own_answer_or_all_from_the_chosen_one(
    opened: Opened, stub: Stub
) -> None:
    def respond(call: Call) -> None:
        call.answer("from bon" if call.method == "POST" and call.sent.get("temperature") else "from plain")

    page = opened("none", "bon", respond=respond)
    page.get_by_text("System message and length limit").click()
    page.get_by_label("System message").fill("Be brief.")
    ask(page, "first")
    expect(page.locator(".status", has_text="done")).to_have_count(2)
    stub.calls.clear()
    ask(page, "second")
    expect(page.locator(".status", has_text="done")).to_have_count(4)
    histories = {tuple(message["content"] for message in body["messages"]) for body in chats(stub)}
    assert ("Be brief.", "first", "from plain", "second") in histories
    assert ("Be brief.", "first", "from bon", "second") in histories
    page.get_by_label("Answer of bon").last.get_by_role("button", name="Continue from this answer").click()
    expect(page.locator("#continuation")).to_contain_text("bon")
    stub.calls.clear()
    ask(page, "third")
    expect(page.locator(".status", has_text="done")).to_have_count(6)
    assert {body["messages"][4]["content"] for body in chats(stub)} == {"from bon"}


def test_a_pasted_image_is_sent_with_the_question(opened: Opened, stub: Stub) -> None:
    page = opened("none")
    page.get_by_label("Question").evaluate(
        """(field, content) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "dot.png", { type: "image/png" }));
            field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        PIXEL,
    )
    expect(page.get_by_role("img", name="Image 1")).to_be_visible()
    ask(page, "What is this?")
    expect(page.locator(".status")).to_have_text("done")
    (body,) = chats(stub)
    text, image = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert image == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def test_a_file_that_is_no_image_is_refused(opened: Opened) -> None:
    page = opened("none")
    page.get_by_label("Add images").set_input_files(
        {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    )
    expect(page.locator("#composer-error")).to_contain_text("a.svg is no PNG")


def test_it_works_with_the_keyboard_alone(opened: Opened, stub: Stub) -> None:
    left = threading.Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.until_left()
        left.set()

    page = opened("none", respond=respond)
    question = page.get_by_label("Question")
    for _ in range(20):
        if question.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(question).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Why?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_label("Answer of plain")).to_be_visible()
    expect(question).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Answer of plain").locator(".status")).to_have_text("stopped")
    assert left.wait(30)


def test_columns_can_be_added_and_removed(opened: Opened) -> None:
    page = opened("none", "bon")
    page.get_by_role("button", name="Add a column").click()
    expect(
        page.get_by_role("region", name="Column 3").get_by_role("textbox", name="Expression")
    ).to_be_focused()
    page.get_by_role("button", name="Remove column 1").click()
    expect(page.get_by_role("textbox", name="Expression")).to_have_count(2)
    expect(page.get_by_role("textbox", name="Expression").first).to_have_value("bon")
    page.get_by_role("button", name="Remove column 1").click()
    expect(page.get_by_role("button", name="Remove column 1")).to_be_hidden()


def test_a_reload_keeps_the_question_and_nothing_outlives_the_tab(opened: Opened) -> None:
    page = opened("none", "moa")
    page.get_by_label("Question").fill("Why is the sky blue?")
    page.reload()
    expect(page.get_by_label("Question")).to_have_value("Why is the sky blue?")
    expect(page.get_by_role("textbox", name="Expression").nth(1)).to_have_value("moa")
    page.get_by_role("button", name="Send to all").click()
    expect(page.locator(".status", has_text="done")).to_have_count(2)
    page.reload()
    expect(page.get_by_label("Question")).to_have_value("Why is the sky blue?")
    assert "sky" not in page.url
    assert page.evaluate("() => [localStorage.length, document.cookie]") == [0, ""]


def test_with_keys_one_signs_in_and_asks_without_showing_the_key_to_scripts(
    stub: Stub, open_page: OpenPage
) -> None:
    stub.respond = lambda call: call.answer("four")
    flags = ("--base-url", stub.base_url, "--model", "m")
    with serving(*flags, environment={"OPTILLM_API_KEY": "a-secret-key"}) as proxy:
        page = open_page(f"{proxy.url}/playground")
        page.get_by_label("Your key for this server").fill("a-secret-key")
        page.keyboard.press("Enter")
        expect(plans(page)).to_have_count(4)
        ask(page, "What is 2 + 2?")
        expect(page.locator(".status", has_text="done")).to_have_count(4)
        assert page.evaluate("() => document.cookie") == ""
        page.close()  # it looks for traces and plans, and complains when the server is gone


def test_a_server_that_is_gone_is_named(stub: Stub, open_page: OpenPage) -> None:
    with serving("--base-url", stub.base_url, "--model", "m") as proxy:
        page = open_page(f"{proxy.url}/playground#e=none", expected_errors=["ERR_CONNECTION_REFUSED"])
        expect(plans(page)).to_have_count(1)
    ask(page, "What is 2 + 2?")
    expect(page.get_by_label("Answer of plain").get_by_role("alert")).to_contain_text("cannot be reached")


def test_an_empty_question_is_not_sent(opened: Opened, stub: Stub) -> None:
    page = opened("none")
    ask(page, " ")
    expect(page.get_by_role("alert")).to_have_text("Enter a question first.")
    assert not chats(stub)


@pytest.mark.parametrize(
    ("pieces", "items"),
    [
        (["data: a\n\n", "data: b\n\n"], ["a", "b"]),
        (["da", "ta: a\r", "\n\r", "\ndata: b\r\r"], ["a", "b"]),
        ([": keep", "-alive\n\ndata:a\n", "data:b\n\n"], [{"comment": "keep-alive"}, "a\nb"]),
        (["data: first\n\ndata: the end is missing"], ["first", "the end is missing"]),
        (["id: 1\nretry: 5\nunknown\n\n", "event: x\ndata: a\n\n"], ["a"]),
    ],
)
def test_events_are_read_however_they_are_cut(opened: Opened, pieces: list[str], items: list[Any]) -> None:
    page = opened("none")
    read = page.evaluate(
        """async (pieces) => {
            const main = document.querySelector('script[src$="playground/main.js"]').src;
            const { EventParser } = await import(new URL("../sse.js", main));
            const parser = new EventParser();
            return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
        }""",
        pieces,
    )
    assert [item.get("data", item) for item in read] == items
