"""The proxy beside others that pip can install, each in an environment of its own under `.venv-peers`.

    python -m benchmarks.peers [--seconds 1] [--repeat 5] [peer …]

`make bench-peers` runs it. All stand in front of the same upstream and take turns. A peer gets the configuration it
needs to answer and nothing more. One that cannot be installed or started is named with the reason. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop

from benchmarks import upstream
from benchmarks.bench import BARE, Effort, Server, efforts, open_files, plain
from benchmarks.clients import Request, ask, at_once, left
from benchmarks.machine import cpu, described, memory, table, tree
from tests.e2e.proxy import ROOT, clean_environment, serving

ENVIRONMENTS: Final = ROOT / ".venv-peers"
AT_ONCE: Final = 64
LEAVING: Final = 16
START_TIMEOUT: Final = 120.0
"""Seconds that a peer may take until its first answer."""
SLOW: Final = Effort().slow
PACES: Final = ("ms0", SLOW)


class Absent(Exception):
    """A peer that cannot be measured; the message says why."""


@dataclass(frozen=True)
class Start:
    """How to start a peer: the command below its environment's `bin`, and the files it reads."""

    command: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    """Its base URL; if it chooses one itself, the first line of its log that is a URL."""
    configure: tuple[str, Mapping[str, Any]] | None = None
    """The path and body of a request that configures it before it serves."""


@dataclass(frozen=True)
class Peer:
    """A peer: what to install, how to start it on a port in front of an upstream, and what to request.

    `best` is best of three at 200 ms per call, or what comes nearest to it, and `label` says which; `synthesis`
    merges three answers into one.
    """

    name: str
    requirement: str
    start: Callable[[int, str], Start]
    plain: Mapping[str, Any] = field(default_factory=lambda: {"model": "ms0"})
    best: Mapping[str, Any] | None = None
    synthesis: Mapping[str, Any] | None = None
    label: str = "best of 3"


LITELLM: Final = """\
litellm_settings: {telemetry: false}
general_settings: {dangerously_permit_weak_or_unset_master_key: true}
"""


