"""Rewrite a checked tree so that everything that could reach too far passes through a guard.

Guards have names that no program can write, such as `@attr`: they are no identifiers, which Python does not mind.
"""

from __future__ import annotations

import ast
from typing import Any, Final, TypeVar

from ..outcome import Refused

_HARMLESS_FACTOR: Final = 1_000_000
_HARMLESS_EXPONENT: Final = 64
_GUARDED: Final = {ast.Mult: "@mul", ast.Pow: "@pow", ast.LShift: "@shift"}
FIELDS: Final = "@fields"
"""The class variable that keeps the order of a class's annotated names."""


Tree = TypeVar("Tree", ast.Module, ast.Expression)


def rewritten(tree: Tree) -> Tree:
    """Return the same program with guards.

    `tree` must have passed `grammar.check`; it is changed in place.
    """
    guarded: Tree = _Rewriter().visit(tree)
    return ast.fix_missing_locations(guarded)


def _guard(name: str, *arguments: ast.expr, at: ast.AST) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
    for node in (call, call.func):
        ast.copy_location(node, at)
    return call


def _constant(value: Any, at: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Constant(value), at)


def _parameters(of: ast.arguments) -> list[ast.expr]:
    """Return the parameters of a function as arguments of another call."""
    arguments: list[ast.expr] = [
        ast.copy_location(ast.Name(parameter.arg, ast.Load()), parameter)
        for parameter in (*of.posonlyargs, *of.args, *of.kwonlyargs)
    ]
    if of.vararg:
        arguments.append(ast.Starred(ast.Name(of.vararg.arg, ast.Load()), ast.Load()))
    if of.kwarg:
        arguments.append(ast.Name(of.kwarg.arg, ast.Load()))
    return arguments


class _Rewriter(ast.NodeTransformer):
    def __init__(self) -> None:
        self._depth = 0

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        name = _constant(node.attr, node)
        if isinstance(node.ctx, ast.Load):
            return _guard("@attr", node.value, name, at=node)
        slot = ast.Subscript(_guard("@slot", node.value, at=node), name, node.ctx)
        return ast.copy_location(slot, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        guard = _GUARDED.get(type(node.op))
        if guard is None or _harmless(node.op, node.left, node.right):
            return node
        return _guard(guard, node.left, node.right, at=node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        guard = _GUARDED.get(type(node.op))
        plain = isinstance(node.target, ast.Name)
        self.generic_visit(node)
        if guard is None or not plain or not isinstance(node.target, ast.Name):
            return node
        current = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        grown = _guard(guard, current, node.value, at=node)
        return ast.copy_location(ast.Assign([node.target], grown), node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        self.generic_visit(node)
        if node.format_spec is None:
            return node
        # Width and precision of a format decide how much memory it needs.
        conversion = _constant(node.conversion, node)
        text = _guard("@format", node.value, conversion, node.format_spec, at=node)
        return ast.copy_location(ast.FormattedValue(text, -1, None), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.returns = None
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        names = _parameters(node.args)
        if names:
            check = ast.Expr(_guard("@received", *names, at=node))
            node.body.insert(ast.get_docstring(node) is not None, ast.copy_location(check, node))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.generic_visit(node)
        names = _parameters(node.args)
        if names:  # the check returns None, so the value is that of the body
            check = _guard("@received", *names, at=node)
            node.body = ast.copy_location(ast.BoolOp(ast.Or(), [check, node.body]), node)
        return node

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        self.generic_visit(node)
        return _guard("@sent", node, at=node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        target, value = self.visit(node.target), self.visit(node.value)
        return ast.copy_location(ast.Assign([target], value), node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        if node.keywords:
            raise Refused("a class takes no keywords here, no metaclass in particular", node.lineno)
        fields = [
            s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
        ]
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        node.body = [statement for statement in node.body if not _is_slots(statement)] or [ast.Pass()]
        node.bases = [_guard("@base", base, at=base) for base in node.bases]
        if fields:
            names = ast.Tuple([_constant(name, node) for name in fields], ast.Load())
            node.body.append(ast.Assign([ast.Name(FIELDS, ast.Store())], names))
        node.decorator_list.append(ast.copy_location(ast.Name("@class", ast.Load()), node))
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.split(".")[0]
            calls = [
                _guard("@module", _constant(n, node), at=node) for n in dict.fromkeys((alias.name, name))
            ]
            statements += [ast.copy_location(ast.Expr(call), node) for call in calls[:-1]]
            target = ast.copy_location(ast.Name(alias.asname or name, ast.Store()), node)
            statements.append(ast.copy_location(ast.Assign([target], calls[-1]), node))
        return statements

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        if node.level or node.module is None:
            raise Refused("there is nothing to import relatively", node.lineno)
        if node.module == "__future__":
            return [ast.copy_location(ast.Pass(), node)]
        module = _constant(node.module, node)
        if any(alias.name == "*" for alias in node.names):
            if self._depth:
                raise Refused("import * belongs to the top of a program", node.lineno)
            return [ast.copy_location(ast.Expr(_guard("@star", module, at=node)), node)]
        statements: list[ast.stmt] = []
        for alias in node.names:
            value = _guard("@member", module, _constant(alias.name, node), at=node)
            target = ast.copy_location(ast.Name(alias.asname or alias.name, ast.Store()), node)
            statements.append(ast.copy_location(ast.Assign([target], value), node))
        return statements


def _harmless(operator: ast.operator, left: ast.expr, right: ast.expr) -> bool:
    """Return whether a literal operand alone shows that the result stays small enough."""
    if isinstance(operator, ast.Mult):
        return _small(left, _HARMLESS_FACTOR) or _small(right, _HARMLESS_FACTOR)
    return isinstance(operator, ast.Pow) and _small(right, _HARMLESS_EXPONENT)


def _small(node: ast.expr, largest: int) -> bool:
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return False
    return isinstance(node.value, float) or (isinstance(node.value, int) and node.value <= largest)


def _is_slots(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "__slots__" for target in statement.targets
    )
