"""What the zygotes of the tests are made of. Only these files can take a wall away; no setting can."""

import importlib
import pkgutil
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "optillm" / "sandbox"))
importlib.import_module("inside.kernel").end_with(0)
zygote = importlib.import_module("inside.zygote")
job = importlib.import_module("inside.job")
jail = importlib.import_module("inside.jail")
del sys.path[0]

_PATCH, _LEAVE = "patch", "leave_network"


def limits_only(bounds: Any, *, filtered: bool) -> None:
    """Not the jail: just enough that a bomb does no harm here, and files could be written."""
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_CORE):
        size = bounds.memory_mb * jail.MEGABYTE if limit == resource.RLIMIT_AS else 0
        resource.setrlimit(limit, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.cpu, bounds.cpu + 1))
    resource.setrlimit(resource.RLIMIT_NPROC, (bounds.threads, bounds.threads))


def raw(descriptor: int, bounds: Any, install: Any, *, python: bool) -> None:
    """Not the dialect: plain `exec` with everything Python has."""
    job.serve(descriptor, bounds, install, _execute)


def _execute(language: str, program: str, bounds: Any) -> str:
    if language not in {"z3py", "sympy"}:
        return str(job.run_without_python(language, program, bounds))
    names: dict[str, Any] = {"__name__": "__main__"}
    first, second = ("sympy", "z3") if language == "z3py" else ("z3", "sympy")
    exec(f"from {first} import *\nfrom {second} import *\nimport os, sys", names)  # noqa: S102
    try:
        exec(compile(program, "<program>", "exec"), names)  # noqa: S102
    except Exception as error:  # noqa: BLE001  whatever an attack raises
        raise job.Failed("error", type(error).__name__, str(error)) from None
    except SystemExit:
        pass
    return ""


def without_sinks() -> None:
    """Leave z3 and sympy as they are."""
    setattr(importlib.import_module("inside.dialect.sinks"), _PATCH, lambda: None)


def with_network() -> None:
    """Stay in the network of the machine."""
    setattr(importlib.import_module("inside.kernel"), _LEAVE, lambda: None)


def without_rare_modules() -> None:
    """Leave out the parts of sympy that few programs need: importing them is three quarters of the start."""
    pkgutil.walk_packages = lambda *_, **__: iter(())


def main(**parts: Any) -> None:
    """Start a zygote of such parts."""
    language_only = "--language-only" in sys.argv
    parts = {"install": jail.install, "execute": job.execute, "language_only": language_only} | parts
    zygote.main(zygote.Plan(**parts))
