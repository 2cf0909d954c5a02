"""Wall time of each technique over rounds × upstream latency, on the real server.

    python -m benchmarks.latency [--latency 0.2] [--repeat 5]

The demo model is told to take exactly `--latency` seconds per reply; what a request takes beyond
rounds × latency is ours. Prints a Markdown table with the median of `--repeat` requests.
"""

from __future__ import annotations

import argparse
import time

from openai import OpenAI

from optillm.techniques import registry
from tests.e2e.proxy import serving

# Ten steps: nearly every sample of the demo model errs somewhere, so that nothing settles early.
QUESTION = (
    "Mia has 19 boxes with 12 pens each. She gives away 17 pens and then doubles what she has. She buys 7 packs of 8 "
    "pens. She loses 39 pens. Then she triples what she has and sells 144 pens. How many pens does she have?"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    print("| technique | rounds | wall, s | rounds × latency, s | ratio |\n|---|---|---|---|---|")
    with (
        serving("--demo", "--demo-latency", str(given.latency)) as proxy,
        OpenAI(base_url=proxy.base_url, api_key="x") as sdk,
    ):
        for slug in registry():
            ratios: list[tuple[float, float, int]] = []
            for seed in range(given.repeat + 1):
                begun = time.perf_counter()
                reply = sdk.chat.completions.create(
                    model=f"{slug}-demo-small", messages=[{"role": "user", "content": QUESTION}], seed=seed
                )
                wall = time.perf_counter() - begun
                rounds = (reply.model_extra or {})["optillm"]["rounds"]
                if seed:  # the first request warms connections up
                    ratios.append((wall / (rounds * given.latency), wall, rounds))
            ratio, wall, rounds = sorted(ratios)[len(ratios) // 2]
            print(
                f"| {slug} | {rounds} | {wall:.3f} | {rounds * given.latency:.2f} | {ratio:.3f} |", flush=True
            )


if __name__ == "__main__":
    main()
