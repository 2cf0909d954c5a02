"""Programs in replies: which blocks they are, when two are the same, and their interface.

Python is compared by syntax trees. Equality is never guessed: programs that differ in a way that could matter
differ here, though they may well behave alike.
"""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Final

from optillm.toolkit.answers.extraction import FENCED, Fence, fences
from optillm.toolkit.programs.syntax import defines, has_functions, parsed, plain_tree, signatures
from optillm.toolkit.thoughts import strip_reasoning

PROSE = frozenset(("", "text", "txt", "plaintext", "plain", "markdown", "md", "latex", "tex", "math"))
_ASIDE = PROSE - {""} | {"console", "output", "shell", "sh", "bash", "zsh", "powershell", "cmd", "diff"}
_PYTHON = frozenset(("", "python", "py", "python3"))
_SLASHED = (
    *("c", "h", "cc", "cpp", "c++", "cxx", "hpp", "cs", "csharp", "c#", "java", "kotlin", "kt", "scala"),
    *("js", "javascript", "jsx", "ts", "typescript", "tsx", "go", "golang", "rust", "rs", "swift", "dart"),
)
_MAX_COMPARED = 20_000
_MOST_BLOCKS = 64


def program_key(source: str, language: str = "") -> str:
    """Return a key that is equal for programs which differ only in comments and layout.

    In an unknown language, only trailing blanks and empty lines are ignored.
    """
    tree = parsed(source) if language in _PYTHON else None
    if tree is not None and (key := plain_tree(tree)) is not None:
        return key
    if language in _SLASHED:
        return _tokens(source)
    if language.endswith("sql") or language == "sqlite" or (not language and _QUERY.match(source)):
        return _query(source)
    return "\n".join(line.rstrip() for line in source.splitlines() if line.strip())


_QUERY = re.compile(
    r"\s*(?:select\s.{1,400}\sfrom|insert\sinto|update\s\w+\sset|delete\sfrom)\s", re.IGNORECASE | re.DOTALL
)
_QUERY_PART = re.compile(r"'(?:''|[^'])*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|[^'\"`-]+|-")


def _query(source: str) -> str:
    """Return a query of SQL without comments, on one line, in lower case but for what is quoted."""
    parts = [part for part in _QUERY_PART.findall(source) if not part.startswith("--")]
    folded = "".join(part if part[0] in "'\"`" else re.sub(r"\s+", " ", part.casefold()) for part in parts)
    return re.sub(r"\s?([,;()=<>])\s?", r"\1", folded).strip().rstrip(";")


def programs(text: str) -> list[Fence]:
    """Return the programs of a reply: its fenced blocks without commands and output.

    If these are all there is, they are returned. The language is the first word of the fence's info string.
    """
    _, blocks = fences(strip_reasoning(text))
    labelled = [Fence(_language(block), dedent(block.content)) for block in blocks if block.content.strip()]
    return [block for block in labelled if block.language not in _ASIDE] or labelled


def program_text(text: str) -> str:
    """Return the programs of a reply in their fences, or the reply if it has none."""
    blocks = (f"```{block.language}\n{block.content}\n```" for block in programs(text))
    return "\n\n".join(blocks) or strip_reasoning(text)


def without_programs(text: str) -> str:
    """Return a text without its fenced blocks."""
    prose, _ = fences(text)
    return prose.replace(FENCED, "").strip()


def _language(block: Fence) -> str:
    return (re.split(r"[\s:,{]", block.language, maxsplit=1) or [""])[0]


def behaviour_key(text: str) -> tuple[str, ...]:
    """Return a key that is equal only for replies whose programs certainly do the same.

    It has a key per program, in no particular order. Layout and comments do not count; in Python neither do
    docstrings, annotations and the names of locals. The key of a reply without fenced blocks is its text, and so is
    that of programs longer than anybody would compare.
    """
    blocks = programs(text) or [Fence("text", text)]
    if len(blocks) > _MOST_BLOCKS or sum(len(block.content) for block in blocks) > _MAX_COMPARED:
        return tuple(sorted(program_key(block.content, "text") for block in blocks))
    return tuple(sorted(map(_behaviour, blocks)))


