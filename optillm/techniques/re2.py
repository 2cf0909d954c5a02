"""Re2: put the question twice, so that it is read again before it is answered.

Paper: Xu et al., Re-Reading Improves Reasoning in Large Language Models (2023)
https://arxiv.org/abs/2309.06275
Rounds: 1 (of its own; in a pipeline those of what follows)
Calls: 1 (of its own; in a pipeline those of what follows)

Only the text of the last turn is repeated: history and images go as they came. A turn that reports what a tool
found, or that is very long, is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from optillm.chat import Message, content_text
from optillm.technique import Answer, BaseOptions, Context, Cost

AGAIN = "\n\nNow read the question once more, from its start:\n\n"


class Options(BaseOptions):
    """Which questions are short enough to be read twice."""

    max_chars: int = Field(
        16_000, ge=1, le=1_000_000, description="characters of the last turn beyond which it is not repeated"
    )

    def worst_case(self, choices: int) -> Cost:
        """One call for each choice, unless another technique follows, which has a cost of its own."""
        return Cost(choices, 1)


async def run(ctx: Context, options: Options) -> Answer:
    """Go on with the question put twice."""
    return await ctx.proceed(reread(ctx.messages, options.max_chars))


def reread(messages: Sequence[Message], max_chars: int) -> list[Message]:
    """Return the conversation with its last text twice, or as it is where that is of no use."""
    *history, last = messages
    text, content = content_text(last), last.get("content")
    if last["role"] != "user" or not text.strip() or len(text) > max_chars or put_twice(text):
        return list(messages)
    again = AGAIN + text
    both = text + again if isinstance(content, str) else [*(content or ()), {"type": "text", "text": again}]
    return [*history, {**last, "content": both}]


def put_twice(text: str) -> bool:
    """Whether a text is a question, the cue and the same question already."""
    half = (len(text) - len(AGAIN)) // 2
    return half > 0 and text == text[:half] + AGAIN + text[:half]
