"""Python syntax trees: parse, list signatures, and strip what does not change behaviour."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

_LONGEST_PROGRAM: Final = 20_000
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTION, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_IMPORTS = (ast.Import, ast.ImportFrom)
_FOR_ANNOTATIONS: Final = frozenset(("typing", "typing_extensions", "__future__"))
_SEES_NAMES: Final = frozenset(("locals", "globals", "vars", "dir", "eval", "exec"))
_SEES_LOOKS: Final = frozenset(("__doc__", "__annotations__", "get_type_hints"))
_FIELD: Final = 2
"""Marks the annotated names of a class, which may be the fields of a dataclass."""


def parsed(source: str) -> ast.Module | None:
    """Return the tree of a Python program.

    Returns `None` if it is none, or longer than anybody would compare.
    """
    if len(source) > _LONGEST_PROGRAM:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model's stray backslash is not our warning
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defines(tree: ast.Module) -> bool:
    """Return whether a program defines or imports anything; text that happens to parse does not."""
    return any(isinstance(node, (*_FUNCTION, *_IMPORTS, ast.ClassDef)) for node in ast.walk(tree))


def has_functions(source: str) -> bool:
    """Return whether a Python program defines a function that others can call."""
    tree = parsed(source)
    return tree is not None and any(isinstance(node, ast.FunctionDef) for node in tree.body)


def signatures(tree: ast.Module) -> list[str]:
    """Return the functions, classes and methods of a module, with the names of their parameters."""
    listed: list[str] = []
    for node in tree.body:
        if isinstance(node, _FUNCTION):
            listed.append(f"{node.name}({_parameters(node.args)})")
        elif isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, _FUNCTION)]
            listed += [node.name, *(f"{node.name}.{part.name}({_parameters(part.args)})" for part in methods)]
    return listed


def _parameters(args: ast.arguments) -> str:
    return ", ".join(arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs))


def plain_tree(tree: ast.Module) -> str | None:
    """Return a string that is equal for programs which differ only in looks.

    Returns `None` if the tree is too deep. Docstrings, annotations, the order of imports and the names of locals are
    looks; parameters count as locals unless something is called with their names. A program that is a mere constant
    stays as it is. The tree is changed.
    """
    try:
        if all(map(_idle, tree.body)):
            return ast.dump(tree)
        if not _names_used(tree) & _SEES_LOOKS:
            _Plain().visit(tree)
            _drop_idle_imports(tree)
        _rename_locals(tree)
        return ast.dump(tree)
    except RecursionError:
        return None


def _names_used(tree: ast.AST) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


class _Plain(ast.NodeTransformer):
    """Removes docstrings and annotations and sorts imports."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, _FUNCTION) and not node.decorator_list:  # a decorator may read annotations
            node.returns = None
            for arg in ast.walk(node.args):
                if isinstance(arg, ast.arg):
                    arg.annotation = None
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.AnnAssign):
                    part.simple = _FIELD
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            telling = [part for part in body if not _idle(part)]
            node.body = _sorted_imports(telling) or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.simple == _FIELD:
            return node
        return ast.Pass() if node.value is None else ast.Assign([node.target], node.value)


def _idle(node: ast.AST) -> bool:
    """Return whether a statement does nothing: a docstring, a `pass`, an ellipsis."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _sorted_imports(body: Sequence[Any]) -> list[Any]:
    """Sort each run of imports, one name at a time, unless two of them may bind the same name."""
    statements: list[Any] = []
    for imports, run in groupby(body, lambda node: isinstance(node, _IMPORTS)):
        if not imports:
            statements += run
            continue
        single = [part for node in run for part in _split(node)]
        bound = [part.names[0].asname or part.names[0].name for part in single]
        clash = len(set(bound)) < len(bound) or "*" in bound
        statements += single if clash else sorted(single, key=ast.dump)
    return statements


def _split(node: Any) -> Iterator[ast.Import | ast.ImportFrom]:
    for name in node.names:
        if isinstance(node, ast.Import):
            yield ast.Import([name])
        else:
            yield ast.ImportFrom(node.module, [name], node.level)


def _drop_idle_imports(tree: ast.Module) -> None:
    """Remove what was imported for annotations only."""
    used = _names_used(tree)

    def idle(node: ast.AST) -> bool:
        if not isinstance(node, ast.ImportFrom) or node.module not in _FOR_ANNOTATIONS:
            return False
        return (node.names[0].asname or node.names[0].name) not in {*used, "*"}

    tree.body = [node for node in tree.body if not idle(node)]


def _rename_locals(tree: ast.Module) -> None:
    """Number the names bound inside functions in order of appearance, per outermost function."""
    kept = _kept(tree)
    if _names_used(tree) & _SEES_NAMES:
        return
    for scope in _outermost(tree):
        inside = [node for child in ast.iter_child_nodes(scope) for node in ast.walk(child)]
        names = dict.fromkeys(name for node in inside for name in _binds(node) if name not in kept)
        numbered = {name: f"·{number}" for number, name in enumerate(names)}
        for node in inside:
            _rename(node, numbered)


def _kept(tree: ast.Module) -> set[str]:
    """Return names that stay: those of modules, classes and builtins, and calls' keywords."""
    kept = {*dir(builtins), *_bound(tree.body)}
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg=str(name)) | ast.NamedExpr(target=ast.Name(id=name)):
                kept.add(name)
            case ast.ClassDef(body=body):
                kept |= _bound(body)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                kept.update(names)
            case ast.arguments(kwonlyargs=args):  # callers use these names
                kept.update(arg.arg for arg in args)
            case _:
                pass
    return kept


def _outermost(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the functions, lambdas and comprehensions that are in no other."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _SCOPES):
            yield child
        else:
            yield from _outermost(child)


def _bound(body: Sequence[ast.AST]) -> set[str]:
    """Return the names that statements bind in their own scope, not in those within it."""
    names: set[str] = set()
    pending = list(body)
    while pending:
        node = pending.pop()
        names.update(_binds(node))
        if not isinstance(node, (*_SCOPES, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)
    return names


def _binds(node: ast.AST) -> Iterator[str]:
    """Yield the names that one node binds."""
    match node:
        case (
            ast.Name(id=name, ctx=ast.Store() | ast.Del())
            | ast.arg(arg=name)
            | ast.MatchMapping(rest=str(name))
        ):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name.partition(".")[0]
        case _:
            pass


def _rename(node: ast.AST, names: Mapping[str, str]) -> None:
    """Rename the names in one node; a local import still imports the same module."""
    match node:
        case ast.Name():
            node.id = names.get(node.id, node.id)
        case ast.arg():
            node.arg = names.get(node.arg, node.arg)
        case ast.alias():
            if (node.asname or node.name) in names:
                node.asname = names[node.asname or node.name]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            node.name = names.get(node.name, node.name)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            node.name = names.get(name, name)
        case ast.MatchMapping(rest=str(name)):
            node.rest = names.get(name, name)
        case _:
            pass
