"""What the image is made of: dependencies pinned by their hashes, audited, and nothing beside them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.e2e.proxy import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^([a-z0-9-]+)==([A-Za-z0-9.+!]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE
)
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines()
    if line and not line.startswith("#")
]


def wanted() -> list[Requirement]:
    """What is asked for by hand: the core, the demo model, what builds them, and what settings can ask for."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    simulator = tomllib.loads((ROOT / "simulator" / "pyproject.toml").read_text(encoding="utf-8"))
    builders = [*project["build-system"]["requires"], *simulator["build-system"]["requires"]]
    more = [*builders, *simulator["project"]["dependencies"], *extras["redis"], *extras["otel"]]
    return [Requirement(line) for line in [*lines, *more] if line and not line.startswith("#")]


def test_the_lock_is_pins_with_hashes_and_nothing_else() -> None:
    rest = ENTRY.sub("", LOCK)
    assert all(line.startswith("#") for line in rest.splitlines())
    assert "make lock" in rest
    assert "://" not in LOCK
    names = [match[1] for match in ENTRY.finditer(LOCK)]
    assert len(names) == len(set(names)) > 20


def test_the_lock_satisfies_what_is_asked_for() -> None:
    locked = {match[1]: match[2] for match in ENTRY.finditer(LOCK)}
    asked = wanted()
    assert len(asked) > 10
    stale = [
        str(each) for each in asked if locked.get(canonicalize_name(each.name), "0") not in each.specifier
    ]
    assert stale == [], "run `make lock`"


def test_everything_the_image_installs_is_pinned_by_a_hash_or_is_ours() -> None:
    commands = [command for name, text in INSTRUCTIONS if name == "RUN" for command in text.split("&&")]
    installs = [command for command in commands if " install " in command]
    assert installs
    for command in installs:
        pinned = (
            "--require-hashes" in command
            and "--only-binary :all:" in command
            and "-r requirements.lock" in command
        )
        packages = [word for word in command.partition(" install ")[2].split() if not word.startswith("-")]
        ours = (
            packages == [".", "./simulator"] and "--no-deps" in command and "--no-build-isolation" in command
        )
        assert pinned or ours, command
    assert not any("apt" in command or "curl" in command or "wget" in command for command in commands)


def test_the_image_runs_as_an_ordinary_user() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    (user,) = [text for name, text in INSTRUCTIONS if name == "USER"]
    assert int(user) >= 1000  # a number: Kubernetes cannot tell by a name that it is not root's
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))


def test_no_secret_gets_into_the_image() -> None:
    told = " ".join(text for name, text in INSTRUCTIONS if name in ("ENV", "ARG", "LABEL"))
    assert not re.search(r"(?i)key|secret|token|password", told)
    sources = [part for name, text in INSTRUCTIONS if name in ("COPY", "ADD") for part in text.split()[:-1]]
    admitted = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    assert {
        source.removeprefix("./") for source in sources if not source.startswith(("--from", "/opt"))
    } == set(admitted)
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


# The audit


def audit(tmp_path: Path, program: str) -> tuple[int, str]:
    """`make audit` with this Python program in place of pip-audit: its exit code and what it says."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!{sys.executable}\n{program}")
    tool.chmod(0o755)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(ROOT / ".ci" / "audit.py"), str(tool)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def report(*packages: Mapping[str, object]) -> str:
    return f"import sys; print({json.dumps({'dependencies': packages})!r}); sys.exit(1)"


CLEAN = {"name": "flask", "version": "3.1.0", "vulns": []}
UNKNOWN = {"name": "yarl", "skip_reason": "not found"}
FAULTY = {"name": "jinja2", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.0"]}]}


def test_a_known_vulnerability_fails_the_audit(tmp_path: Path) -> None:
    status, said = audit(tmp_path, report(CLEAN, UNKNOWN, FAULTY))
    assert status == 1
    assert "jinja2 1.0: CVE-1, fixed in 2.0" in said
    assert "1 known vulnerabilities in 2 of 3 packages" in said


def test_nothing_known_passes_and_says_how_much_was_examined(tmp_path: Path) -> None:
    assert audit(tmp_path, report(CLEAN, UNKNOWN)) == (
        0,
        "audit: 0 known vulnerabilities in 1 of 2 packages\n",
    )


@pytest.mark.parametrize(
    "program",
    [report(UNKNOWN), "import sys; sys.exit('no route to host')", "print('[]')", "print('<html>')"],
)
def test_an_audit_that_nobody_can_make_is_skipped_and_says_so(tmp_path: Path, program: str) -> None:
    status, said = audit(tmp_path, program)
    assert status == 0
    assert said.startswith("audit: skipped")


def test_the_checks_end_with_the_audit() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (check,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert check.endswith("\t$(PYTHON) .ci/audit.py\n")
