"""The tags around quoted text: added here, and removed where a model repeats them.

Only tags with the request's fence are removed. Nobody can guess it, so no tag in a user's own text is touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from optillm.chat import Message, Reply, content_text
from optillm.engine.call.call import Emit
from optillm.engine.run.excerpts import leaving_out
from optillm.toolkit.shortening import shortened

LONGEST_QUOTE: Final = 200_000
"""Characters of a text that is quoted in a prompt: its two ends, if it is longer."""
_LONGEST_ATTRIBUTE: Final = 60
"""The most characters between the fence and the end of an opening tag."""
_BEGINNING = re.compile(r"</?(?:[a-z]{1,20}(?:-(?P<rest>[^<\n]*))?)?")


class Tags:
    """The tags of one request's fence: `<candidate-FENCE label="A">`, `</user-FENCE>`.

    The line break after an opening tag belongs to it. At the end of a text, an unfinished tag counts if its fence is
    complete.
    """

    def __init__(self, fence: str) -> None:
        self._fence = fence
        tag = rf"[a-z]{{1,20}}-{re.escape(fence)}"
        self._pattern = re.compile(rf"<{tag}[^<>\n]{{0,{_LONGEST_ATTRIBUTE}}}(?:>\n?|\Z)|</{tag}(?:>|\Z)")

    @property
    def marker(self) -> str:
        """See `Context.marker`."""
        return f"=== {self._fence} ==="

    def quote(self, label: str, text: str) -> str:
        """See `Context.quote`."""
        text = shortened(
            text, LONGEST_QUOTE
        )  # no judge reads more, and a round of them would fill the memory
        return f'<candidate-{self._fence} label="{label}">\n{text}\n</candidate-{self._fence}>'

    def transcript(self, messages: Sequence[Message]) -> str:
        """Return a conversation as text for a judge: each turn between tags that it cannot forge.

        The tags name the role.
        """
        tagged = ((f"{message['role']}-{self._fence}", content_text(message)) for message in messages)
        return "\n".join(f"<{tag}>\n{text}\n</{tag}>" for tag, text in tagged)

    def without(self, reply: Reply) -> Reply:
        """Return the reply without tags, itself if it has none."""
        if self._fence not in reply.text:
            return reply
        return leaving_out(reply, [match.span() for match in self._pattern.finditer(reply.text)])

    def cut(self, text: str) -> str:
        """Return the text without tags."""
        return self._pattern.sub("", text) if self._fence in text else text

    def settled(self, text: str) -> int:
        """Return how many characters of a text are kept or cut for certain, whatever follows."""
        matches = list(self._pattern.finditer(text))
        begin = matches[-1].end() if matches else 0
        if matches and begin == len(text) and not text.endswith("\n"):
            return matches[-1].start()  # its end, or a line break, may follow
        start = text.rfind("<", begin)
        return start if start >= 0 and self._may_become_tag(text[start:]) else len(text)

    def _may_become_tag(self, text: str) -> bool:
        beginning = _BEGINNING.fullmatch(text)
        if beginning is None:
            return False
        rest = beginning["rest"]
        if rest is None or self._fence.startswith(rest):
            return True
        attribute = rest.removeprefix(self._fence)
        return attribute != rest and ">" not in attribute and len(attribute) <= _LONGEST_ATTRIBUTE


class TagFilter:
    """Passes on a streamed text without its tags.

    What may yet become a tag waits for the next piece. What still waits at the end is left to the completion, which has
    the whole text.
    """

    def __init__(self, tags: Tags, show: Emit) -> None:
        self._tags = tags
        self._show = show
        self._waiting = ""

    async def show(self, text: str) -> None:
        """Take in the next piece."""
        text = self._waiting + text
        end = self._tags.settled(text)
        self._waiting = text[end:]
        if settled := self._tags.cut(text[:end]):
            await self._show(settled)
