"""What a role found out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale ratings are given on."""

    low: float = 0.0
    high: float = 10.0

    def place(self, share: float) -> float | int:
        """A share between 0 and 1 on this scale: a whole number, two decimals on a narrow scale."""
        value = self.low + share * (self.high - self.low)
        return round(value) if self.high - self.low >= 3 else round(value, 2)


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything a verdict may ask for. Labels are those the candidates were shown under.

    `shares` rates each label between 0 and 1; `right` says whether it is held to be right; `remarks` says why,
    `located` step by step: (step, why). `given` are values for keys of certain names, before all else.
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
    given: Sequence[tuple[re.Pattern[str], Any]] = ()

    def about(self, label: str) -> Findings:
        """What was found out about one candidate."""
        remark = self.remarks.get(label, self.reason)
        return replace(self, labels=[label], ranking=[label], pick=label, reason=remark, groups=[[label]])

    def only(self, labels: Sequence[str]) -> Findings:
        """What was found out about some of the candidates."""
        return replace(self, labels=labels, ranking=labels, pick=labels[0], groups=[labels])

    def verdict(self) -> bool:
        """Whether the candidate in question, else every one of them, is held to be right."""
        return self.right.get(self.pick, all(self.right.values()))

    def label(self, name: str) -> str | None:
        """The candidate a key of a verdict names: "A", "candidate_a", "score_A"."""
        last = re.split(r"[_\-\s]", name)[-1].lower()
        whole = name.lower()
        return next((label for label in self.labels if label and label.lower() in (whole, last)), None)