def _behaviour(block: Fence) -> str:
    tree = parsed(block.content) if block.language in _PYTHON else None
    if tree is not None and (block.language or defines(tree)) and (key := plain_tree(tree)) is not None:
        return key
    if block.language in _SLASHED:
        return _tokens(block.content)
    return program_key(block.content, "text")


# A comment starts after a blank, so that URLs and regular expressions are not taken for comments. What is never
# closed runs to the end of its line or of the text, so that nothing is tried twice.
_TOKEN = re.compile(
    r"(?<!\S)(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))"
    r'|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?|`(?:\\.|[^`\\])*`?'
    r"|\w+|\\.|[-+*/%&|^<>=!?:~@#$]+|[^\w\s]|\n",
    re.DOTALL,
)


def _tokens(source: str) -> str:
    """Return a program's tokens by line, without slashed comments.

    In some languages lines matter.
    """
    lines: list[list[str]] = [[]]
    for match in _TOKEN.finditer(source):
        if match[0] == "\n":
            lines.append([])
        elif match["comment"] is None:
            lines[-1].append(match[0])
    return "\n".join(" ".join(line) for line in lines if line)


def runnable(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the reply's one Python program with functions, and the keys of its others.

    Returns `None` if there is none, or several, as in an answer of several files. Python that defines nothing shows
    how to use the program and does not count.
    """
    blocks = programs(text)
    python = [block for block in blocks if block.language in _PYTHON and parsed(block.content) is not None]
    defining = [block for block in python if has_functions(block.content)]
    if len(defining) != 1:
        return None
    others = (_behaviour(block) for block in blocks if block not in python)
    return defining[0].content, tuple(sorted(others))


def broken(text: str) -> bool:
    """Return whether a reply has a program that is labelled Python and does not parse."""
    return any(block.language in _PYTHON - {""} and parsed(block.content) is None for block in programs(text))


_FILE_NAME = re.compile(
    r"(?<![\w/.-])[\w-][\w/.-]{0,80}\.(?:py|js|jsx|ts|tsx|go|rs|rb|c|h|cc|cpp|hpp|cs|java|kt|swift|php|sql|html|css"
    r"|scss|sh|json|toml|ya?ml|vue|svelte)(?![\w/-]|\.\w)"
)
_DEFINITION = re.compile(
    r"^[ \t]{0,4}(?:(?:export|default|public|private|protected|static|async|pub|abstract|final)[ \t]{1,4}){0,5}"
    r"(?:function|func|fn|class|struct|interface|enum|trait|def|type)[ \t]{1,4}(\w{1,80})",
    re.MULTILINE,
)
_MOST_NAMES: Final = 40


def interface(text: str) -> dict[str, list[str]]:
    """Return what is needed to write the same programs again: languages, files, names."""
    blocks = programs(text)
    names: list[str] = []
    for block in blocks:
        tree = parsed(block.content) if block.language in _PYTHON else None
        names += signatures(tree) if tree is not None else _DEFINITION.findall(block.content)
    listed = {
        "languages": [block.language for block in blocks if block.language],
        "files": _FILE_NAME.findall(text[:_MAX_COMPARED]),
        "names": names,
    }
    return {kind: list(dict.fromkeys(values))[:_MOST_NAMES] for kind, values in listed.items()}


_GRAM: Final = 8
_LONGEST_LEAK: Final = 50_000
_WORD = re.compile(r"\w+|[^\w\s]")


def leaked(source: str, text: str) -> float:
    """Return the share of the eight-token runs in `source` that `text` repeats.

    It is 0 for shorter sources.
    """
    own, repeated = _grams(source), _grams(text)
    return len(own & repeated) / len(own) if own else 0.0


def unleaked(source: str, text: str, most: float) -> str:
    """Return a text that repeats at most this share of `source`.

    If need be it loses its fenced blocks, else it is empty.
    """
    if leaked(source, text) > most:
        text = without_programs(text)
    return text if leaked(source, text) <= most else ""


def _grams(text: str) -> set[tuple[str, ...]]:
    tokens = _WORD.findall(text[:_LONGEST_LEAK])
    return {tuple(tokens[i : i + _GRAM]) for i in range(len(tokens) - _GRAM + 1)}
