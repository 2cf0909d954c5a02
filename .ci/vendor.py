"""`make vendor-check`: are the vendored scripts what was recorded, and what npm publishes?

Offline, each file's SHA-256 is compared with `VENDORED.toml`, and no file may be missing from that table. Online, the
packages are fetched as well; their hash must be the recorded one, and the files in them the vendored ones.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parents[1] / "optillm" / "server" / "web" / "vendor"
TABLE = "VENDORED.toml"


def main(arguments: list[str]) -> int:
    """Print what differs; return 1 if anything does."""
    packages = tomllib.loads((VENDOR / TABLE).read_text(encoding="utf-8"))["package"]
    faults = [*offline(VENDOR, packages)]
    if "--online" in arguments:
        faults += [fault for package in packages for fault in online(package, packed(package))]
    print(*faults, sep="\n", end="\n" * bool(faults))
    print(f"vendor-check: {len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


def offline(folder: Path, packages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield how the files in a folder differ from the table."""
    recorded = {file["name"]: file["sha256"] for package in packages for file in package["file"]}
    present = {path.name: path for path in folder.iterdir() if path.name != TABLE}
    for name in sorted(recorded.keys() | present.keys()):
        if name not in present:
            yield f"{name}: recorded, but not there"
        elif name not in recorded:
            yield f"{name}: there, but not recorded"
        elif hashlib.sha256(present[name].read_bytes()).hexdigest() != recorded[name]:
            yield f"{name}: its content is not what was recorded"


def online(package: dict[str, Any], archive: bytes) -> Iterator[str]:
    """Yield how a package as published differs from what was recorded of it."""
    name = f"{package['name']} {package['version']}"
    if integrity(archive) != package["integrity"]:
        yield f"{name}: the published package has another hash"
        return
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for file in package["file"]:
            member = files.extractfile(f"package/{file['path']}")
            if member is None or hashlib.sha256(member.read()).hexdigest() != file["sha256"]:
                yield f"{name}: {file['path']} is not the vendored {file['name']}"


def packed(package: dict[str, Any]) -> bytes:
    """Return a package as the registry serves it.

    `npm` checks it against the hash that is published with it.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--json", f"{package['name']}@{package['version']}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        published = json.loads(done.stdout)[0]["integrity"]
        archive = next(Path(folder).glob("*.tgz")).read_bytes()
    if integrity(archive) != published:
        raise SystemExit(f"vendor-check: npm delivered something else than it announced: {package['name']}")
    return archive


def integrity(archive: bytes) -> str:
    """Return the hash of a package in the form in which npm publishes it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
