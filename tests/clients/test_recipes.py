"""The clients of docs/recipes.md, their blocks run as they stand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.programs import HERE, command, openai2, run
from tests.e2e.proxy import Proxy
from tests.recipes import ANSWER, block


def test_openai_node(demo: Proxy) -> None:
    assert ANSWER in run("node", "--input-type=module", "-e", block("openai-node", "js", demo))


def test_langchain(demo: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("LangChain", "python", demo), "recipes.md", "exec"), {"__name__": "recipe"})  # noqa: S102
    whole, parsed = capsys.readouterr().out.strip().rsplit("\n", 1)
    assert ANSWER in whole
    assert parsed == f"value={ANSWER}"


def test_instructor(demo: Proxy, tmp_path: Path) -> None:
    assert openai2(written(tmp_path, block("instructor", "python", demo))) == f"value={ANSWER}\n"


def test_litellm(demo: Proxy, tmp_path: Path) -> None:
    assert ANSWER in openai2(written(tmp_path, block("LiteLLM", "python", demo)))


def written(folder: Path, program: str) -> Path:
    file = folder / "recipe.py"
    file.write_text(program, encoding="utf-8")
    return file


def test_llm(demo: Proxy, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(block("llm", "yaml", demo), encoding="utf-8")
    folder = run("/bin/bash", "-c", f'dirname "$({command("llm")} logs path)"', LLM_USER_PATH=str(tmp_path))
    assert Path(folder.strip()) == tmp_path
    line = block("llm", "sh", demo).replace("llm ", f"{command('llm')} ", 1)
    assert ANSWER in run("/bin/bash", "-c", line, LLM_USER_PATH=str(tmp_path))


def test_continue(demo: Proxy, tmp_path: Path) -> None:
    config = tmp_path / ".continue" / "config.yaml"
    config.parent.mkdir()
    config.write_text(block("Continue", "yaml", demo), encoding="utf-8")
    path = f"{HERE / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    assert ANSWER in run("/bin/bash", "-c", block("Continue", "sh", demo), HOME=str(tmp_path), PATH=path)
