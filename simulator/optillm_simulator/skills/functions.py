"""Small Python functions: read a request for one, write it in several shapes, recognise these shapes.

Nothing is ever run: a program is recognised by its syntax tree with local names normalised, or not at all.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from optillm_simulator.skills.kinds import Kind
from optillm_simulator.skills.number_kinds import NUMBERS
from optillm_simulator.skills.text_kinds import OTHERS

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (*NUMBERS, *OTHERS)}

_SIGNATURE = re.compile(r"`?\b(?:def )?([a-z_]\w{0,40})\(([a-z_]\w*(?:, ?[a-z_]\w*){0,4})\)`?")
_ABOUT_CODE = re.compile(r"\bfunction\b|\bdef\b|\bspecification\b|\bpython\b", re.IGNORECASE)
_LOCALS: Mapping[str, tuple[str, ...]] = {
    "ACC": ("total", "result", "acc", "value_so_far"),
    "ITEM": ("item", "x", "element", "one"),
    "OUT": ("result", "found", "output", "collected"),
    "BEST": ("best", "current", "top"),
    "LOW": ("low", "smallest"),
    "HIGH": ("high", "largest"),
    "INDEX": ("index", "i", "position"),
}
_LOCAL = re.compile(r"\b(?:" + "|".join(_LOCALS) + r")\b")
_FENCE = re.compile(r"```[\w+-]*\n(.*?)```", re.DOTALL)
VAGUE = "The exact limits are up to the implementation."
_MAX_CODE = 4000


@dataclass(frozen=True, slots=True)
class Function:
    """A function that is wanted: its kind and the number in it, its name and arguments, and which behaviour.

    `variant` 0 is what the kind says; 1 and above add the note of a fault, so that the fault is what is wanted.
    """

    kind: str
    k: int
    name: str
    args: tuple[str, ...]
    variant: int = 0
    vague: bool = False

    @property
    def made(self) -> Kind:
        """Return its kind."""
        return KINDS[self.kind]


def read_function(text: str) -> Function | None:
    """Return the function that a question or specification asks for; `None` if it is no known kind."""
    if not _ABOUT_CODE.search(text):
        return None
    for kind in KINDS.values():
        match = kind.reads.search(text)
        if match:
            k = int(match[1]) if match[1] else 0
            signed = next(
                (m for m in _SIGNATURE.finditer(text) if m[2].count(",") + 1 == len(kind.args)), None
            )
            name = signed[1] if signed else kind.name
            args = tuple(re.split(r", ?", signed[2])) if signed else kind.args
            noted = [at for at, fault in enumerate(kind.faults, 1) if fault.note.format(k=k) in text]
            return Function(kind.name, k, name, args, noted[0] if noted else 0, VAGUE in text)
    return None


def described(task: Function, variant: int, rng: random.Random) -> str:
    """Return a specification of a variant, in words alone."""
    made = task.made
    wording = rng.choice(made.asks).format(k=task.k)
    note = f" {made.faults[variant - 1].note.format(k=task.k)}" if variant else ""
    return f"The function `{task.name}({', '.join(task.args)})` {wording}.{note}"


def behaviour(task: Function, variant: int) -> str:
    """Return in a few words what sets a variant apart."""
    return (
        task.made.faults[variant - 1].note.format(k=task.k).rstrip(".") if variant else "what was asked for"
    )


def source(task: Function, variant: int, rng: random.Random) -> str:
    """Return the code of a variant; shape, local names and decoration vary."""
    shapes = _shapes(task, variant)
    body = rng.choice(shapes)
    chosen: dict[str, str] = {}
    for local, names in _LOCALS.items():
        free = [name for name in names if name not in task.args and name not in chosen.values()]
        chosen[local] = rng.choice(free)
    body = _LOCAL.sub(lambda match: chosen[match[0]], body)
    docstring = f'"""{task.name.replace("_", " ").capitalize()}."""\n' if rng.random() < 0.4 else ""
    return _defined(task, docstring + body)


def canonical(task: Function, variant: int) -> str:
    """Return the one code that stands for a variant, whichever way it is written."""
    return _defined(task, _LOCAL.sub(lambda match: _LOCALS[match[0]][0], _shapes(task, variant)[0]))


def _shapes(task: Function, variant: int) -> list[str]:
    """Return the bodies in which a variant differs from the clean function, local names still open."""
    made = task.made
    fault = made.faults[variant - 1].slots if variant else {}
    bodies = [body for body in made.bodies if not fault or any(f"{{{slot}}}" in body for slot in fault)]
    slots = {name: code.replace("{k}", str(task.k)) for name, code in {**made.slots, **fault}.items()}
    own = dict(zip(made.args, task.args, strict=True))
    filled = [body.format(k=task.k, **slots) for body in bodies]
    return [_renamed(body, own) for body in filled]


def _renamed(body: str, own: Mapping[str, str]) -> str:
    if all(name == other for name, other in own.items()):
        return body
    return re.sub(r"\b(?:" + "|".join(own) + r")\b", lambda match: own[match[0]], body)


def _defined(task: Function, body: str) -> str:
    indented = body.replace("\n", "\n    ")
    return f"def {task.name}({', '.join(task.args)}):\n    {indented}"


def code_in(text: str) -> str | None:
    """Return a text's program: its last fenced block that defines something, else all from the first `def`."""
    blocks = [block for block in _FENCE.findall(text) if "def " in block]
    if blocks:
        return str(blocks[-1]).strip()
    at = text.find("def ")
    return text[at:].strip() if at >= 0 and "`" not in text[at:] else None


