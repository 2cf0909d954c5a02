"""`optillm traces` beside a real server: what it lists, draws and exports is what the server keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
import pytest

from optillm import cli
from tests.commands.fakes import TECHNIQUES, refusal
from tests.e2e.proxy import serving
from tests.stub import Stub, completion

ANSWERS = ["The answer is 4.", "The answer is 5.", "The answer is 6."]
VERDICT = '\x1b]0;owned\x07 <script>alert(1)</script> {"ranking": ["A", "B", "C"]}'


def test_a_trace_is_listed_drawn_exported_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = iter(ANSWERS)
    body = {"model": "bon-m", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}

    def printed(*arguments: str) -> str:
        cli.run(["traces", *arguments, "--server", proxy.url], TECHNIQUES)
        return capsys.readouterr().out

    with (
        Stub(lambda call: call.json(completion(next(texts, VERDICT)))) as upstream,
        serving("--base-url", upstream.base_url) as proxy,
    ):
        reply = httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=30)
        name = reply.headers["x-optillm-trace"]
        assert re.search(rf"^{name} .* bon.*What is 2", printed("--technique", "bon"), re.MULTILINE)
        assert printed("--technique", "moa") == "No trace matches.\n"
        drawn = printed("show", "last") + printed("show", name, "--call", "3")
        assert "What is 2 + 2?" in drawn
        assert "round 1" in drawn
        assert "\\x1b]0;owned\\x07" in drawn
        assert "\x1b" not in drawn
        (exported,) = json.loads(printed("export", name, "--format", "otlp"))["resourceSpans"]
        assert len(exported["scopeSpans"][0]["spans"]) > 1 + len(upstream.calls)
        printed("export", name, "--format", "html", "-o", str(tmp_path / "trace.html"))
        assert "<script>alert(1)" not in (tmp_path / "trace.html").read_text(encoding="utf-8")
        assert printed("delete", name) == f"Deleted {name}.\n"
        assert refusal("traces", "show", name, "--server", proxy.url).startswith("There is no trace ")
