"""The list of traces, the page of one and its file, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from optillm.chat import ChatRequest
from optillm.server.app import create_app
from optillm.server.web.export import self_contained
from tests.server.fakes import FakeEngine, Outcome, completion, report, settings
from tests.server.web import documents
from tests.server.web.stores import Documents, numbered
from tests.web.live import live

OpenPage = Callable[..., Page]
TREE, HOSTILE, LARGE, COMPOSED, PLAIN = range(1, 6)
PHONE = {"viewport": {"width": 390, "height": 844}}
DRAWING = """async () => {
  const main = document.querySelector('script[src*="trace/main.js"]').src;
  const { traceView } = await import(main.replace("main.js", "page.js"));
  const trace = JSON.parse(document.getElementById("document").textContent);
  const root = document.createElement("div");
  document.body.append(root);
  const draw = () => {
    const began = performance.now();
    traceView(root)(trace);
    root.offsetHeight;
    return performance.now() - began;
  };
  return Math.min(draw(), draw(), draw());
}"""
"""Milliseconds that a trace takes to draw, layout included."""


class Rerun(FakeEngine):
    """Answers each request with a stored trace of its own."""

    async def complete(self, request: ChatRequest) -> Outcome:
        self.asked.append(request)
        return completion(report=report(trace_id=path_of(PLAIN)))


def path_of(number: int) -> str:
    return f"trace_{number:024x}"


@pytest.fixture
def store() -> Documents:
    made = [documents.bon(), documents.mcts(), documents.hostile(), documents.large(), documents.composed()]
    return Documents(*(numbered(number, each) for number, each in enumerate([*made, documents.document()])))


@pytest.fixture
def engine() -> Rerun:
    return Rerun()


@pytest.fixture
def url(store: Documents, engine: Rerun) -> Iterator[str]:
    with live(create_app(settings(), engine, traces=store)) as address:
        yield f"{address}/traces"


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong with a page."""
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in Axe().run(page).response["violations"]
    ]


