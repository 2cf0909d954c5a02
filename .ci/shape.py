"""Print the shape of the code as Markdown tables: `python .ci/shape.py [COMMIT]`.

The default is the working tree. Lines are physical lines of Python files. Functions count with their docstrings; names
are those that a module defines at its top level; comments do not count what only speaks to a tool. Imports inside
functions count for cycles, those for type checkers do not.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import networkx

SOURCES = ("optillm/", "simulator/optillm_simulator/")
TESTS = ("tests/", "simulator/tests/")
FOR_TOOLS = ("noqa", "type:", "fmt:", "pragma")
BLIND = frozenset(["Exception", "BaseException"])

Files = Mapping[str, str]
"""The text of each file, by its path from the root of the repository."""


def read_files(commit: str | None) -> Files:
    """Return the Python files of a commit, or those that are tracked in the working tree."""
    if commit is None:
        tracked = git("ls-files").decode().splitlines()
        return {path: Path(path).read_text(encoding="utf-8") for path in tracked if path.endswith(".py")}
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        members = [
            member for member in archive.getmembers() if member.isfile() and member.name.endswith(".py")
        ]
        return {member.name: archive.extractfile(member).read().decode() for member in members}  # type: ignore[union-attr]


def git(*arguments: str) -> bytes:
    """Return the output of a git command."""
    return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout


def ranked(values: Sequence[int], share: float) -> int:
    """Return the value below which this share lies: 0.5 for the median."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0


def comments(text: str) -> int:
    """Return the number of lines with a comment for human readers."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    texts = (token.string.lstrip("#! ") for token in tokens if token.type == tokenize.COMMENT)
    return sum(not text.startswith(FOR_TOOLS) for text in texts)


def defined(tree: ast.Module) -> set[str]:
    """Return the names that a module defines at its top level; imports do not count."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                stores = (part for part in ast.walk(node) if isinstance(part, ast.Name))
                names.update(part.id for part in stores if isinstance(part.ctx, ast.Store))
            case _:
                pass
    return names


def is_blind(handler: ast.AST) -> bool:
    """Return whether an `except` catches everything."""
    if not isinstance(handler, ast.ExceptHandler):
        return False
    return handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id in BLIND)


def module_of(path: str) -> str:
    """Return the dotted name of a file's module."""
    parts = PurePosixPath(path.removeprefix("simulator/")).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the modules that may be imported below a node.

    A name may be a module or a member of one.
    """
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            children: Sequence[ast.AST] = node.orelse
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
            return
        case ast.ImportFrom(module=name, names=aliases, level=level):
            base = ".".join(package.split(".")[: 1 - level or None]) if level else ""
            source = ".".join(filter(None, (base, name)))
            for alias in aliases:
                yield f"{source}.{alias.name}"
            return
        case _:
            children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from imported(child, package)


def cycles(trees: Mapping[str, ast.Module]) -> list[str]:
    """Return the groups of modules that import each other."""
    modules = {module_of(path): path for path in trees}
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for module, path in modules.items():
        package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
        for target in imported(trees[path], package):
            name = target if target in modules else target.rpartition(".")[0]
            if name in modules and name != module:
                graph.add_edge(module, name)
    components = networkx.strongly_connected_components(graph)
    return sorted(", ".join(sorted(component)) for component in components if len(component) > 1)


def report(files: Files) -> Iterator[tuple[str, str]]:
    """Yield the figures of the code, each with its name."""
    sources = {path: text for path, text in files.items() if path.startswith(SOURCES)}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lines = {path: text.count("\n") for path, text in sources.items()}
    names = [len(defined(tree)) for tree in trees.values()]
    modules, total = [count for count in lines.values() if count], sum(lines.values())
    tests = sum(text.count("\n") for path, text in files.items() if path.startswith(TESTS))
    loops = cycles(trees)
    yield (
        "function lines, p50 / p90 / max",
        f"{ranked(functions, 0.5)} / {ranked(functions, 0.9)} / {max(functions)}",
    )
    yield "module lines, p50 / p90 / max", f"{ranked(modules, 0.5)} / {ranked(modules, 0.9)} / {max(modules)}"
    yield "lines with a comment", f"{sum(map(comments, sources.values())) / total:.1%}"
    yield "names per module, p50 / p90", f"{ranked(names, 0.5)} / {ranked(names, 0.9)}"
    yield "blind excepts", str(sum(map(is_blind, nodes)))
    yield "import cycles", f"{len(loops)}" + "".join(f"; {loop}" for loop in loops)
    yield "modules, lines", f"{len(modules)}, {total:,}"
    yield "test lines per line of source", f"{tests / total:.2f}"
    folders = Counter[str]()
    for path, count in lines.items():
        folders["/".join(PurePosixPath(path).parts[:-1][:2])] += count
    for folder, count in folders.most_common():
        yield f"`{folder}/`", f"{count / total:.1%}"


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    print("| | |\n|---|---|")
    for name, value in report(read_files(arguments[0] if arguments else None)):
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main(sys.argv[1:])
