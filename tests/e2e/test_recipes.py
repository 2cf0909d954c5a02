"""docs/recipes.md is true: its blocks for upstreams, and the one client that needs nothing installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.proxy import ROOT, Proxy, clean_environment
from tests.recipes import ANSWER, CLIENTS, UPSTREAMS, block, blocks, headings, section
from tests.stub import Stub, completion

EXAMINE = f"optillm() {{ '{sys.executable}' '{ROOT / 'optillm.py'}' doctor \"$@\"; }}"
ADDRESS = re.compile(r"https?://[a-z0-9.:-]+")
DATED = "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21"
CALLED = {  # heading, number of the block: path, header of the key and its value, model
    ("OpenAI", 0): ("/v1/chat/completions", "authorization", "Bearer sk-your-key", "gpt-4o-mini"),
    ("Azure OpenAI", 0): ("/openai/v1/chat/completions", "authorization", "Bearer your-key", "gpt-4o-mini"),
    ("Azure OpenAI", 1): (DATED, "api-key", "your-key", "gpt-4o-mini"),
    ("Ollama", 0): ("/v1/chat/completions", "authorization", None, "llama3.2"),
    ("llama.cpp", 0): ("/v1/chat/completions", "authorization", None, "model"),
    ("LM Studio", 0): ("/v1/chat/completions", "authorization", None, "qwen2.5-7b-instruct"),
    ("vLLM", 0): ("/v1/chat/completions", "authorization", None, "Qwen/Qwen2.5-7B-Instruct"),
    ("OpenRouter", 0): (
        "/api/v1/chat/completions",
        "authorization",
        "Bearer sk-or-your-key",
        "openai/gpt-4o-mini",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("heading", "number"), CALLED, ids=str)
def test_an_upstream_is_called_as_its_recipe_says(heading: str, number: int, tmp_path: Path) -> None:
    """The block as it stands, only that `optillm` examines the upstream instead of serving it."""
    path, header, key, model = CALLED[heading, number]
    with Stub(lambda call: call.json(completion("Hello"))) as stub:
        here = stub.base_url.removesuffix("/v1")
        script = ADDRESS.sub(here, blocks(heading, "sh")[number])
        # OpenAI's address is the one that its recipe need not name.
        variables = {"OPENAI_BASE_URL": stub.base_url} if heading == "OpenAI" else {}
        done = subprocess.run(  # noqa: S603 - the page's own block
            ["/bin/bash", "-ec", f"{EXAMINE}\n{script}"],
            cwd=tmp_path,
            env=clean_environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        calls = [call for call in stub.calls if call.method == "POST"]
        assert {(call.path, call.headers.get(header), call.sent["model"]) for call in calls} == {
            (path, key, model)
        }


def test_openai_python(demo: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("openai-python", "python", demo), "recipes.md", "exec"), {})  # noqa: S102
    assert ANSWER in capsys.readouterr().out


def test_every_upstream_and_every_client_is_tested() -> None:
    tried = {
        (heading, number) for heading in headings(UPSTREAMS) for number, _ in enumerate(blocks(heading, "sh"))
    }
    assert tried == CALLED.keys()
    for heading in headings(CLIENTS):
        named = re.match(r"\nRuns as a test: `([\w/.]+)::(\w+)`\.", section(heading))
        assert named, f"{heading} does not say which test runs it"
        assert f"\ndef {named[2]}(" in (ROOT / named[1]).read_text(encoding="utf-8")


def test_the_locks_of_the_clients_name_no_registry() -> None:
    lock = json.loads((ROOT / "tests" / "clients" / "package-lock.json").read_text(encoding="utf-8"))
    assert all("resolved" not in package for package in lock["packages"].values())
    for pins in (ROOT / "tests" / "clients" / "heavy").glob("*.txt"):
        assert re.fullmatch(r"(#.*\n|[\w.-]+==[\w.]+( #.*)?\n)+", pins.read_text(encoding="utf-8"))
