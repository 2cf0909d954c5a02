"""`optillm settings`: every setting and the value it would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optillm.commands import tables
from optillm.config.settings import Settings

if TYPE_CHECKING:
    from optillm.techniques import Technique


def show_settings(
    read: Callable[[], Settings],
    model: type[Settings],
    techniques: Mapping[str, Technique],
    target: str | None,
) -> None:
    """Print the effective settings, or the table of all settings into the document `target`."""
    if target is None:
        print(tables.settings_columns(read()))
    else:
        publish(target, "settings", tables.settings_markdown(model, techniques))


def publish(target: str, topic: str, content: str) -> None:
    """Print the table, or write it between its markers in the document at the path `target`."""
    if target == "-":
        print(content)
    else:
        file = Path(target)
        file.write_text(tables.renewed(file.read_text(encoding="utf-8"), topic, content), encoding="utf-8")
