"""Programs as answers: equal when their syntax trees are, whatever the layout and the comments."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

from optillm.toolkit.extraction import FENCED, Fence
from optillm.toolkit.forms import Form, form, json_form
from optillm.toolkit.questions import Question

_PROSE = frozenset(("", "text", "txt", "plaintext", "plain", "markdown", "md", "latex", "tex", "math"))
_PYTHON = frozenset(("", "python", "py", "python3"))
_LONGEST_VALUE = 60
_LONGEST_PROGRAM = 50_000


def read_program(
    blocks: Sequence[Fence], prose: str, question: Question, *, asked: bool
) -> tuple[str, Form] | None:
    """The answer in the longest fenced block, the last of equals; a short one may hold any kind of answer.

    With `asked`, only when the question asks for a program; without, when the blocks outweigh the prose
    around them or a short one ends the reply.
    """
    filled = [block for block in blocks if block.content.strip()]
    if not filled or (asked and not question.asks_for_code):
        return None
    block = max(reversed(filled), key=lambda block: len(block.content))
    content = block.content.strip()
    short = block.language in _PROSE and "\n" not in content and len(content) <= _LONGEST_VALUE
    if not asked:
        outweighed = sum(len(block.content) for block in filled) < len(prose.replace(FENCED, "").strip())
        if outweighed and not (short and len(filled) == 1 and prose.rstrip().endswith(FENCED)):
            return None
    if found := json_form(content):
        return content, found
    if short and not asked:
        return content, form(content, question)
    return content, Form("code", program_key(content, block.language))


def program_key(source: str, language: str = "") -> str:
    """The syntax tree of a Python program, or the text of any other without trailing blanks and empty lines."""
    if language in _PYTHON and len(source) <= _LONGEST_PROGRAM:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a model's stray backslash is not our warning
                return ast.dump(ast.parse(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return "\n".join(line.rstrip() for line in source.splitlines() if line.strip())
