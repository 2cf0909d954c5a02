"""Wall time of each technique over rounds × the time of one upstream call, on the real server.

    python -m benchmarks.latency [--latency 0.2] [--repeat 7]

The demo model is told to take `--latency` seconds per reply. One call's time is measured in the same run, at the
demo model itself and with the same client, interleaved with the techniques; what a request takes beyond
rounds × that is ours. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import re
import time
from statistics import median

from openai import OpenAI

from optillm.techniques import registry
from tests.e2e.proxy import serving

# Ten steps: nearly every sample of the demo model errs somewhere, so that nothing settles early.
QUESTION = (
    "Mia has 19 boxes with 12 pens each. She gives away 17 pens and then doubles what she has. She buys 7 packs of 8 "
    "pens. She loses 39 pens. Then she triples what she has and sells 144 pens. How many pens does she have?"
)


def timed(sdk: OpenAI, model: str, seed: int) -> tuple[float, int]:
    """Seconds and rounds of one request."""
    begun = time.perf_counter()
    reply = sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], seed=seed
    )
    report = (reply.model_extra or {}).get("optillm") or {"rounds": 1}
    return time.perf_counter() - begun, report["rounds"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--repeat", type=int, default=7)
    given = parser.parse_args()
    models = [f"{slug}-demo-small" for slug in registry()]
    walls: dict[str, list[float]] = {name: [] for name in ("bare", *models)}
    rounds: dict[str, list[int]] = {name: [] for name in walls}
    with serving("--demo", "--demo-latency", str(given.latency)) as proxy:
        bare_url = next(
            m.group(1) for line in proxy.log if (m := re.search(r"demo model .* at (http://\S+)", line))
        )
        with (
            OpenAI(base_url=proxy.base_url, api_key="x") as sdk,
            OpenAI(base_url=bare_url, api_key="x") as bare,
        ):
            for seed in range(given.repeat + 1):
                for name in walls:
                    measured = timed(bare, "demo-small", seed) if name == "bare" else timed(sdk, name, seed)
                    if seed:  # the first of each warms its connections up
                        walls[name].append(measured[0])
                        rounds[name].append(measured[1])
    call = median(walls["bare"])
    print(f"one upstream call: {call:.3f} s\n")
    print("| technique | rounds | wall, s | wall / (rounds × call) |\n|---|---|---|---|")
    for name in models:
        ratio = median(wall / (count * call) for wall, count in zip(walls[name], rounds[name], strict=True))
        slug = name.removesuffix("-demo-small")
        print(f"| {slug} | {median(rounds[name]):g} | {median(walls[name]):.3f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
