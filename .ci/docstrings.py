"""Fail where a docstring's first line is too long: `python .ci/docstrings.py [FILE …]`.

Editors, `help` and tables show this line alone, and a technique's is its sentence in the documentation. What more there
is to say goes below it. No rule of ruff's looks at this line only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST = 90
"""The most characters of a first line."""
ROOMS = ("optillm", ".ci")
NOT_YET = ("optillm/toolkit/answers/",)
"""What is not checked until its docstrings have been mended."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def first_lines(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the first line of each docstring in a module, with its number."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and (docstring := ast.get_docstring(node)):
            yield docstring.partition("\n")[0], node.body[0].lineno


def files() -> list[Path]:
    """Return the files that are checked."""
    listed = subprocess.run(["git", "ls-files", *ROOMS], capture_output=True, text=True, check=True).stdout
    python = [line for line in listed.splitlines() if line.endswith(".py")]
    return [Path(line) for line in python if not line.startswith(NOT_YET)]


def main(arguments: list[str]) -> None:
    """Print the first lines that are too long; exit with 1 if there are any."""
    faults = [
        f"{path}:{number}: {len(line)} characters: {line}"
        for path in (map(Path, arguments) if arguments else files())
        for line, number in first_lines(ast.parse(path.read_bytes()))
        if len(line) > LONGEST
    ]
    print(*faults, sep="\n", end="\n" * bool(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