def test_the_list_leads_to_a_trace_and_back(url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    page.get_by_role("link", name=re.compile("Tom has 5 bags")).last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Tom has 5 bags")
    page.get_by_role("link", name="All traces").click()
    expect(page.locator("table.traces tbody tr")).to_have_count(6)


def test_filters_narrow_the_list_and_go_into_its_address(url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    page.get_by_label("Technique").fill("mcts")
    expect(page.locator("table.traces tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{url}?technique=mcts")
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_text("No trace matches")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("table.traces tbody tr")).to_have_count(6)


def test_a_new_request_appears_in_the_list_by_itself(url: str, store: Documents, open_page: OpenPage) -> None:
    page = open_page(url)
    store.documents[path_of(9)] = numbered(9, documents.bon() | {"technique": "brand_new"})
    expect(page.get_by_text("brand_new")).to_be_visible()


def test_the_list_is_cards_on_a_phone(url: str, open_page: OpenPage) -> None:
    page = open_page(url, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("number", [0, TREE, HOSTILE, LARGE, COMPOSED])
def test_the_page_of_a_trace_fits_a_phone(url: str, open_page: OpenPage, number: int) -> None:
    page = open_page(f"{url}/{path_of(number)}", **PHONE)
    page.locator("[data-key^=call]").first.click()
    expect(page.get_by_role("complementary", name="Details")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_says_first_why_the_answer_was_chosen(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    box = page.locator(".why")
    expect(box).to_contain_text("86 was chosen. Two of four samples give this answer")
    expect(box.locator(".chip")).to_have_text(["86", "69"])
    expect(page.get_by_text("0.61 s = 2 rounds × 0.30 s")).to_be_visible()


def test_every_call_has_a_bar_and_those_of_the_critical_path_an_outline(
    url: str, open_page: OpenPage
) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    expect(page.locator(".lane-chart .call")).to_have_count(7)
    expect(page.locator(".lane-chart .critical")).to_have_count(2)
    expect(page.locator(".critical-links path")).to_have_count(1)
    expect(page.locator("[data-key=call-6] rect[fill='url(#hatch)']")).to_have_count(1)


def test_ballots_are_a_matrix_with_abstentions(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    rows = page.locator(".matrix tbody tr")
    expect(rows.nth(0).locator("td")).to_have_text(["1st", "2nd", "3rd"])
    expect(rows.nth(1).locator("td")).to_have_text(["1st", "3rd", "2nd"])
    expect(rows.nth(2).locator("td")).to_have_text(["no verdict: no ranking in the reply"])
    expect(page.locator(".matrix tfoot td")).to_have_text(["0.94", "0.31", "0.19"])


def test_keys_alone_reach_a_call_and_close_its_panel(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    page.locator("[data-key=call-0]").focus()
    for key in ("ArrowDown", "ArrowDown", "End", "Enter"):
        page.keyboard.press(key)
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("Call 6 · judge")
    expect(panel).to_contain_text("Could not be read: no ranking in the reply")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("[data-key=call-6]")).to_be_focused()


def test_what_was_clicked_on_stays_where_it_was_while_the_panel_takes_room(
    url: str, open_page: OpenPage
) -> None:
    page = open_page(f"{url}/{path_of(TREE)}", viewport={"width": 1280, "height": 800})
    node = page.locator(".tree .vertex.best").last
    node.scroll_into_view_if_needed()
    before = node.bounding_box()
    node.click()
    expect(page.get_by_role("complementary", name="Details")).to_be_visible()
    after = node.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == pytest.approx(before["y"], abs=3)


def test_the_panel_of_a_candidate_says_why_it_counts_and_leads_to_its_call(
    url: str, open_page: OpenPage
) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    page.get_by_role("button", name="candidate B", exact=True).click()
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("Ballot 2: 3rd")
    expect(panel).to_contain_text("another answer was chosen")
    panel.get_by_role("button", name="Call 1").click()
    expect(panel).to_contain_text("299 in (212 cached) · 54 out")
    expect(panel).to_contain_text(documents.QUESTION)


def test_the_runner_up_stands_beside_the_answer_with_the_differences_marked(
    url: str, open_page: OpenPage
) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    assert "86" in page.locator("mark.ins").all_text_contents()
    assert "69" in page.locator("mark.del").all_text_contents()


def test_a_search_tree_shows_the_path_to_the_winner(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(TREE)}")
    expect(page.locator(".tree .vertex")).to_have_count(31)
    expect(page.locator(".tree .edge.best")).to_have_count(2)
    page.locator(".tree .vertex.best").last.click()
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("It is on the path to the winner.")


def test_a_composition_is_a_graph(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(COMPOSED)}")
    expect(page.locator(".composition .box text")).to_have_text(["bon(n=4)", "moa", "merge: vote", "re2"])
    expect(page.locator(".composition .edge")).to_have_count(3)


def test_hostile_words_do_nothing(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(HOSTILE)}")
    expect(page.get_by_text("<img src=x onerror").first).to_be_visible()
    for kind in ("call", "candidate", "node"):
        page.locator(f"[data-key^={kind}-]").first.click()
        expect(page.get_by_role("complementary", name="Details")).to_be_visible()
    assert page.evaluate("window.owned") is None
    made_by_models = (
        "#trace :is(script, img, iframe, object, embed, [onload], [onerror], a[href^=javascript])"
    )
    expect(page.locator(made_by_models)).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_words_do_nothing_in_the_list_either(url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    expect(page.get_by_text("<script>window.owned").first).to_be_visible()
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_two_hundred_calls_are_drawn_and_zoomed(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(LARGE)}")
    expect(page.locator(".lane-chart .call")).to_have_count(200)
    print(f"200 calls: {page.evaluate(DRAWING):.0f} ms")
    before = page.locator(".lanes-chart").first.bounding_box()
    page.get_by_role("button", name="Zoom in").first.click()
    after = page.locator(".lanes-chart").first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == pytest.approx(2 * before["width"], rel=0.1)


def test_a_running_request_is_followed_to_its_end(url: str, store: Documents, open_page: OpenPage) -> None:
    running = numbered(20, documents.bon())
    ended = dict(running)
    running |= {"status": "running", "stop": None, "calls": running["calls"][:4], "critical_path": []}
    running |= {"outcome": {"chosen": [], "runner_up": None, "text": None, "why": []}, "ballots": []}
    store.documents[running["id"]], store.counts[running["id"]] = running, 1
    page = open_page(f"{url}/{running['id']}")
    expect(page.get_by_text("running …")).to_be_visible()
    expect(page.locator(".lane-chart .call")).to_have_count(4)
    page.locator("[data-key=call-2]").click()
    store.documents[running["id"]], store.counts[running["id"]] = ended, 2
    expect(page.locator(".lane-chart .call")).to_have_count(7)
    expect(page.get_by_role("complementary", name="Details")).to_contain_text("Call 2")


def test_run_again_puts_both_results_side_by_side(url: str, engine: Rerun, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    page.get_by_role("button", name="Run again with…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Technique").fill("moa(layers=2)")
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(dialog.get_by_role("link", name="its trace")).to_have_attribute(
        "href", f"/traces/{path_of(PLAIN)}"
    )
    expect(dialog.get_by_role("row", name=re.compile("technique"))).to_contain_text("none · demo-small")
    expect(dialog.get_by_role("row", name=re.compile("time"))).to_contain_text("0.30 s")
    (request,) = engine.asked
    assert request.approach == "moa(layers=2)"
    assert request.body["messages"] == [{"role": "user", "content": documents.QUESTION}]


def test_deleting_a_trace_asks_first_and_leads_to_the_list(
    url: str, store: Documents, open_page: OpenPage
) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(url)
    assert path_of(0) not in store.documents


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", f"/{path_of(0)}", f"/{path_of(TREE)}", f"/{path_of(COMPOSED)}"])
def test_axe_finds_nothing_wrong(url: str, open_page: OpenPage, path: str, scheme: str) -> None:
    page = open_page(f"{url}{path}", color_scheme=scheme)
    expect(page.locator("table").first).to_be_visible() if not path else page.locator(
        "[data-key^=call]"
    ).first.click()
    assert faults(page) == []


def test_axe_finds_nothing_wrong_with_two_runs_side_by_side(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}/{path_of(0)}")
    page.get_by_role("button", name="Run again with…").click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("link", name="its trace")).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("make", [documents.bon, documents.mcts, documents.composed, documents.document])
def test_an_exported_trace_opens_from_disk(
    make: Callable[[], dict[str, Any]], tmp_path: Path, open_page: OpenPage
) -> None:
    document = make()
    file = tmp_path / "trace.html"
    file.write_text(self_contained(document), encoding="utf-8")
    page = open_page(file.as_uri())
    expect(page.locator(".lane-chart .call")).to_have_count(len(document["calls"]))
    page.locator("[data-key=call-0]").click()
    expect(page.get_by_role("complementary", name="Details")).to_contain_text("Call 0")


def test_an_exported_trace_with_hostile_words_does_nothing(tmp_path: Path, open_page: OpenPage) -> None:
    file = tmp_path / "trace.html"
    file.write_text(self_contained(documents.hostile()), encoding="utf-8")
    page = open_page(file.as_uri())
    expect(page.locator(".lane-chart .call")).to_have_count(7)
    assert page.evaluate("window.owned") is None
    assert json.loads(page.locator("#document").text_content() or "") == documents.hostile()
