"""`optillm doctor [flags]`: check what the upstream supports.

It also says how the proxy works around the rest.
"""

from __future__ import annotations

import argparse
import sys

from optillm import logs
from optillm.commands import Invocation
from optillm.commands.serve import own_model
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError, nearest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.add_argument("--upstream", metavar="NAME", help="the upstream to check, by default the first")
    parser.add_argument(
        "--place-instructions",
        action="store_true",
        help="find where instructions should go (see --instructions), in 36 calls of at most 256 tokens",
    )


def run(invocation: Invocation) -> None:
    """Print what the upstream supports; exit with code 1 if it is unusable."""
    arguments = invocation.arguments
    diagnose(
        invocation.read(), arguments.upstream, as_json=arguments.json, placements=arguments.place_instructions
    )


def diagnose(settings: Settings, name: str | None = None, *, as_json: bool, placements: bool = False) -> None:
    """Print what the named upstream supports, by default the first.

    With `placements`, also print where instructions work best.

    Exits with code 1 if the upstream is unusable; raises `SettingsError` for an unknown name.
    """
    import asyncio

    from optillm.commands.doctor.checks import examine

    logs.configure("warning", settings.secrets())
    with own_model(settings) as effective:
        upstreams = {upstream.name: upstream for upstream in effective.upstreams()}
        if name is not None and name not in upstreams:
            there = f"there is {', '.join(upstreams)}"
            raise SettingsError(f"unknown upstream {name}{nearest(name, upstreams, there)}")
        if settings.demo == "off" and not settings.upstream_configured:
            hint = "set OPENAI_API_KEY or --base-url, or try --demo. Checking OpenAI without a key"
            print(f"No upstream is configured: {hint}", file=sys.stderr)
        target = next(iter(upstreams.values())) if name is None else upstreams[name]
        diagnosis = asyncio.run(examine(effective, target=target, placements=placements))
    print(diagnosis.json() if as_json else diagnosis.table())
    if not diagnosis.usable:
        sys.exit(1)
