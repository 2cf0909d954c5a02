"""The names that programs may use, read from the word lists in this folder.

Each name was looked at, none is admitted by rule. The lists are read once, in the zygote, before it gives up its
access to files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _by_key(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {key: _words(text) for key, text in table.items()}


_sympy, _z3, _plain = (_read(f"{name}.toml") for name in ("sympy", "z3", "plain"))

SYMPY_TOP: Final = _words(_sympy["top"])
"""The names of the package `sympy` itself."""
SYMPY_SAME: Final = tuple(_sympy["same"].split())
"""Modules of which a program sees those names above that they define or pass on."""
SYMPY_MODULES: Final = _by_key(_sympy["modules"])
"""Modules with names of their own."""
SYMPY_FAMILIES: Final = _words(_sympy["families"])
"""Full names of the classes whose subclasses are objects of sympy."""
SYMPY_HIDDEN: Final = _words(_sympy["hidden"])
"""Attributes of these objects that lead out of sympy."""

Z3_FUNCTIONS: Final = _words(_z3["functions"])
Z3_VALUES: Final = _words(_z3["values"])
Z3_MADE_WITH: Final[Mapping[str, int]] = _z3["made_with"]
"""Classes that a program may instantiate, with the number of arguments that cannot be pointers, files or contexts."""
Z3_TESTED_FOR: Final = _words(_z3["tested_for"])
"""Classes that serve `isinstance` only."""
Z3_METHODS: Final = _words(_z3["methods"])
Z3_ONLY: Final = _by_key(_z3["only"])
"""Methods by the classes that may use them: elsewhere they mean something else, or are a raw pointer."""
Z3_PRINTING: Final = _words(_z3["printing"])
Z3_PASSED_OVER: Final = _words(_z3["passed_over"])
"""Options that models like to set and that make no difference to an answer."""
Z3_OPTIONS: Final = _words(_z3["options"])

ATTRIBUTES: Final = _by_key(_plain["attributes"])
"""By full name of the type: what may be read of its instances and, unbound, of the type itself."""
OF_CLASSES: Final = _by_key(_plain["of_classes"])
"""What may be read of the types beyond that."""
WRITABLE: Final = _by_key(_plain["writable"])
"""What may be set on instances of library types."""
