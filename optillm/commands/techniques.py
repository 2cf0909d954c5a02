"""`optillm techniques [SLUG]`: list the techniques, or describe one in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optillm.commands import tables
from optillm.commands.settings import publish
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError, nearest

if TYPE_CHECKING:
    from optillm.techniques import Technique


def show_techniques(
    model: type[Settings], techniques: Mapping[str, Technique], slug: str | None, target: str | None
) -> None:
    """Print all techniques, or the one named, or their table into the document `target`."""
    if target is not None:
        publish(target, "techniques", tables.techniques_markdown(techniques.values(), model))
    elif slug is None:
        print(tables.techniques_columns(techniques.values(), model))
    elif slug in techniques:
        print(tables.technique_page(techniques[slug], model))
    else:
        raise SettingsError(
            f"unknown technique {slug}{nearest(slug, techniques, '`optillm techniques` lists all')}"
        )
