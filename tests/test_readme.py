"""README and docs are true: commands run as written, links lead somewhere, generated parts are current."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from optillm.cli import run
from optillm.techniques import registry
from tests.e2e.proxy import ROOT, Proxy, clean_environment
from tests.engine.call.test_call import ORDER

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
CURLS = [block.strip() for block in SHELL if block.startswith("curl")]


def curl(command: str, proxy: Proxy) -> str:
    done = subprocess.run(  # noqa: S603 - README's own command
        ["/bin/bash", "-c", command.replace("localhost:8000", proxy.url.removeprefix("http://"))],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_first_request_is_answered(demo: Proxy) -> None:
    reply = json.loads(curl(CURLS[0], demo))
    assert reply["choices"][0]["message"]["content"]
    assert reply["optillm"]["technique"] == "bon"


def test_the_streamed_request_is_answered(demo: Proxy) -> None:
    events = curl(CURLS[1], demo)
    assert events.endswith("data: [DONE]\n\n")
    assert '"usage"' in events


@pytest.mark.parametrize("_", range(3))
def test_the_streamed_request_is_synthesised_and_comes_in_many_pieces(_: int, demo: Proxy) -> None:
    data = [
        line.removeprefix("data: ")
        for line in curl(CURLS[1], demo).splitlines()
        if line.startswith("data: {")
    ]
    chunks = [json.loads(line) for line in data]
    pieces = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
    assert len(list(filter(None, pieces))) > 20
    assert "".join(filter(None, pieces)).endswith("The answer is 826.")  # ((14 * 36) - 129 + 85 - 47) * 2
    (report,) = [chunk["optillm"] for chunk in chunks if "optillm" in chunk]
    assert report["calls"]["write"] == 1


def test_the_first_request_that_the_log_shows_works_as_it_is_printed(demo: Proxy) -> None:
    (line,) = [line for line in demo.log if "A first request: " in line]
    reply = json.loads(curl(line.partition("A first request: ")[2], demo))
    assert reply["optillm"]["technique"] == "bon"


def test_the_python_example_runs(
    demo: Proxy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    program = program.replace("http://localhost:8000", demo.url)
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 - README's own program
    assert "CompletionUsage" in capsys.readouterr().out


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("run", "test"):
        assert re.search(rf"^make {target}\b", README, re.MULTILINE)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(\s*([^)\s]+)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


def exists(name: str) -> bool:
    """Return whether a file that a page names is there; one without a folder may be in any room of the package."""
    if "/" in name:
        return any((ROOT / room / name).exists() for room in (".", "optillm"))
    return any((ROOT / "optillm").rglob(name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`([\w./-]+\.py)(?:::\w+)?`|`((?:\w+/)+)`", text)
    missing = [name for name in map("".join, named) if not exists(name)]
    assert [name for name in missing if "yours" not in name] == []


def test_the_architecture_page_lists_the_layers_of_a_call_in_their_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (listing,) = re.findall(r"(?ms)^```\nCall .*?^```", page)
    rows = [line.split() for line in listing.splitlines() if line.startswith("  ")]
    assert [words[0] for words in rows] == [*map(str.lower, ORDER), "client"]
    assert all(exists(f"engine/call/{word}") for words in rows for word in words if word.endswith(".py"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_operations_page_begins_with_all_its_headings() -> None:
    page = ROOT / "docs" / "operations.md"
    contents, _ = page.read_text(encoding="utf-8").split("\n\n## ", 1)
    listed = re.findall(r"\]\(#([^)]+)\)", contents)
    assert len(listed) == len(set(listed))
    assert {*listed, "operations"} == anchors(page)


def test_every_technique_has_a_row_in_the_readme_and_a_section_in_the_docs() -> None:
    sections = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    assert all(f"\n### {slug}\n" in sections for slug in registry())
    assert all(f"[`{slug}`](docs/techniques.md#{slug})" in README for slug in registry())


def test_the_techniques_page_is_what_the_code_says(tmp_path: Path) -> None:
    page = ROOT / "docs" / "techniques.md"
    copy = tmp_path / "techniques.md"
    copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    run(["techniques", "--markdown", str(copy)], registry())
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
