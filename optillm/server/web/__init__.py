"""Pages for people: what the proxy is, the playground, the traces."""

from __future__ import annotations

from flask import Flask

from optillm.server.web import (  # noqa: F401 - their views are those of the blueprint
    home,
    playground,
    sign_in,
    techniques,
    traces,
)
from optillm.server.web.assets import Assets
from optillm.server.web.blueprint import NAME, views

__all__ = ["NAME", "register"]


def register(app: Flask) -> None:
    """Serve the pages and their files."""
    assets = Assets.load()
    app.register_blueprint(views)
    app.add_url_rule("/static/<version>/<path:name>", f"{NAME}.static", assets.serve)
    app.jinja_env.globals["asset"] = assets.url
