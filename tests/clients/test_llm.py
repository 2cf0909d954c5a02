"""The `llm` command line: prompts, streams, schemas, and its own tool loop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optillm.techniques import registry
from tests.clients.programs import command, run
from tests.e2e.proxy import Proxy
from tests.e2e.shop import ANSWER, QUESTION
from tests.e2e.test_sdk import QUESTION as MARBLES

TECHNIQUES = sorted(registry())
FUNCTIONS = """
def price(item: str) -> str:
    "The price of one piece of an item"
    return str({"apple": 2, "pear": 3}[item])

def stock(item: str) -> str:
    "How many pieces of an item there are"
    return str({"apple": 9, "pear": 4}[item])
"""


def llm(folder: Path, proxy: Proxy, model: str, *arguments: str) -> str:
    """What the command prints, with one extra model in its configuration."""
    extra = [
        {
            "model_id": "x",
            "model_name": model,
            "api_base": proxy.base_url,
            "supports_schema": True,
            "supports_tools": True,
        }
    ]
    # YAML reads JSON.
    (folder / "extra-openai-models.yaml").write_text(json.dumps(extra), encoding="utf-8")
    return run(command("llm"), "-m", "x", *arguments, LLM_USER_PATH=str(folder))


@pytest.mark.parametrize("model", ["demo-large", "moa-demo-large", "bon-demo-large"])
def test_a_prompt_streamed_and_whole(demo: Proxy, tmp_path: Path, model: str) -> None:
    assert "43" in llm(tmp_path, demo, model, MARBLES)
    assert "43" in llm(tmp_path, demo, model, "--no-stream", MARBLES)


def test_a_schema(demo: Proxy, tmp_path: Path) -> None:
    assert json.loads(llm(tmp_path, demo, "bon-demo-large", "--schema", "total int", MARBLES)) == {
        "total": 43
    }


@pytest.mark.parametrize("model", ["m", *(f"{slug}-m" for slug in TECHNIQUES)])
def test_its_tool_loop_runs_to_the_end(shop: Proxy, tmp_path: Path, model: str) -> None:
    printed = llm(tmp_path, shop, model, "--functions", FUNCTIONS, QUESTION)
    assert printed.startswith(ANSWER)
