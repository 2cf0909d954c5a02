"""The starter of the server in the package xllamacpp, with that package faked."""

from __future__ import annotations

import os
import signal
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from optillm.local import llama_server
from optillm.local.llama import Model
from tests.local.fakes import gguf

__all__ = ["gguf"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parameters of the servers that were started."""
    servers: list[Any] = []

    def params() -> SimpleNamespace:
        return SimpleNamespace(
            model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
        )

    def server(params: SimpleNamespace) -> SimpleNamespace:
        servers.append(params)
        return SimpleNamespace(listening_address=f"http://{params.hostnames[0]}:{params.port}")

    package = ModuleType("xllamacpp")
    package.CommonParams, package.Server = params, server  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xllamacpp", package)
    monkeypatch.setattr(signal, "pause", lambda: None)
    return servers


def test_the_flags_of_a_launch_become_the_parameters_of_the_package(
    started: list[Any], gguf: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    llama_server.main([*Model(gguf, "tiny", slots=2, context=300).flags(1234), "--threads", "3"])
    (params,) = started
    assert (params.model.path, params.model_alias) == (str(gguf), {"tiny"})
    assert (params.hostnames, params.port) == (["127.0.0.1"], 1234)
    assert (params.n_parallel, params.n_ctx) == (2, 600)
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads) == (3, 3)
    assert (params.use_jinja, params.endpoint_metrics, params.endpoint_slots) == (True, True, True)
    assert capsys.readouterr().out == "http://127.0.0.1:1234\n"


def test_a_model_that_is_refused_ends_it_in_one_line(
    started: list[Any], gguf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("no such tensor")

    monkeypatch.setattr(sys.modules["xllamacpp"], "Server", refuse)
    with pytest.raises(SystemExit, match=r"^no such tensor$"):
        llama_server.main(Model(gguf, "tiny").flags(1))


def test_threads_come_from_the_variable_of_llama_cpp(
    started: list[Any], gguf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_ARG_THREADS", "5")
    llama_server.main(Model(gguf, "tiny").flags(1))
    assert started[-1].cpuparams.n_threads == 5


@pytest.mark.parametrize(("cores", "threads"), [(4, 4), (None, 1)])
def test_it_computes_on_all_processors_that_it_may_use(
    started: list[Any], gguf: Any, cores: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLAMA_ARG_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    llama_server.main(Model(gguf, "tiny").flags(1))
    assert started[-1].cpuparams.n_threads == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    llama_server.main(Model(gguf, "tiny").flags(1))
    assert started[-1].cpuparams.n_threads == threads
