"""`make audit`: known vulnerabilities in what the image installs, by pip-audit.

Fails on a finding, and only on one: where the tool cannot be had or its database is out of reach, one line
says that nothing was examined. `python .ci/audit.py [pip-audit]` takes the command to run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TOOLS = ROOT / ".venv-tools"
TOOL = "pip-audit>=2.9,<3"
PATIENCE = 60  # seconds for each step


def main(command: str | None) -> int:
    """The exit code: 1 for a vulnerability, else 0."""
    try:
        found = examined(command or installed())
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        return skipped(type(error).__name__)
    seen = [each for each in found if "vulns" in each]
    if not seen:
        return skipped("the database knows none of the packages")
    faults = [(each, fault) for each in seen for fault in each["vulns"]]
    for each, fault in faults:
        fixed = ", ".join(fault.get("fix_versions") or ["no version yet"])
        print(f"audit: {each['name']} {each['version']}: {fault['id']}, fixed in {fixed}")
    print(f"audit: {len(faults)} known vulnerabilities in {len(seen)} of {len(found)} packages")
    return 1 if faults else 0


def skipped(reason: str) -> int:
    """Say that nothing was examined."""
    print(f"audit: skipped, pip-audit or its database is out of reach ({reason})")
    return 0


def installed() -> str:
    """The path of pip-audit, installed apart from the project when it is not there yet."""
    tool, python = TOOLS / "bin" / "pip-audit", TOOLS / "bin" / "python"
    if not tool.exists():
        venv.create(TOOLS, with_pip=True)  # also where uv made it, which leaves out pip
        install = [str(python), "-m", "pip", "install", "--quiet", "--retries=0", "--timeout=5", TOOL]
        subprocess.run(install, capture_output=True, timeout=PATIENCE, check=True)
    return str(tool)


def examined(tool: str) -> list[dict[str, Any]]:
    """Each package as pip-audit reports it; one without `vulns` was not examined."""
    flags = ["--disable-pip", "--require-hashes", "--timeout=5", "--progress-spinner=off", "--format=json"]
    done = subprocess.run(
        [tool, "-r", str(LOCK), *flags], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return packages


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
