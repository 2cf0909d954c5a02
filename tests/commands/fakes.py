"""A fake technique, server and demo model, for tests of the command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import Field

from optillm import cli
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError
from optillm.local.llama import Model
from optillm.technique import Answer, BaseOptions, Context, Cost
from optillm.techniques import Technique

ROOT = Path(__file__).parents[2]
TWO = """
[[upstream]]
name = "spare"
base_url = "http://me:hidden@spare/v1"
order = 1
[[upstream]]
name = "main"
base_url = "https://main/v1"
key = "hidden"
"""


class Options(BaseOptions):
    n: int = Field(3, ge=2, le=32, description="candidates", json_schema_extra={"flag": "best_of_n"})
    models: int | list[str] = Field(4, description="how many, or which, 100% of them")
    prevote: bool = Field(True, description="skip judging when all agree")

    def worst_case(self, choices: int) -> Cost:
        return Cost(self.n, 1)


async def never_run(ctx: Context, options: Any) -> Answer:
    raise NotImplementedError


BON = Technique(
    "bon", "Best-of-N", "keeps the best.", "P", "https://arxiv.org/abs/1", "2", "n + n", Options, never_run
)
TECHNIQUES = {"bon": BON}


@dataclass
class Launch:
    """What the server was started with."""

    settings: Settings | None = None
    load: Callable[[Settings], Any] | None = None
    reread: Callable[[], Settings] | None = None
    demo_latency: float | None = None
    model: Model | None = None


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Launch:
    """A server, a demo model and a local one that only note that they were started."""
    seen = Launch()

    def serve(
        settings: Settings,
        listener: socket.socket,
        load: Callable[[Settings], Any],
        reread: Callable[[], Settings],
    ) -> None:
        listener.close()
        seen.settings, seen.load, seen.reread = settings, load, reread

    @contextmanager
    def demo(*, latency: float) -> Iterator[Any]:
        seen.demo_latency = latency
        yield SimpleNamespace(base_url="http://127.0.0.1:1/v1")

    @contextmanager
    def local(model: Model) -> Iterator[Any]:
        seen.model = model
        yield SimpleNamespace(base_url="http://127.0.0.1:2/v1")

    server = ModuleType("optillm.server.http.serve")
    server.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "optillm.server.http.serve", server)
    monkeypatch.setattr("optillm.local.demo.launch", demo, raising=False)
    monkeypatch.setattr("optillm.local.llama.launch", local)
    monkeypatch.setattr("optillm.logs.configure", lambda *_: None)
    return seen


def started(launch: Launch, *argv: str) -> Settings:
    cli.run(
        [*argv, *([] if any(word.startswith("--port") for word in argv) else ["--port", "0"])], TECHNIQUES
    )
    assert launch.settings is not None
    return launch.settings


def refusal(*argv: str) -> str:
    with pytest.raises(SettingsError) as caught:
        cli.run(argv, TECHNIQUES)
    line = str(caught.value)
    assert "\n" not in line
    return line


def command(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    arguments = [sys.executable, "-m", "optillm", *argv]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)  # noqa: S603