def variant_of(task: Function, code: str) -> int | None:
    """Return which variant of a function a program is; `None` if its shape is unknown."""
    shape = _shape(code)
    return None if shape is None else _known_shapes(replace(task, variant=0, vague=False)).get(shape)


def recognised(code: str) -> tuple[Function, int] | None:
    """Return the function and variant that a program is, without knowing the request."""
    signed = re.search(r"def (\w+)\(([^)]*)\)", code)
    if not signed or len(code) > _MAX_CODE:
        return None
    args = tuple(argument.partition(":")[0].strip() for argument in signed[2].split(","))
    numbers = list(dict.fromkeys(map(int, re.findall(r"\b\d{1,4}\b", code))))[:4]
    likely = [KINDS[signed[1]]] if signed[1] in KINDS else list(KINDS.values())
    for kind in likely:
        parametrised = "{k}" in kind.asks[0]
        for k in numbers if parametrised else [0]:
            if len(kind.args) == len(args):
                task = Function(kind.name, k, signed[1], args)
                variant = variant_of(task, code)
                if variant is not None:
                    return task, variant
    return None


@lru_cache(maxsize=2048)
def _known_shapes(task: Function) -> dict[str, int]:
    """Return every shape of every variant, the clean ones first."""
    variants: dict[str, int] = {}
    for variant in range(len(task.made.faults) + 1):
        for body in _shapes(task, variant):
            shape = _shape(_defined(task, body))
            if shape is not None:
                variants.setdefault(shape, variant)
    return variants


@lru_cache(maxsize=2048)
def _shape(code: str) -> str | None:
    """Return the syntax tree of a program's last function, normalised; `None` if there is none.

    Names are made alike; docstring and annotations are left out.
    """
    if len(code) > _MAX_CODE:
        return None
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not defined:
        return None
    return _dumped(defined[-1])


def _dumped(function: ast.FunctionDef) -> str | None:
    body = function.body
    if len(body) > 1 and ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    names = {argument.arg: f"a{at}" for at, argument in enumerate(function.args.args)}
    bound = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Name)]
    stored = {node.id for node in bound if isinstance(node.ctx, ast.Store)}
    for node in bound:
        if node.id in stored:
            names.setdefault(node.id, f"v{len(names)}")
    for node in bound:
        node.id = names.get(node.id, node.id)
    try:
        return f"{len(function.args.args)}: {[ast.dump(statement) for statement in body]}"
    except RecursionError:
        return None


def well_formed(task: Function, code: str) -> bool:
    """Return whether a program of unknown shape defines what is wanted and returns something."""
    shape = _shape(code)
    return shape is not None and shape.startswith(f"{len(task.args)}: ") and "Return(" in shape


def expected(task: Function) -> list[tuple[str, str]]:
    """Return calls and the values they should give, both as source text."""
    made = task.made
    calls = []
    for arguments in made.inputs(task.k):
        listed = ", ".join(map(repr, arguments))
        calls.append((f"{task.name}({listed})", repr(made.reference(*arguments, task.k))))
    return calls


def asserts(task: Function) -> list[str]:
    """Return assertions that the clean function satisfies and every variant breaks."""
    return [f"assert {call} == {value}" for call, value in expected(task)]


def invent_function(rng: random.Random) -> tuple[str, str, list[str]]:
    """Return a question for a function, a reference implementation and tests."""
    kind = rng.choice(list(KINDS.values()))
    task = Function(kind.name, rng.randint(3, 9) if "{k}" in kind.asks[0] else 0, kind.name, kind.args)
    signature = f"`{task.name}({', '.join(task.args)})`"
    wording = rng.choice(kind.asks).format(k=task.k)
    opening = rng.choice(
        ("Write a Python function", "Please write a Python function", "Implement a Python function")
    )
    return f"{opening} {signature} that {wording}.", canonical(task, 0), asserts(task)
