"""The benchmarks still run: each once, on a proxy whose upstream takes a hundredth of a second. No figure is judged."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from benchmarks import bench, peers, real, slots, tracing, upstream, verdicts
from benchmarks.bench import BARE, Effort, Server
from benchmarks.clients import Request, ask
from benchmarks.machine import cpu, memory
from optillm.chat import Relay
from optillm.techniques import registry
from tests.e2e.proxy import ROOT, serving
from tests.fakes import World, failing
from tests.real.server import Counts

pytestmark = pytest.mark.slow

TINY = Effort(seconds=0.02, repeat=1, latency=0.01)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """The bare upstream, and a proxy in front of it."""
    with upstream.running() as (url, process), serving("--base-url", url) as proxied:
        yield Server(BARE, process, url), Server("optillm", proxied.process.pid, proxied.base_url)


def table(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """The rows of the table that was printed, by their first cell."""
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in rows}) == 1
    return {row[0]: row[1:] for row in rows}


def test_the_upstream_counts_its_calls_and_honours_n(servers: tuple[Server, Server]) -> None:
    bare, _ = servers

    async def begun() -> int:
        return int((await ask(Request.of(f"{bare.base_url}/calls"))).json()["begun"])

    async def grown() -> tuple[int, int]:
        before = await begun()
        reply = await ask(bare.request(n=3))
        return await begun() - before, len(
            {choice["message"]["content"] for choice in reply.json()["choices"]}
        )

    assert uvloop.run(grown()) == (1, 3)


def test_a_stream_of_the_upstream_begins_before_it_ends(servers: tuple[Server, Server]) -> None:
    reply = uvloop.run(ask(servers[0].request("ms40", stream=True)))
    assert reply.content is not None
    assert reply.first <= reply.content < reply.seconds
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_plain_requests(servers: tuple[Server, Server], capsys: pytest.CaptureFixture[str]) -> None:
    uvloop.run(bench.plain({server: server.request() for server in servers}, TINY))
    rows = table(capsys)
    assert rows[BARE][0] == "0.00"
    assert float(rows["optillm"][0]) > 0


def test_techniques(servers: tuple[Server, Server], capsys: pytest.CaptureFixture[str]) -> None:
    uvloop.run(bench.techniques(*servers, TINY))
    rows = table(capsys)
    assert rows.keys() >= {BARE, *registry()}
    assert rows["bon"][0] == rows["moa"][0] == "2"


def test_many_at_once(servers: tuple[Server, Server], capsys: pytest.CaptureFixture[str]) -> None:
    uvloop.run(bench.many(*servers, TINY, [2]))
    rows = table(capsys)
    assert rows["2 × `bon`"][:2] == ["2", "4"]
    assert {row[5] for name, row in rows.items() if "×" in name} == {"0"}


def test_streams(servers: tuple[Server, Server], capsys: pytest.CaptureFixture[str]) -> None:
    uvloop.run(bench.streams(*servers, TINY))
    assert table(capsys).keys() >= {BARE, "plain", "bon", "moa"}


def test_the_start(servers: tuple[Server, Server], capsys: pytest.CaptureFixture[str]) -> None:
    uvloop.run(bench.start(servers[0].base_url, TINY))
    assert len(table(capsys)) == 5


def test_a_process_tree_has_memory_and_has_used_time(servers: tuple[Server, Server]) -> None:
    _, proxy = servers
    assert memory(proxy.process) > 10
    assert cpu(proxy.process) > 0


def test_slots(capsys: pytest.CaptureFixture[str]) -> None:
    slots.measure(["plain", "bon", "rto"], requests=3, slots=2)
    rows = table(capsys)
    assert rows.keys() >= {"plain", "bon", "rto"}
    assert rows["plain"][3] == "3"
    assert rows["plain"][-1] == "0"


def test_a_request_to_slots_fails_with_an_error_or_a_degraded_answer() -> None:
    completion = World(lambda sent: "The answer is 4.").complete("bon-m")
    degraded = replace(completion, report=replace(completion.report, stop_reason="degraded"))
    answers = (completion, Relay(200, {}, b""), degraded, Relay(400, {}, b""), failing(500))
    assert [slots.failed(answer) for answer in answers] == [False, False, True, True, True]


def test_the_questions_for_a_real_model_are_the_same_each_time_and_of_each_kind() -> None:
    questions = real.questions(40)
    assert questions == real.questions(40)
    assert len(set(questions)) > 30
    assert [question.split()[0] for question in questions[:4]] == ["What", "What", "What", "How"]


def test_the_ideal_time_is_that_of_the_tokens_computed_at_the_mean_rate() -> None:
    rates = real.Rates(prompt=100, generated=10).mean(real.Rates(prompt=300, generated=30))
    assert rates.ideal(Counts(prompt=400, generated=100)) == 400 / 200 + 100 / 20


def test_peers(
    servers: tuple[Server, Server],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare, _ = servers
    monkeypatch.setattr(peers, "environment_of", lambda peer: Path(sys.executable).parent)

    def twin(port: int, url: str) -> peers.Start:
        command = ["python", str(ROOT / "optillm.py"), "--port", str(port), "--base-url", url]
        return peers.Start(command, address=f"http://127.0.0.1:{port}/v1")

    asked = [{"model": f"{name}-{TINY.slow}"} for name in ("bon", "moa")]
    able = peers.Peer("twin", "twin==1", twin, best=asked[0], synthesis=asked[1])
    with peers.started(able, bare.base_url) as contender:
        uvloop.run(peers.compared([contender], {"other": "does not install: why"}, bare.base_url, TINY))
    printed = capsys.readouterr().out
    assert "| twin | best of 3 |" in printed
    assert "other is not measured: does not install: why" in printed


def test_a_peer_that_does_not_start_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "environment_of", lambda peer: Path(sys.executable).parent)
    broken = peers.Peer(
        "b", "b==1", lambda *_: peers.Start(["python", "-c", "raise SystemExit('no licence')"])
    )
    with pytest.raises(peers.Absent, match="no licence"), peers.started(broken, ""):
        pass


def test_verdicts_are_measured_in_place_of_a_technique() -> None:
    trial = verdicts.Trial(answers=2)
    engine = verdicts.judged_by(trial, "http://127.0.0.1:9/v1", "direct")
    assert engine.planner.techniques[verdicts.REPLACED].run == trial.run


def test_the_cost_of_traces_is_measured_beside_a_server_without_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "AT_ONCE", 2)
    tracing.main(["--turns", "1", "--requests", "2", "--checkout", str(ROOT)])
    rows = table(capsys)
    assert rows.keys() == {"server", tracing.OFF, "--traces memory", "--traces FILE", ROOT.name}
    assert all(row[1].startswith("1.00 ") for name, row in rows.items() if name == tracing.OFF)
