"""Judges of a server on this machine, which is called by streams: what they say is read to the last of them."""

import pytest
from openai import OpenAI

from tests.e2e.proxy import serving

QUESTION = (
    "Tom has 14 bags with 36 marbles each, gives away 129 marbles and buys 85. How many marbles does he have?"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "technique", ["bon(n=6,prevote=false)", "bon(n=6,judge=pairwise)", "bon(n=6,judge=rate)", "mcts", "pvg"]
)
def test_no_judge_of_the_demo_abstains(technique: str) -> None:
    with (
        serving("--demo", environment={"OPTILLM_UPSTREAM_STREAMS": "auto"}) as proxy,
        OpenAI(base_url=proxy.base_url, api_key="any") as client,
    ):
        judged = 0
        for seed in range(6):
            reply = client.chat.completions.create(
                model=f"{technique}-demo-small", messages=[{"role": "user", "content": QUESTION}], seed=seed
            )
            report = (reply.model_extra or {})["optillm"]
            assert "abstained" not in report["losses"]
            judged += report["calls"].get("judge", 0)
        assert judged
