"""The package: one list of dependencies, and a light one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from optillm import __version__
from tests.e2e.proxy import ROOT

DISTRIBUTION = "optillm-proxy"
HEAVY = {"torch", "transformers", "litellm", "pandas", "scipy", "tensorflow", "jax"}


def core(package: str) -> set[str]:
    """The names a plain install of a package pulls in, directly and indirectly."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        try:
            listed = requires(waiting.pop()) or []
        except PackageNotFoundError:  # a dependency for other platforms
            continue
        for line in listed:
            requirement, _, marker = line.partition(";")
            name = re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0].lower()
            if "extra ==" not in marker and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def test_the_core_install_is_light() -> None:
    pulled = core(DISTRIBUTION)
    assert {"flask", "openai", "numpy", "networkx", "z3-solver"} <= pulled
    assert not pulled & HEAVY


def test_the_installed_dependencies_are_those_of_requirements_txt() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.partition(";")[0].replace(" ", "") for line in lines if line and not line.startswith("#")}

    def split(requirement: str) -> tuple[str, tuple[str, ...]]:
        found = re.fullmatch(r"([A-Za-z0-9._\[\]-]+)(.*)", requirement.replace(" ", ""))
        assert found
        return found.group(1).lower(), tuple(sorted(found.group(2).split(",")))

    installed = {line.partition(";")[0] for line in requires(DISTRIBUTION) or [] if "extra ==" not in line}
    assert {split(line) for line in listed} == {split(line) for line in installed}
    assert all(">=" in line and "<" in line for line in listed)


def test_the_version_is_one_and_a_date_that_no_release_of_the_other_optillm_has() -> None:
    assert re.fullmatch(r"20[2-9]\d\.(1[0-2]|[1-9])\.\d+", __version__)
    assert version(DISTRIBUTION) == __version__
    shown = subprocess.run(
        [sys.executable, "-m", "optillm", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"optillm {__version__}\n"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^## (\S+)", changelog)[0] == __version__


def test_the_license_is_shipped() -> None:
    about = metadata(DISTRIBUTION)
    assert about["License-Expression"] == "Apache-2.0"
    assert about["License-File"] == "LICENSE"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]


def test_every_data_file_of_the_package_is_shipped() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    matches = {
        (package, pattern): {
            path.relative_to(ROOT)
            for path in ROOT.joinpath(*package.split(".")).glob(pattern)
            if path.is_file()
        }
        for package, patterns in declared.items()
        for pattern in patterns
    }
    assert all(matches.values())  # no pattern without a file
    shipped = set().union(*matches.values())
    files = {path.relative_to(ROOT) for path in (ROOT / "optillm").rglob("*") if path.is_file()}
    assert shipped == {path for path in files if path.suffix not in {".py", ".pyc"}}


def test_nothing_tells_to_install_the_other_project_of_this_name() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "Makefile",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "optillm").rglob("*.py"),
    ]
    other = re.compile(r"(?:install|add|uvx|pipx run)\s+['\"]?optillm\b(?!-proxy)")
    assert [page.name for page in pages if other.search(page.read_text(encoding="utf-8"))] == []
