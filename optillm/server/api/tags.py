"""The tag `<optillm_approach>bon</optillm_approach>` in a message.

It is cut out before anything goes upstream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.chat import Message

OPEN: Final = "<optillm_approach>"
CLOSE: Final = "</optillm_approach>"


def cut_tags(messages: Sequence[Message], in_user_messages: bool) -> tuple[Sequence[Message], str | None]:
    """Return the messages without their tags, and what the first tag says.

    Without tags it is the same object. Only developers' messages are read unless `in_user_messages`. A message or part
    that was nothing but a tag goes with it.
    """
    roles = {"system", "developer", "user"} if in_user_messages else {"system", "developer"}
    if not any(message["role"] in roles and _tagged(message.get("content")) for message in messages):
        return messages, None
    tags: list[str] = []
    kept: list[Message] = []
    for message in messages:
        content = message.get("content")
        if message["role"] in roles and _tagged(content):
            content = _cut(content, tags)
            if not content:
                continue
            message = {**message, "content": content}
        kept.append(message)
    return kept, tags[0]


def _tagged(content: Any) -> bool:
    if isinstance(content, str):
        start = content.find(OPEN)
        return start >= 0 and content.find(CLOSE, start) >= 0
    return isinstance(content, list) and any(_tagged(_text(part)) for part in content)


def _text(part: Mapping[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _cut(content: Any, tags: list[str]) -> Any:
    """Return the content without tags, empty if nothing is left.

    Append what the tags say to `tags`.
    """
    if isinstance(content, str):
        rest = _cut_text(content, tags)
        return rest if rest.strip() else ""
    parts = []
    for part in content:
        if _tagged(_text(part)):
            text = _cut_text(part["text"], tags)
            if not text.strip():
                continue
            part = {**part, "text": text}
        parts.append(part)
    return parts


def _cut_text(text: str, tags: list[str]) -> str:
    kept, position = [], 0
    while (start := text.find(OPEN, position)) >= 0 and (end := text.find(CLOSE, start)) >= 0:
        kept.append(text[position:start])
        tags.append(text[start + len(OPEN) : end].strip())
        position = end + len(CLOSE)
    return "".join(kept) + text[position:]
