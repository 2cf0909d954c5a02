"""Fail where a variable's name says nothing of what it is: `python .ci/words.py [FILE …]`.

A name like `found` or `told` can be bound to anything, so a reader has to look up each time what it holds. The words
below are not the field's; docs/architecture.md says what to write instead.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VAGUE = frozenset(
    [
        "told",
        "found",
        "place",
        "asked",
        "known",
        "spoken",
        "given",
        "said",
        "heard",
        "seen",
        "what",
        "why",
        "mine",
    ]
)
"""Names that no variable, argument or attribute has."""
ROOMS = ("optillm", "simulator/optillm_simulator", "benchmarks")


def bindings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each name that is bound in a module, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


def files() -> list[Path]:
    """Return the files that are checked."""
    listed = subprocess.run(["git", "ls-files", *ROOMS], capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in listed.splitlines() if line.endswith(".py")]


def main(arguments: list[str]) -> None:
    """Print where vague names are bound; exit with 1 if there are any."""
    faults = [
        f"{path}:{line}: `{name}` does not say what it holds"
        for path in (map(Path, arguments) if arguments else files())
        for name, line in bindings(ast.parse(path.read_text(encoding="utf-8")))
        if name.lstrip("_") in VAGUE
    ]
    print(*faults, sep="\n", end="\n" * bool(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
