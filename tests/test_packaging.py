"""The package: one list of dependencies, and a light one."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

from optillm import __version__
from tests.e2e.proxy import ROOT

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
    pulled = core("optillm")
    assert {"flask", "openai", "numpy", "networkx", "z3-solver"} <= pulled
    assert not pulled & HEAVY


def test_the_installed_dependencies_are_those_of_requirements_txt() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.partition(";")[0].replace(" ", "") for line in lines if line and not line.startswith("#")}

    def split(requirement: str) -> tuple[str, tuple[str, ...]]:
        found = re.fullmatch(r"([A-Za-z0-9._\[\]-]+)(.*)", requirement.replace(" ", ""))
        assert found
        return found.group(1).lower(), tuple(sorted(found.group(2).split(",")))

    installed = {line.partition(";")[0] for line in requires("optillm") or [] if "extra ==" not in line}
    assert {split(line) for line in listed} == {split(line) for line in installed}
    assert all(">=" in line and "<" in line for line in listed)


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