def litellm(port: int, url: str) -> Start:
    """Start LiteLLM's proxy with two models."""
    models = "".join(
        f"  - model_name: {name}\n    litellm_params: {{model: openai/{name}, api_base: {url}, api_key: none}}\n"
        for name in PACES
    )
    return Start(
        ["litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
        {"config.yaml": f"model_list:\n{models}{LITELLM}"},
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        f"http://127.0.0.1:{port}/v1",
    )


def its_hub(port: int, url: str) -> Start:
    """Start its_hub's server; it does self-consistency and learns its upstream from a request."""
    upstream_settings = {"endpoint": url, "api_key": "none", "model": "ms0", "alg": "self-consistency"}
    return Start(
        ["its-iaas", "--port", str(port), "--log-level", "WARNING"],
        address=f"http://127.0.0.1:{port}/v1",
        configure=("/configure", {**upstream_settings, "regex_patterns": [r"answer is (\d+)"], "budget": 1}),
    )


GATEWAY: Final = """\
import threading
from tensorzero.tensorzero import _start_http_gateway
gateway = _start_http_gateway(
    config_file="tensorzero.toml", clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(gateway.base_url, flush=True)
threading.Event().wait()
"""


def tensorzero(_: int, url: str) -> Start:
    """Start the gateway that the package bundles for patched OpenAI clients; it finds a port itself."""
    models = "".join(
        f'[models.{name}]\nrouting = ["up"]\n[models.{name}.providers.up]\ntype = "openai"\n'
        f'model_name = "{name}"\napi_base = "{url}/"\napi_key_location = "none"\n'
        for name in PACES
    )
    functions = "".join(
        f'[functions.{name}]\ntype = "chat"\n'
        f'[functions.{name}.variants.one]\ntype = "chat_completion"\nmodel = "{SLOW}"\n'
        f'[functions.{name}.variants.all]\ntype = "experimental_{kind}"\ncandidates = ["one", "one", "one"]\n'
        f'[functions.{name}.variants.all.{last}]\nmodel = "{SLOW}"\n'
        for name, kind, last in (
            ("best", "best_of_n_sampling", "evaluator"),
            ("synthesis", "mixture_of_n", "fuser"),
        )
    )
    settings = "[gateway]\nobservability.enabled = false\ndisable_pseudonymous_usage_analytics = true\n"
    return Start(
        ["python", "gateway.py"], {"gateway.py": GATEWAY, "tensorzero.toml": settings + models + functions}
    )


def optillm_before(port: int, url: str) -> Start:
    """Start the other project of this name."""
    return Start(
        ["optillm", "--host", "127.0.0.1", "--port", str(port), "--base-url", url, "--log", "warning"],
        environment={"OPENAI_API_KEY": "none"},
        address=f"http://127.0.0.1:{port}/v1",
    )


PEERS: Final = (
    Peer(
        "TensorZero 2026.6.0",
        "tensorzero==2026.6.0",
        tensorzero,
        {"model": "tensorzero::model_name::ms0"},
        {"model": "tensorzero::function_name::best", "tensorzero::variant_name": "all"},
        {"model": "tensorzero::function_name::synthesis", "tensorzero::variant_name": "all"},
    ),
    Peer(
        "its_hub 1.2.0",
        "its_hub[iaas]==1.2.0",
        its_hub,
        best={"model": SLOW, "budget": 4},
        label="vote of 4",
    ),
    Peer("LiteLLM 1.106.2", "litellm[proxy]==1.106.2", litellm),
    Peer(
        "optillm 0.4.0 (PyPI)",
        "optillm==0.4.0",
        optillm_before,
        best={"model": f"bon-{SLOW}"},
        synthesis={"model": f"moa-{SLOW}"},
    ),
)

Technique = Callable[..., Request]
"""Makes the request for a technique; the arguments are fields of the body."""


@dataclass(frozen=True)
class Contender:
    """A server under test and what to request of it."""

    server: Server
    plain: Request
    best: Technique | None
    synthesis: Technique | None
    label: str


def environment_of(peer: Peer) -> Path:
    """Return the `bin` of a peer's environment, which is created if missing.

    Raises `Absent` if the peer does not install.
    """
    home = ENVIRONMENTS / re.split(r"\W*[=\[]", peer.requirement)[0]
    done = home / ".done"
    if not done.exists() or done.read_text() != peer.requirement:
        print(f"installing {peer.requirement}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)  # noqa: S603 - our own words
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip_run = subprocess.run([*pip, peer.requirement], capture_output=True, text=True, check=False)  # noqa: S603
        if pip_run.returncode:
            raise Absent(f"does not install: {_last(pip_run.stderr)}")
        done.write_text(peer.requirement)
    return home / "bin"


@contextmanager
def started(peer: Peer, url: str) -> Iterator[Contender]:
    """Run a peer in front of an upstream.

    Raises `Absent` if it does not install or start.
    """
    binaries = environment_of(peer)
    start = peer.start(free_port(), url)
    command = [str(binaries / start.command[0]), *start.command[1:]]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in start.files.items():
            Path(folder, name).write_text(text)
        log = Path(folder, "log")
        environment = clean_environment(PATH=f"{binaries}:{os.environ['PATH']}", **start.environment)
        with log.open("w") as out:
            process = subprocess.Popen(  # noqa: S603 - our own words
                command, cwd=folder, env=environment, stdout=out, stderr=out
            )
        try:
            yield _ready(peer, start, process, log)
        finally:
            for member in tree(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            process.wait()


def _ready(peer: Peer, start: Start, process: subprocess.Popen[bytes], log: Path) -> Contender:
    """Return the peer once it has answered a plain request.

    Raises `Absent` if it does not.
    """
    limit, reason = time.monotonic() + START_TIMEOUT, "it does not listen"
    while process.poll() is None and time.monotonic() < limit:
        time.sleep(0.2)
        base = start.address or next(iter(re.findall(r"^http://\S+$", log.read_text(), re.MULTILINE)), None)
        if base is None:
            continue
        contender = _contender(peer, Server(peer.name, process.pid, base))
        with suppress(OSError, TimeoutError):
            if start.configure is not None:
                path, body = start.configure
                asyncio.run(ask(Request.of(base.removesuffix("/v1") + path, body)))
            reply = asyncio.run(ask(contender.plain))
            if reply.status == 200:
                return contender
            reason = f"it answers {reply.status}: {reply.body[:200]!r}"
    raise Absent(f"does not start: {reason if process.poll() is None else _last(log.read_text())}")


def _contender(peer: Peer, server: Server) -> Contender:
    def technique(body: Mapping[str, Any] | None) -> Technique | None:
        return None if body is None else lambda **fields: Request.to(server.base_url, **body, **fields)

    plain_request = Request.to(server.base_url, **peer.plain)
    return Contender(server, plain_request, technique(peer.best), technique(peer.synthesis), peer.label)


async def compared(
    contenders: Sequence[Contender], absent: Mapping[str, str], url: str, effort: Effort
) -> None:
    """Compare the contenders' techniques: many at once, streams, and calls after clients have left."""
    able = [contender for contender in contenders if contender.best]
    walls: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    used: dict[str, float] = defaultdict(float)
    heavy: dict[str, float] = {}
    texts: dict[tuple[str, str], list[float]] = defaultdict(list)
    late: dict[str, int] = defaultdict(int)
    for turn in range(effort.repeat + 1):
        for contender in able:
            name, process = contender.server.name, contender.server.process
            assert contender.best is not None
            before = cpu(process)
            wall, errors = await at_once(contender.best(), AT_ONCE)
            failed[name] += errors
            if turn:
                walls[name].append(wall)
                used[name] += cpu(process) - before
            heavy[name] = memory(process)
            for kind, make in (("best", contender.best), ("synthesis", contender.synthesis)):
                if make is not None and turn:
                    reply = await ask(make(stream=True))
                    if reply.status == 200:
                        texts[name, kind].append(reply.content or reply.seconds)
                        texts[name, kind + " first"].append(reply.first)
                        texts[name, kind + " end"].append(reply.seconds)
    for contender in able:
        assert contender.best is not None
        late[contender.server.name] = await _after_leaving(contender.best(), url, effort.latency)

    def stream_times(name: str, kind: str) -> str:
        if (name, kind) not in texts:
            return "-"
        stages = (texts[name, kind + " first"], texts[name, kind], texts[name, kind + " end"])
        return " / ".join(f"{1e3 * median(seconds):.0f}" for seconds in stages)

    rows: list[Sequence[object]] = [
        (
            *(contender.server.name, contender.label),
            *(f"{median(walls[name]):.2f}", failed[name]),
            *(f"{1e3 * used[name] / effort.repeat / AT_ONCE:.1f}", f"{heavy[name]:.0f}"),
            *(stream_times(name, "best"), stream_times(name, "synthesis")),
            late[name],
        )
        for contender in able
        for name in [contender.server.name]
    ]
    head = [f"techniques, {effort.pace}", "asked for", f"{AT_ONCE} at once, s", "errors"]
    head += ["CPU ms per request", "memory after, MB", "stream: first byte / first text / end, ms"]
    head += ["synthesis, the same", f"calls begun after {LEAVING} clients left"]
    table(head, rows)
    for name, reason in absent.items():
        print(f"\n{name} is not measured: {reason}")


async def _after_leaving(request: Request, url: str, latency: float) -> int:
    """Return how many upstream calls begin after all clients have left, amid the first round."""
    before = begun = await _calls(url)

    async def under_way() -> None:
        nonlocal begun
        limit = time.monotonic() + 10
        while begun < before + LEAVING and time.monotonic() < limit:
            await asyncio.sleep(0.005)
            begun = await _calls(url)
        await asyncio.sleep(latency / 2)
        begun = await _calls(url)

    await left(request, LEAVING, under_way)
    await asyncio.sleep(10 * latency)
    return await _calls(url) - begun


async def _calls(url: str) -> int:
    """Return how many calls the upstream has begun."""
    return int((await ask(Request.of(f"{url}/calls"))).json()["begun"])


def measure(peers: Sequence[Peer], effort: Effort) -> None:
    """Print the tables."""
    print(described())
    absent: dict[str, str] = {}
    with ExitStack() as running:
        url, process = running.enter_context(upstream.running())
        proxy = running.enter_context(serving("--base-url", url))
        ours = Server("optillm (this)", proxy.process.pid, proxy.base_url)
        contenders = [
            Contender(
                *(ours, ours.request()),
                lambda **fields: ours.request(f"bon-{SLOW}", **fields),
                lambda **fields: ours.request(f"moa(proposers=3)-{SLOW}", **fields),
                "best of 3",
            )
        ]
        for peer in peers:
            try:
                contenders.append(running.enter_context(started(peer, url)))
            except Absent as reason:
                absent[peer.name] = str(reason)
        bare = Server(BARE, process, url)
        requests = {bare: bare.request()} | {contender.server: contender.plain for contender in contenders}
        uvloop.run(plain(requests, effort, (1, 32)))
        uvloop.run(compared(contenders, absent, url, effort))


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last(text: str) -> str:
    """Return the last line that is not blank."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it says nothing")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    efforts(parser)
    parser.add_argument("peers", nargs="*", metavar="peer", help="names begin with these; all by default")
    options = parser.parse_args()
    chosen = [
        peer for peer in PEERS if not options.peers or peer.name.lower().startswith(tuple(options.peers))
    ]
    open_files()
    measure(chosen, Effort(options.seconds, options.repeat))


if __name__ == "__main__":
    main()
