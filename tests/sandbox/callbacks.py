"""Call whatever a program can call with callables of its own, and see what they are handed.

Run as a script in a process of its own, with the libraries patched as in a job but without the walls: prints a JSON
list of what reached a callable, a container or a caller although it leads to Python's built-ins, to a module, a
frame or code. Which functions exist and which options they take is leaks out, not listed.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import io
import json
import os
import re
import resource
import signal
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.sandbox.specimens import fillings, specimens

SOLVER = Path(__file__).resolve().parents[2] / "optillm" / "sandbox"
SECONDS = 0.02
SHARE = 0.08
MEMORY = 3 * 1024**3
MOST_OPTIONS = 12
REAL = (eval, exec, compile, open, builtins.__import__, getattr, setattr, vars, type)
FORBIDDEN = (types.ModuleType, types.FrameType, types.CodeType, types.TracebackType, types.MappingProxyType)
OPTION = re.compile(r"""(?:\.(?:get|pop|setdefault)\(|\[)\s*['"]([a-z_]\w*)['"]""")


class TimeUp(BaseException):
    """One call has had its share; no library catches this."""


def danger(value: Any, depth: int = 3) -> str | None:
    """What is wrong with something that a program would hold; looks into containers."""
    if isinstance(value, FORBIDDEN):
        return f"{type(value).__name__} {str(value)[:60]}"
    if any(value is one for one in REAL):
        return f"the real {value.__name__}"
    if isinstance(value, dict) and any(
        dict.__contains__(value, key) for key in ("__builtins__", "__import__")
    ):
        return "a mapping with the built-ins"
    if depth == 0 or isinstance(value, str | bytes):
        return None
    for item in parts(value):
        if (reason := danger(item, depth - 1)) is not None:
            return reason
    return None


def parts(value: Any) -> Iterable[Any]:
    """What a program could take out of a value without reading an attribute, at most 300 items of it."""
    if isinstance(value, dict):
        return [*list(value)[:100], *list(value.values())[:3000]]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)[:300]
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    if isinstance(value, types.MethodType) and isinstance(value.__self__, types.ModuleType):
        return [value.__self__]
    return []


class Watch:
    """Collects what probes were handed while one function was called."""

    def __init__(self) -> None:
        self.where = ""
        self.calls = 0
        self.leaks: dict[str, str] = {}

    def __call__(self, *arguments: Any, **named: Any) -> None:
        self.calls += 1
        self.look("handed to a callable", (*arguments, *named.values()))

    def look(self, how: str, value: Any) -> None:
        reason = danger(value)
        if reason is not None:
            self.leaks.setdefault(self.where, f"{how}: {reason}")


def probes(
    watch: Watch, methods: Iterable[str], reserved: frozenset[str], adopt: Callable[[type], None]
) -> list[Callable[[], Any]]:
    """Makers of the callables and objects that a program could pass: functions, classes, instances, containers."""

    def function(*arguments: Any, **named: Any) -> Any:
        watch(*arguments, **named)
        return arguments[0] if arguments else None

    def of(name: str) -> Callable[..., Any]:
        def method(self: Any, *arguments: Any, **named: Any) -> Any:
            watch(*arguments, **named)
            if name in {"__int__", "__index__", "__len__", "__hash__"}:
                return 1
            if name in {"__str__", "__repr__"}:
                return "x"
            return iter([1]) if name == "__iter__" else arguments[0] if arguments else self

        return method

    def anything(_: Any, name: str) -> Any:
        if name.startswith("__") or name in reserved:
            raise AttributeError(name)
        return function

    own = {name: of(name) for name in methods if name not in {"__init__", "__next__"}}

    def own_class(*definition: Any) -> type:
        made = type(*definition)
        adopt(made)
        return made

    everything = own_class("Everything", (), own | {"__getattr__": anything})
    printer = own_class(
        "Printer", (), {"__init__": of("__init__"), "__getattr__": anything, "__call__": function}
    )
    names = own_class(
        "Names", (dict,), {n: own[n] for n in ("__getitem__", "__contains__", "__setitem__", "__missing__")}
    )
    return [
        lambda: function, everything, lambda: printer, lambda: (function,), lambda: [function, {"x": function}],
        lambda: {"x": function, "sin": function}, names, dict, list,
    ]  # fmt: skip


def targets(tables: Any, policy: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """All callables a program can get at: by name, and as methods of specimens."""
    seen: set[int] = set()
    for module in tables._MODULES.values():
        for name, value in module.names().items():
            if callable(value) and id(value) not in seen:
                seen.add(id(value))
                yield f"{module!r}.{name}", value
    for name, value in tables.builtin_table().items():
        if callable(value) and id(value) not in seen and name.isidentifier():
            seen.add(id(value))
            yield name, value
    methods: set[Any] = set()
    for specimen in specimens():
        for name in dir(specimen):
            with contextlib.suppress(Exception):
                value = policy.read(specimen, name)
                key = getattr(value, "__func__", (type(specimen), name))
                if callable(value) and key not in methods:
                    methods.add(key)
                    yield f"{type(specimen).__name__}.{name}", value


def shape(target: Callable[..., Any]) -> tuple[int, list[str]]:
    """How many arguments it needs, and what it calls those that it may be given by name."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return 2, []
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    needed = len([p for p in positional if p.default is p.empty])
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        needed = max(needed, 2)
    options = [p.name for p in parameters if p.default is not p.empty and p.kind is not p.POSITIONAL_ONLY]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        with contextlib.suppress(TypeError, OSError):
            options += OPTION.findall(inspect.getsource(target))
    return min(needed, 5), list(dict.fromkeys(options))[:MOST_OPTIONS]


def attempts(
    target: Callable[..., Any], makers: list[Callable[[], Any]], rows: list[list[Any]]
) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arguments with a probe at each place in turn; every place and every probe once before the next row."""
    needed, options = shape(target)
    for row in rows:
        plain = (row * 3)[:needed]
        for make in makers[:3]:
            for index in range(needed):
                yield [*plain[:index], make(), *plain[index + 1 :]], {}
        for make in makers:
            for name in options:
                yield list(plain), {name: make()}


def attempt(watch: Watch, target: Callable[..., Any], arguments: list[Any], named: dict[str, Any]) -> None:
    """One call, its result, and what has become of the containers it was given."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    result: Any = None
    try:
        result = target(*arguments, **named)
        if isinstance(result, types.GeneratorType):
            result = next(result, None)
        if callable(result) and not isinstance(result, type):
            watch.look("returned", result)
            result = result(*arguments[:1])
    except BaseException:  # noqa: BLE001  most calls make no sense
        result = None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    watch.look("returned", result)
    watch.look(
        "left in a container", [one for one in (*arguments, *named.values()) if type(one) in {dict, list}]
    )


def expire(*_: Any) -> None:
    raise TimeUp


def examine(name: str, target: Callable[..., Any], watch: Watch, makers: list[Callable[[], Any]]) -> None:
    """All attempts at one function that its share of time allows."""
    watch.where = name
    until = time.process_time() + SHARE
    for arguments, named in attempts(target, makers, fillings()):
        with contextlib.suppress(TimeUp), contextlib.redirect_stdout(io.StringIO()):
            attempt(watch, target, arguments, named)
        if time.process_time() > until:
            return


def in_forks(work: Callable[[int], None], count: int) -> list[int]:
    """Do numbered pieces of work in forks, a new one after each that ends a process; the numbers of those."""
    fatal, start = [], 0
    while start < count:
        reader, writer = os.pipe()
        if os.fork() == 0:
            for number in range(start, count):
                os.write(writer, number.to_bytes(4, "big"))
                work(number)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as progress:
            last = int.from_bytes(progress.read()[-4:], "big")
        if os.wait()[1] != 0:
            fatal.append(last)
        start = last + 1
    return fatal


def main(only: str, unpatched: bool) -> None:
    """Examine what has `only` in its name."""
    sys.path.insert(0, str(SOLVER))
    z3setup, jail = importlib.import_module("inside.z3setup"), importlib.import_module("inside.jail")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    if unpatched:
        setattr(importlib.import_module("inside.dialect.sinks"), "patch", lambda: None)  # noqa: B010
    importlib.import_module("inside.preload").preload()
    tables, policy, grammar = (
        importlib.import_module(f"inside.dialect.{n}") for n in ("tables", "policy", "grammar")
    )
    adopt = importlib.import_module("inside.dialect.own").own
    z3setup.configure_z3(jail.Bounds(wall_ms=1000, cpu=100, memory_mb=1024))
    every = [(name, target) for name, target in targets(tables, policy) if only in name]
    report, sys.stderr = sys.stdout, io.StringIO()

    def work(number: int) -> None:
        signal.signal(signal.SIGVTALRM, expire)
        watch = Watch()
        examine(*every[number], watch, probes(watch, grammar.METHODS, grammar.RESERVED, adopt))
        result = {"name": every[number][0], "calls": watch.calls, "leaks": watch.leaks}
        os.write(report.fileno(), (json.dumps(result) + "\n").encode())

    for number in in_forks(work, len(every)):
        report.write(json.dumps({"name": every[number][0], "fatal": True}) + "\n")
    report.flush()


if __name__ == "__main__":
    main(sys.argv[1], "--unpatched" in sys.argv)
