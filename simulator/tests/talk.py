"""Talking to the demo model without a server, faultlessly unless a test says otherwise."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from optillm_simulator.error_models import FAULTLESS, ErrorModel
from optillm_simulator.roles.context import Turn, read_context
from optillm_simulator.roles.dispatch import recognise, respond

QUESTION = "Tom has 5 bags of 12 marbles. He gives 7 to Bob. How many marbles does Tom have now?"
RIGHT = "Five bags of 12 make 60, less 7 is 53. The answer is 53."
WRONG = "Step 1: 5 × 12 = 50. Step 2: 50 - 7 = 43. The answer is 43."
PUZZLE = "Ann is taller than Bob but shorter than Cid. List them from tallest to shortest."


def say(
    *messages: str | Turn,
    model: ErrorModel = FAULTLESS,
    seed: int = 0,
    response_format: Mapping[str, Any] | None = None,
) -> str:
    """The reply to a conversation; plain texts are user messages."""
    return respond(_turns(messages), model, random.Random(seed), response_format)


def role_of(*messages: str | Turn) -> str:
    """The name of the role that a conversation gives."""
    return recognise(read_context(_turns(messages), FAULTLESS, random.Random(0), None)).__name__


def quoting(instruction: str, *candidates: str, question: str = QUESTION) -> str:
    """A judge's prompt: instruction, task and candidates A, B, … in fenced tags."""
    blocks = [
        f'<candidate-7f3a label="{label}">\n{text}\n</candidate-7f3a>'
        for label, text in zip("ABCDEFGH", candidates, strict=False)
    ]
    return "\n\n".join([f"<task-7f3a>\n{question}\n</task-7f3a>", *blocks, instruction])


def _turns(messages: tuple[str | Turn, ...]) -> list[Turn]:
    return [("user", message) if isinstance(message, str) else message for message in messages]
