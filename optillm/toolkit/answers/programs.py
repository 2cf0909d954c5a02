"""Find the program that a reply gives as its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from optillm.toolkit.answers.extraction import FENCED, Fence
from optillm.toolkit.answers.forms import Form, form, json_form
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.programs.code import PROSE, program_key

_LONGEST_VALUE: Final = 60
_SHELLS: Final = ("sh", "bash", "shell", "console", "zsh", "terminal", "powershell", "cmd", "")


def read_program(
    blocks: Sequence[Fence], prose: str, question: Question, *, requested: bool
) -> tuple[str, Form] | None:
    """Return the answer in the longest fenced block; a short block may hold any kind of answer.

    Of blocks of the same length the last one counts. With `requested`, it counts only if the question asks for a
    program; without, only if the blocks outweigh the prose around them, or a short one ends the reply.
    """
    filled = [block for block in blocks if block.content.strip()]
    if not filled or (requested and not question.asks_for_code):
        return None
    block = max(reversed(filled), key=lambda block: len(block.content))
    content = block.content.strip()
    short = block.language in PROSE and "\n" not in content and len(content) <= _LONGEST_VALUE
    if not requested:
        outweighed = sum(len(block.content) for block in filled) < len(prose.replace(FENCED, "").strip())
        if outweighed and not (short and len(filled) == 1 and prose.rstrip().endswith(FENCED)):
            return None
    if "\n" not in content and block.language in _SHELLS and not short:
        return content, Form("text", content)  # a command, unchanged, as one between single backticks
    if read := json_form(content):
        return content, read
    if short and not requested:
        return content, form(content, question)
    return content, Form("code", program_key(content, block.language))
