"""`optillm key NAME`: create a client key for the --keys file."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from optillm.commands import Invocation
from optillm.config.keys import new_key
from optillm.config.sources import SettingsError

TAKES_SETTINGS: Final = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the owner of the key")


def run(invocation: Invocation) -> None:
    """Print a new key on stderr, and on stdout the table to append to the keys file."""
    name = invocation.arguments.name
    if name is None:
        raise SettingsError("name the owner of the key: optillm key NAME")
    try:
        key, table = new_key(name)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    print(f"The key of {name}, which is shown only once: {key}", file=sys.stderr)
    print(f"\n{table}")
