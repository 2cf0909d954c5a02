"""`optillm key NAME`: create a client key for the `--keys` file."""

from __future__ import annotations

import sys

from optillm.config.keys import new_key
from optillm.config.sources import SettingsError


def show_key(name: str | None) -> None:
    """Print a new key on stderr, and on stdout the table to append to the keys file."""
    if name is None:
        raise SettingsError("name the owner of the key: optillm key NAME")
    try:
        key, table = new_key(name)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    print(f"The key of {name}, which is shown only once: {key}", file=sys.stderr)
    print(f"\n{table}")
