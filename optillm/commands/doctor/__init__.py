"""`optillm doctor`: check what an upstream supports."""

from __future__ import annotations

import sys

from optillm import logs
from optillm.commands.serve import own_model
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError, nearest


def diagnose(settings: Settings, name: str | None = None, *, as_json: bool, placements: bool = False) -> None:
    """Print what the named upstream supports, by default the first.

    With `placements`, also print where instructions work best.

    Exits with code 1 if the upstream is unusable; raises `SettingsError` for an unknown name.
    """
    import asyncio

    from optillm.commands.doctor.checks import examine

    logs.configure("warning", settings.secrets())
    if settings.demo == "off" and not settings.upstream_configured:
        hint = "set OPENAI_API_KEY or --base-url, or try --demo. Checking OpenAI without a key"
        print(f"No upstream is configured: {hint}", file=sys.stderr)
    with own_model(settings) as effective:
        upstreams = {upstream.name: upstream for upstream in effective.upstreams()}
        if name is not None and name not in upstreams:
            there = f"there is {', '.join(upstreams)}"
            raise SettingsError(f"unknown upstream {name}{nearest(name, upstreams, there)}")
        target = next(iter(upstreams.values())) if name is None else upstreams[name]
        diagnosis = asyncio.run(examine(effective, target=target, placements=placements))
    print(diagnosis.json() if as_json else diagnosis.table())
    if not diagnosis.usable:
        sys.exit(1)
