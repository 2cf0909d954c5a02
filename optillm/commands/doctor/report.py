"""What the doctor found: lines of a table, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from optillm.commands.tables import columns


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis.

    It has what was examined, the result in a word, what was seen, and what the proxy does about it.
    """

    about: str
    result: str
    details: str
    effect: str = ""

    def row(self) -> tuple[str, str, str]:
        """Return the cells of a table."""
        effect = f"optillm {self.effect}" if self.effect else ""
        return self.about, self.result, "; ".join(filter(None, (self.details, effect)))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found at an upstream, which is usable if it answered any call."""

    upstream: str
    model: str
    usable: bool
    findings: Sequence[Finding]

    def table(self) -> str:
        """Return the findings for a terminal."""
        verdict = "usable" if self.usable else "not usable"
        rows = [("WHAT", "RESULT", "FOUND"), *(finding.row() for finding in self.findings)]
        return f"{self.model} at {self.upstream}\n\n{columns(rows)}\n\nThe upstream is {verdict}."

    def json(self) -> str:
        """Return the findings as JSON."""
        findings = [
            {"about": f.about, "result": f.result, "found": f.details, "optillm": f.effect or None}
            for f in self.findings
        ]
        whole = {"upstream": self.upstream, "model": self.model, "usable": self.usable, "findings": findings}
        return json.dumps(whole, indent=2, ensure_ascii=False)
