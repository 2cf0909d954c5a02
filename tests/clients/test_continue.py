"""Continue's command line: its own tools, called through a technique."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.programs import HERE, run
from tests.e2e.proxy import serving
from tests.stub import Call, Stub, completion, delta

CN = HERE / "node_modules" / ".bin" / "cn"
CONFIG = """
name: optillm
version: 0.0.1
schema: v1
models: [{{name: x, provider: openai, model: {model}, apiBase: {base_url}, apiKey: any}}]
"""


class Reader:
    """An upstream that reads a file by Continue's own tool and then repeats the line it was sent."""

    def __init__(self, file: Path) -> None:
        self.arguments = f'{{"filepath": "{file}"}}'

    def __call__(self, call: Call) -> None:
        if call.method == "GET":
            return call.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
        results = [message for message in call.sent["messages"] if message["role"] == "tool"]
        message: dict[str, object] = {"role": "assistant", "content": f"It says: {results}"}
        if not results:
            function = {"name": "Read", "arguments": self.arguments}
            calls = [{"index": 0, "id": "call_1", "type": "function", "function": function}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        finish = "stop" if results else "tool_calls"
        if call.sent.get("stream"):
            piece = delta()
            piece["choices"][0]["delta"] = message
            return call.events(piece, delta(finish=finish))
        reply = completion(None)
        reply["choices"][0] |= {"message": message, "finish_reason": finish}
        return call.json(reply)


@pytest.mark.parametrize("model", ["m", "moa-m", "bon-m"])
def test_its_tool_loop_runs_to_the_end(tmp_path: Path, model: str) -> None:
    note, config = tmp_path / "note.txt", tmp_path / "config.yaml"
    note.write_text("the cake is in the oven", encoding="utf-8")
    with Stub(Reader(note)) as stub, serving("--base-url", stub.base_url) as proxy:
        config.write_text(CONFIG.format(model=model, base_url=proxy.base_url), encoding="utf-8")
        printed = run(CN, "--config", config, "-p", "What does note.txt say?", HOME=str(tmp_path))
    assert "the cake is in the oven" in printed
