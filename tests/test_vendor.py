"""The vendored scripts, and the tool that compares them with what was published."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def vendor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor", ROOT / ".ci" / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.js").write_bytes(b"one")
    (tmp_path / "VENDORED.toml").touch()
    return tmp_path


def package(**changes: Any) -> dict[str, Any]:
    sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # of `one`
    file = {"name": "a.js", "path": "dist/a.js", "sha256": sha256}
    return {"name": "a", "version": "1.0.0", "integrity": "", "file": [file | changes]}


def packed(content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        member = tarfile.TarInfo("package/dist/a.js")
        member.size = len(content)
        files.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def test_the_vendored_files_are_those_that_were_recorded(
    vendor: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vendor.main([]) == 0
    assert "3 packages, 0 faults" in capsys.readouterr().out


def test_a_file_as_recorded_has_no_fault(vendor: ModuleType, folder: Path) -> None:
    assert not list(vendor.offline(folder, [package()]))


def test_a_changed_a_missing_and_an_unrecorded_file_are_faults(vendor: ModuleType, folder: Path) -> None:
    assert list(vendor.offline(folder, [package(sha256="0")])) == [
        "a.js: its content is not what was recorded"
    ]
    assert list(vendor.offline(folder, [])) == ["a.js: there, but not recorded"]
    (folder / "a.js").unlink()
    assert list(vendor.offline(folder, [package()])) == ["a.js: recorded, but not there"]


def test_a_package_as_published_has_no_fault(vendor: ModuleType) -> None:
    archive = packed(b"one")
    assert not list(vendor.online(package() | {"integrity": vendor.integrity(archive)}, archive))


def test_another_package_and_another_file_in_it_are_faults(vendor: ModuleType) -> None:
    archive = packed(b"two")
    assert list(vendor.online(package(), archive)) == ["a 1.0.0: the published package has another hash"]
    recorded = package() | {"integrity": vendor.integrity(archive)}
    assert list(vendor.online(recorded, archive)) == ["a 1.0.0: dist/a.js is not the vendored a.js"]
