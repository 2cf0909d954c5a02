"""What a role has found out and may report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale on which ratings are given."""

    low: float = 0.0
    high: float = 10.0

    def rating(self, share: float) -> float | int:
        """Return the rating for a share between 0 and 1: whole, or with two decimals on a narrow scale."""
        value = self.low + share * (self.high - self.low)
        return round(value) if self.high - self.low >= 3 else round(value, 2)


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a verdict may report. Labels are those under which the candidates were shown.

    `shares` rates each label between 0 and 1; `right` says whether it is judged correct; `remarks` gives reasons, and
    `located` gives them per step: (step, reason). `overrides` are values for keys that match a pattern; they win over
    everything else.
    """

    labels: Sequence[str] = ()
    ranking: Sequence[str] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    right: Mapping[str, bool] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[Sequence[str]] = ()
    pick: str = ""
    reason: str = ""
    answer: str = ""
    steps: Sequence[str] = ()
    scale: Scale = Scale()
    located: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)
    overrides: Sequence[tuple[re.Pattern[str], Any]] = ()

    def about(self, label: str) -> Findings:
        """Return the findings about one candidate."""
        remark = self.remarks.get(label, self.reason)
        return replace(self, labels=[label], ranking=[label], pick=label, reason=remark, groups=[[label]])

    def only(self, labels: Sequence[str]) -> Findings:
        """Return the findings about some of the candidates."""
        return replace(self, labels=labels, ranking=labels, pick=labels[0], groups=[labels])

    def verdict(self) -> bool:
        """Return whether the picked candidate, else every candidate, is judged correct."""
        return self.right.get(self.pick, all(self.right.values()))

    def label(self, name: str) -> str | None:
        """Return the candidate that a key of a verdict names: "A", "candidate_a", "score_A"."""
        last = re.split(r"[_\-\s]", name)[-1].lower()
        whole = name.lower()
        return next((label for label in self.labels if label and label.lower() in (whole, last)), None)
