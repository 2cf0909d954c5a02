"""The blueprint that the views of all pages are registered on."""

from __future__ import annotations

from typing import Final

from flask import Blueprint

NAME: Final = "web"

views = Blueprint(NAME, __name__, template_folder="templates")
