"""The ways in which a program inside a job can end early."""

from __future__ import annotations

from typing import Any


class Failed(Exception):
    """The program is at fault; `kind` is one of those that the server knows."""

    def __init__(self, kind: str, name: str, message: str, line: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.type_name = name
        self.message = message
        self.line = line
        self.hint = hint

    def as_message(self) -> dict[str, Any]:
        """Return the failure as the reply carries it."""
        return {
            "kind": self.kind,
            "type": self.type_name,
            "message": self.message,
            "line": self.line,
            "hint": self.hint,
        }


class Refused(Failed):
    """The program requests something that is not offered here."""

    def __init__(self, message: str, line: int | None = None, hint: str = "") -> None:
        super().__init__("refused", "Refused", message, line, hint)


class RefusedImport(Refused, ImportError):
    """A module that is not offered; programs may catch it like a missing one."""
