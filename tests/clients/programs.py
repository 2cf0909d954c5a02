"""Programs of other environments than this one: Node, and Python with version 2 of the openai package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.e2e.proxy import clean_environment

HERE: Final = Path(__file__).parent
OPENAI2: Final = Path(sys.prefix) / "openai2" / "bin" / "python"
"""The environment of clients that cannot live with the openai package that we need."""


def run(*program: str | Path, stdin: str | None = None, cwd: str | Path = HERE, **variables: str) -> str:
    """What a program prints; its complaints when it fails."""
    done = subprocess.run(  # noqa: S603 - programs of ours and of the clients under test
        [str(part) for part in program],
        env=clean_environment(**variables),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def openai2(program: Path, *arguments: str, **variables: str) -> str:
    """What a Python program prints in the environment with openai 2."""
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else it is fetched at each start
    return run(OPENAI2, "-W", "ignore", program, *arguments, **offline, **variables)


def command(name: str) -> Path:
    """A command that is installed in this environment."""
    return Path(sys.prefix) / "bin" / name
