"""Serve the files that pages load, at addresses that change with the files.

So browsers may keep them for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from flask import Response

from optillm.errors import NotFound
from optillm.server.access.policy import Policy

FOLDERS: Final = {"static": "", "vendor": "vendor/"}
"""The folders of files, and what the names of their files begin with."""
MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""By the end of a file's name; what the system thinks of it may differ. Others are plain text."""
FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Assets:
    """The files by their names, in memory: reading one would keep the event loop waiting."""

    files: Mapping[str, bytes]

    @classmethod
    def load(cls, folder: Path = Path(__file__).parent) -> Assets:
        """Read all files of the package."""
        files = {
            prefix + path.relative_to(folder / name).as_posix(): path.read_bytes()
            for name, prefix in FOLDERS.items()
            for path in sorted((folder / name).rglob("*"))
            if path.is_file()
        }
        return cls(files)

    @cached_property
    def version(self) -> str:
        """Return what changes when any file does.

        One for all files, which makes it a folder of the address: so scripts and stylesheets can name each other.
        """
        content = hashlib.sha256()
        for name, file in self.files.items():
            content.update(f"{name} {len(file)} ".encode() + file)
        return content.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return the address of a file; raises `KeyError` if there is none of this name."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    @Policy(authenticated=False, counted=False, spending=False, measured=False)
    def serve(self, version: str, name: str) -> Response:
        """Return a file; of another version than the current one, it is not to be kept."""
        if name not in self.files:
            raise NotFound("There is no such file")
        response = Response(self.files[name], mimetype=MEDIA_TYPES.get(Path(name).suffix, "text/plain"))
        response.headers["Cache-Control"] = FOREVER if version == self.version else "no-cache"
        return response
