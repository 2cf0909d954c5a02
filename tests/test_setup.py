"""setup.sh and the Makefile: what a newcomer meets first, on machines where something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.proxy import ROOT

TOOLS = ("sh", "make", "awk", "touch", "cat", "echo")
INTERPRETER = os.path.realpath(sys.executable)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that is all of PATH: the usual tools, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        if located := shutil.which(tool):
            (folder / tool).symlink_to(located)
    return folder


def put(path: Path, name: str, script: str) -> None:
    (path / name).write_text(f"#!{shutil.which('sh')}\n{script}\n", encoding="utf-8")
    (path / name).chmod(0o755)


def setup(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What setup.sh does for a folder beside PATH; by default it is to install what pip brings along itself."""
    return subprocess.run(  # noqa: S603 - our own script
        [str(path / "sh"), str(ROOT / "setup.sh"), str(path.parent / "venv"), *(arguments or ["pip"])],
        env={"PATH": str(path), "HOME": str(path.parent), "PIP_NO_INDEX": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def refused(path: Path, **variables: str) -> str:
    ended = setup(path, **variables)
    assert ended.returncode != 0
    assert not (path.parent / "venv").exists()
    (line,) = ended.stderr.splitlines()
    assert line.startswith("optillm: ")
    return line


OLD = {
    "an old one": (
        'case "$1" in --version) echo Python 3.9.2;; *) echo False;; esac',
        "python3 is Python 3.9.2",
    ),
    "one that only knows its version": ("echo Python 3.10.12", "python3 is Python 3.10.12"),
    "Python 2": (
        'case "$1" in --version) echo Python 2.7.18 >&2;; *) exit 1;; esac',
        "python3 is Python 2.7.18",
    ),
    "one that does not start": ("exit 127", "python3 is broken"),
}


@pytest.mark.parametrize("kind", OLD)
def test_an_old_python_is_refused_in_one_line(kind: str, path: Path) -> None:
    script, said = OLD[kind]
    put(path, "python3", script)
    line = refused(path)
    assert said in line
    assert "Python 3.11 or newer" in line


def test_a_missing_python_is_reported_in_one_line(path: Path) -> None:
    assert "python3 is missing" in refused(path)


def test_only_the_python_that_is_named_is_used(path: Path) -> None:
    put(path, "python3", f'exec {INTERPRETER} "$@"')
    assert "/no such/python is missing" in refused(path, PYTHON3="/no such/python")


def test_a_python_without_venv_is_reported_in_one_line(path: Path) -> None:
    put(path, "python3", f'case "$2" in *ensurepip*) exit 1;; esac\nexec {INTERPRETER} "$@"')
    assert "apt install python3-venv" in refused(path)


@pytest.mark.slow
def test_a_newer_python_beside_an_old_one_is_used_and_progress_is_shown(path: Path) -> None:
    put(path, "python3", "echo Python 3.8.10")
    put(path, "python3.11", f'exec {INTERPRETER} "$@"')
    done = setup(path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Setting up ")
    assert "Requirement already satisfied: pip" in done.stdout
    again = setup(path)
    assert (again.returncode, "Setting up" in again.stderr) == (0, False)


@pytest.mark.slow
def test_a_broken_environment_is_recreated(path: Path) -> None:
    put(path, "python3", f'exec {INTERPRETER} "$@"')
    subprocess.run([INTERPRETER, "-m", "venv", "--without-pip", str(path.parent / "venv")], check=True)  # noqa: S603
    done = setup(path)
    assert done.returncode == 0, done.stderr
    assert (path.parent / "venv" / "bin" / "pip").exists()


@pytest.mark.slow
def test_uv_is_used_if_installed_and_pip_if_uv_fails(path: Path) -> None:
    log = path.parent / "log"
    put(path, "python3", f'exec {INTERPRETER} "$@"')
    put(path, "uv", f'echo "$@" >> {log}; [ "$1" = venv ] && exec python3 -m venv {path.parent}/venv')
    done = setup(path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["venv", "pip"]
    assert "uv could not install" in done.stderr
    put(path, "uv", f'echo "$@" >> {log}')
    done = setup(path, "a-package>=1")
    assert done.returncode == 0, done.stderr
    assert (
        log.read_text().splitlines()[-1] == f"pip install --python {path.parent}/venv/bin/python a-package>=1"
    )


def test_make_alone_lists_every_target_and_what_it_is_for() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"(?m)^\.PHONY: (.+)$", makefile)
    for arguments in ([], ["help"]):
        listed = subprocess.run(  # noqa: S603
            ["make", "--no-print-directory", *arguments],  # noqa: S607
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert {line.split()[1] for line in listed if line.startswith("make ")} == set(phony.split())
        assert all(len(line.split()) > 3 for line in listed)


def test_a_real_model_that_cannot_be_downloaded_ends_in_one_plain_line(path: Path) -> None:
    put(path, "python3", f'exec {INTERPRETER} "$@"')
    place = path.parent / "real"
    ended = subprocess.run(  # noqa: S603
        [str(path / "make"), "--no-print-directory", f"REAL={place}", f"{place}/.done"],
        cwd=ROOT,
        env={"PATH": str(path), "HOME": str(path.parent), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode != 0
    first, *others = ended.stderr.splitlines()
    assert first == f"Downloading a model of 135 million parameters and a server for it, 130 MB, into {place}"
    assert "optillm: the real model cannot be installed: the lines above say why" in others
    assert not (place / ".done").exists()


def test_optillm_py_names_a_missing_package(tmp_path: Path) -> None:
    bare = subprocess.run(  # noqa: S603
        [INTERPRETER, "-S", str(ROOT / "optillm.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert bare.returncode == 1
    (line,) = bare.stderr.splitlines()
    assert re.fullmatch(r"optillm: \w+ is not installed: `make run` sets up \.venv, which has it", line)


def test_optillm_py_refuses_an_old_python_before_it_imports_anything() -> None:
    source = (ROOT / "optillm.py").read_text(encoding="utf-8")
    check, rest = source.split("\ntry:\n")
    assert "from" not in check.replace("Run from a checkout", "")
    assert "from optillm.cli import main" in rest
    old = check.replace(
        "import sys",
        "import types, sys as real; sys = types.SimpleNamespace(version_info=(3, 8), "
        "version='3.8.18 (x)', exit=real.exit)",
    )
    ended = subprocess.run([INTERPRETER, "-c", old], capture_output=True, text=True, check=False)  # noqa: S603
    assert ended.returncode == 1
    assert ended.stderr == "optillm: Python 3.11 or newer is needed, and this is 3.8.18\n"
