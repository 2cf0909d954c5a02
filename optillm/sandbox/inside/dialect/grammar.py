"""The allowed subset of Python.

Every node of a program's tree must be on a list, before all else.
"""

from __future__ import annotations

import ast
from typing import Final

from ..outcome import Refused
from ..words import words

MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 80

_ALLOWED: Final = frozenset(
    getattr(ast, name)
    for name in words(
        """
        Module Expression FunctionDef ClassDef Return Delete Assign AugAssign AnnAssign For While If Raise Try
        Assert Import ImportFrom Global Nonlocal Expr Pass Break Continue BoolOp NamedExpr BinOp UnaryOp
        Lambda IfExp Dict Set ListComp SetComp DictComp GeneratorExp Yield YieldFrom Compare Call
        FormattedValue JoinedStr Constant Attribute Subscript Starred Name List Tuple Slice Load Store Del And
        Or Add Sub Mult MatMult Div Mod Pow LShift RShift BitOr BitXor BitAnd FloorDiv Invert Not UAdd USub Eq
        NotEq Lt LtE Gt GtE Is IsNot In NotIn comprehension ExceptHandler arguments arg keyword alias Match
        match_case MatchValue MatchSingleton MatchSequence MatchStar MatchMapping MatchAs MatchOr
        """
    )
)

_KEYWORDS: Final = {
    "With": "with",
    "AsyncWith": "async",
    "AsyncFor": "async",
    "AsyncFunctionDef": "async",
    "Await": "await",
    "TryStar": "except*",
}

METHODS: Final = frozenset(
    f"__{name}__"
    for name in words(
        """
        init post_init repr str eq ne lt le gt ge hash len iter next getitem setitem delitem contains call
        bool neg pos abs invert add radd iadd sub rsub isub mul rmul imul truediv rtruediv floordiv rfloordiv
        mod rmod pow rpow and rand or ror xor rxor matmul lshift rshift int float index round divmod reversed
        missing
        """
    )
)
"""The special methods that a class may define."""

RESERVED: Final = frozenset(
    {"as_ast", "ast", "ctx", "ctx_ref", "as_func_decl", "from_param", "ref", "_as_parameter_"}
)
"""Names under which z3 looks for raw pointers in whatever object it gets."""


def check(tree: ast.AST) -> None:
    """Check every node of a tree.

    Raises `Refused`, with the line, for what is not in the dialect.
    """
    count = 0
    stack: list[tuple[ast.AST, int, bool]] = [(tree, 0, False)]
    while stack:
        node, depth, in_class = stack.pop()
        count += 1
        line = getattr(node, "lineno", None)
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise Refused("the program is too large or nested too deeply", line)
        if type(node) not in _ALLOWED:
            keyword = _KEYWORDS.get(type(node).__name__, type(node).__name__)
            raise Refused(
                f"{keyword!r} is not part of this dialect", line, hint=f"write it without {keyword!r}"
            )
        _check_names(node, line, in_class)
        inside = isinstance(node, ast.ClassDef)
        stack.extend((child, depth + 1, inside) for child in ast.iter_child_nodes(node))


def check_attribute(name: str, line: int | None = None) -> None:
    """Refuse a name that programs can never read or write as an attribute."""
    if name.startswith("__") and name not in METHODS and name not in {"__name__", "__doc__"}:
        raise Refused(
            f"the attribute {name} is not offered", line, hint="leave out names with double underscores"
        )


def check_own(name: str, line: int | None = None) -> None:
    """Refuse a name of the program's own that a library would misinterpret."""
    if name in RESERVED:
        raise Refused(f"{name} is not offered as a name of an attribute", line, hint="choose another name")


def _check_names(node: ast.AST, line: int | None, in_class: bool) -> None:
    if isinstance(node, ast.Name):
        readable = isinstance(node.ctx, ast.Load) and node.id == "__name__"
        slots = isinstance(node.ctx, ast.Store) and node.id == "__slots__"
        if not readable and not slots:
            _check_name(node.id, line)
    elif isinstance(node, ast.Attribute):
        check_attribute(node.attr, line)
        if not isinstance(node.ctx, ast.Load):
            _check_name(node.attr, line)
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        if not (in_class and isinstance(node, ast.FunctionDef) and node.name in METHODS):
            _check_name(node.name, line)
        if in_class:
            check_own(node.name, line)
    elif isinstance(node, ast.arg | ast.keyword):
        _check_name(node.arg or "", line)
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        _check_name(node.name or "", line)
    elif isinstance(node, ast.MatchMapping):
        _check_name(node.rest or "", line)
    elif isinstance(node, ast.MatchValue) and any(isinstance(n, ast.Attribute) for n in ast.walk(node)):
        raise Refused("a name with a dot in a pattern", line, hint="compare with if and elif instead")
    elif isinstance(node, ast.Global | ast.Nonlocal):
        for name in node.names:
            _check_name(name, line)
    elif isinstance(node, ast.alias):
        for part in [*node.name.split("."), node.asname or ""]:
            if part != "__future__":
                _check_name(part, line)


def _check_name(name: str, line: int | None) -> None:
    if name.startswith("__"):
        raise Refused(f"the name {name} is not offered", line, hint="leave out names with double underscores")
