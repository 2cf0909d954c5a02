"""`optillm key NAME`: make a key for the file of `--keys`."""

from __future__ import annotations

import sys

from optillm.keys import new_key
from optillm.sources import SettingsError


def show_key(name: str | None) -> None:
    """Print a new key, and on stdout, to be appended to the file, what lets it in."""
    if name is None:
        raise SettingsError("say whose key it is: optillm key NAME")
    try:
        key, table = new_key(name)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    print(f"The key of {name}, shown only this once: {key}", file=sys.stderr)
    print(f"\n{table}")
