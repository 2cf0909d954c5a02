"""Wall time of each technique over rounds × the time of one upstream call, on the real server.

    python -m benchmarks.latency [--latency 0.2] [--repeat 21]

The upstream takes `--latency` seconds for every reply (`benchmarks/upstream.py`), and no two of its replies agree.
One call's time is measured in the same run, at the upstream itself and with the same client, interleaved with the
techniques; what a request takes beyond rounds × that is ours. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from openai import OpenAI

from optillm.techniques import registry
from tests.e2e.proxy import serving

ONE_ROUND = "self_consistency(tie=shortest)"  # the default asks two judges when no answers agree
QUESTION = "Mia has 19 boxes with 12 pens each. She gives away 17 pens. How many pens does she have?"


@contextmanager
def upstream(latency: float) -> Iterator[str]:
    """The base URL of an upstream in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.upstream", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def timed(sdk: OpenAI, model: str) -> tuple[float, int]:
    """Seconds and rounds of one request."""
    begun = time.perf_counter()
    reply = sdk.chat.completions.create(model=model, messages=[{"role": "user", "content": QUESTION}])
    report = (reply.model_extra or {}).get("optillm") or {"rounds": 1}
    return time.perf_counter() - begun, report["rounds"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--repeat", type=int, default=21)
    given = parser.parse_args()
    walls: dict[str, list[float]] = {name: [] for name in ("bare", *registry(), ONE_ROUND)}
    rounds: dict[str, list[int]] = {name: [] for name in walls}
    with (
        upstream(given.latency) as url,
        serving("--base-url", url) as proxy,
        OpenAI(base_url=proxy.base_url, api_key="x") as sdk,
        OpenAI(base_url=url, api_key="x") as bare,
    ):
        for turn in range(given.repeat + 1):
            for name in walls:
                measured = timed(bare, "m") if name == "bare" else timed(sdk, f"{name}-m")
                if turn:  # the first one opens connections and starts what is started when first needed
                    walls[name].append(measured[0])
                    rounds[name].append(measured[1])
    call = median(walls.pop("bare"))
    print(f"one upstream call: {call:.4f} s\n")
    print("| technique | rounds | wall, s | wall / (rounds × call) |\n|---|---|---|---|")
    for name, seconds in walls.items():
        ratios = [wall / (count * call) for wall, count in zip(seconds, rounds[name], strict=True)]
        print(f"| {name} | {median(rounds[name]):g} | {median(seconds):.3f} | {median(ratios):.3f} |")


if __name__ == "__main__":
    main()
