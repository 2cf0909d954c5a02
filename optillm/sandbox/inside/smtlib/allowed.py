"""The commands, options and indices that a script may contain."""

from __future__ import annotations

from typing import Final

from ..outcome import Failed, Refused
from .reader import Atom, Node, SExpr, inner_lists

DECLARING: Final = frozenset(
    {
        "declare-const", "declare-fun", "declare-sort", "declare-datatype", "declare-datatypes",
        "define-const", "define-fun", "define-fun-rec", "define-funs-rec", "define-sort",
    }
)  # fmt: skip
OPTIMIZING: Final = frozenset({"maximize", "minimize", "assert-soft"})
ASKING: Final = frozenset(
    {
        "check-sat", "check-sat-assuming", "get-model", "get-value", "get-unsat-core", "get-unsat-assumptions",
        "get-assertions", "get-assignment", "get-objectives", "get-info", "get-proof", "eval", "simplify",
    }
)  # fmt: skip
STEERING: Final = frozenset(
    {"set-logic", "set-option", "set-info", "push", "pop", "reset", "reset-assertions", "echo", "exit"}
)
COMMANDS: Final = DECLARING | OPTIMIZING | ASKING | STEERING | {"assert"}

_FLAGS: Final = frozenset(
    {
        ":produce-models", ":produce-unsat-cores", ":produce-assertions", ":produce-assignments",
        ":produce-unsat-assumptions", ":produce-proofs", ":interactive-mode", ":global-declarations",
        ":global-decls", ":auto_config", ":auto-config", ":model_evaluator.completion", ":model.completion",
        ":pp.decimal", ":pp.bv_literals", ":smt.mbqi", ":smt.core.minimize", ":sat.core.minimize",
        ":smt.auto_config", ":smt.ematching", ":model",
    }
)  # fmt: skip
_NUMBERS: Final = frozenset(
    {
        ":timeout", ":rlimit", ":random-seed", ":smt.random_seed", ":sat.random_seed", ":smt.arith.solver",
        ":pp.decimal_precision", ":smt.phase_selection", ":smt.relevancy",
    }
)  # fmt: skip
_WORDS: Final = {":opt.priority": {"lex", "pareto", "box"}}
_DROPPED: Final = frozenset(
    {":print-success", ":verbosity", ":reproducible-resource-limit", ":smt-lib-version", ":status", ":source"}
)
_ATTRIBUTES: Final = frozenset(
    {":named", ":pattern", ":no-pattern", ":qid", ":skolemid", ":weight", ":id", ":completion"}
)
_INFOS: Final = frozenset({":reason-unknown", ":name", ":version", ":authors", ":assertion-stack-levels"})

WIDEST: Final = 1024
_WIDTHS: Final = frozenset({"BitVec", "zero_extend", "sign_extend", "repeat", "int2bv", "int_to_bv"})
_LARGEST_INDEX: Final = 1_000_000
_DEEPEST_SCOPE: Final = 999
_LARGEST_SETTING: Final = 2**31 - 1


def admit(node: Node, commands: frozenset[str], longest_check: int) -> SExpr | None:
    """Return the command as z3 may have it; `None` for one that is better left out.

    Raises `Failed` or `Refused` for all others.
    """
    if not isinstance(node, SExpr) or not node.head:
        raise Failed("syntax", "SmtSyntaxError", "expected a command in parentheses", node.line)
    if node.head not in COMMANDS:
        raise Refused(f"the command {node.head} is not offered", node.line, hint=_offer(commands))
    if node.head not in commands:
        raise Refused(f"the command {node.head} has no place here", node.line, hint=_offer(commands))
    check_terms(node)
    if node.head == "set-info":
        return None
    if node.head == "set-option":
        return _option(node, longest_check)
    if node.head in {"push", "pop"}:
        _scopes(node)
    if node.head == "get-info":
        _info(node)
    return node


def check_terms(node: Node) -> None:
    """Refuse useless attributes, and indices that make z3 build what no memory holds."""
    if isinstance(node, Atom):
        return
    options = node.head in {"set-option", "set-info", "get-info"}
    for expr in inner_lists(node):
        for part in expr.parts:
            if (
                isinstance(part, Atom)
                and part.kind == "keyword"
                and not options
                and part.text not in _ATTRIBUTES
            ):
                raise Refused(f"the attribute {part.text} is not offered", part.line)
        if expr.head == "_" and len(expr.parts) > 2:
            _indices(expr)


def _indices(expr: SExpr) -> None:
    name = expr.parts[1]
    for index in expr.parts[2:]:
        if not isinstance(index, Atom) or index.kind != "numeral":
            continue
        widths = isinstance(name, Atom) and (name.text in _WIDTHS or name.text.startswith("bv"))
        largest = WIDEST if widths else _LARGEST_INDEX
        if len(index.text) > 8 or int(index.text) > largest:
            raise Refused(f"an index above {largest}", expr.line, hint="use narrower bit-vectors")


def _option(node: SExpr, longest_check: int) -> SExpr | None:
    atoms = [part for part in node.parts[1:] if isinstance(part, Atom)]
    if len(atoms) != 2 or len(node.parts) != 3 or atoms[0].kind != "keyword":
        raise Failed("syntax", "SmtSyntaxError", "set-option takes a name and a value", node.line)
    name, value = atoms
    if name.text in _DROPPED:
        return None
    if name.text in _FLAGS and value.text in {"true", "false"}:
        return node
    if name.text in _NUMBERS and value.kind == "numeral" and len(value.text) < 11:
        largest = longest_check if name.text == ":timeout" else _LARGEST_SETTING
        number = min(int(value.text) or largest, largest) if name.text == ":timeout" else int(value.text)
        setting = Atom("numeral", str(min(number, largest)), value.line)
        return SExpr(node.line, [node.parts[0], name, setting])
    if value.text in _WORDS.get(name.text, ()):
        return node
    raise Refused(f"the option {name.text} cannot be set to that", node.line, hint="leave the option out")


def _scopes(node: SExpr) -> None:
    for part in node.parts[1:]:
        if not isinstance(part, Atom) or part.kind != "numeral" or len(part.text) > 3:
            raise Refused(f"{node.head} takes one number up to {_DEEPEST_SCOPE}", node.line)


def _info(node: SExpr) -> None:
    named = [part.text for part in node.parts[1:] if isinstance(part, Atom)]
    if len(named) != 1 or named[0] not in _INFOS:
        raise Refused("that information is not offered", node.line)


def _offer(commands: frozenset[str]) -> str:
    return "offered are: " + ", ".join(sorted(commands - {"set-info"}))
