"""llama.cpp's server on the model that `make real` downloads, and what it says about itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from optillm.local.llama import LlamaServer, Model, launch
from tests.e2e.proxy import ROOT

REAL = ROOT / ".real"
NAME = "smol"
AUTO = {"OPTILLM_UPSTREAM_STREAMS": "auto"}
"""The default; the other tests turn streams off, since their upstreams stand for hosted ones."""
CONTEXT = 1024
"""Tokens of a slot in the tests."""
PATIENCE = 60.0
"""The most seconds that anything may take on a machine that is busy with something else."""


@dataclass(frozen=True)
class Counts:
    """Tokens that a server has computed since it started, wasted ones included; cached ones are not."""

    prompt: int
    generated: int

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.prompt - other.prompt, self.generated - other.generated)


def model(context: int = 2048) -> Model:
    """Return the downloaded model, for slots of `context` tokens; raises `FileNotFoundError` if there is none."""
    if not (REAL / ".done").exists():
        raise FileNotFoundError("there is no real model: run `make test-real`, which downloads one")
    return Model(next(REAL.glob("*.gguf")), NAME, context=context)


@contextmanager
def running(port: int = 0, context: int = 2048) -> Iterator[LlamaServer]:
    """A server with eight slots of `context` tokens, on a free port unless one is given."""
    with launch(model(context), port) as server:
        yield server


def busy(server: LlamaServer) -> int:
    """Return how many of the server's slots are busy."""
    slots = httpx2.get(f"{server.url}/slots", timeout=PATIENCE).json()
    return sum(slot["is_processing"] for slot in slots)


def counts(server: LlamaServer) -> Counts:
    """Return the tokens that the server has computed so far."""
    lines = httpx2.get(f"{server.url}/metrics", timeout=PATIENCE).text.splitlines()
    values = dict(line.split() for line in lines if line.startswith("llamacpp:"))
    prompt, generated = (
        int(float(values[f"llamacpp:{name}_total"])) for name in ("prompt_tokens", "tokens_predicted")
    )
    return Counts(prompt, generated)


def generated(server: LlamaServer) -> int:
    """Return how many tokens of replies that are not complete have been generated; `counts` has only complete ones."""
    slots = httpx2.get(f"{server.url}/slots", timeout=PATIENCE).json()
    return sum(slot["next_token"][0]["n_decoded"] for slot in slots if slot["is_processing"])


def idle(server: LlamaServer) -> bool:
    """Return whether no slot is busy."""
    return busy(server) == 0


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE, pause: float = 0.05) -> bool:
    """Check a condition every `pause` seconds until it holds; return whether it does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(pause)
    return condition()


def becomes_idle(server: LlamaServer) -> bool:
    """Wait until no slot is busy.

    The server notices that the client of a whole reply has left only if it gets no request for a second, so checking
    more often would keep it busy.
    """
    return eventually(lambda: idle(server), pause=1.5)
