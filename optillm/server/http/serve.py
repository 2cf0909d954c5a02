"""The production server: gunicorn's master, and workers that drain on SIGTERM.

Only our settings configure it.
"""

from __future__ import annotations

import gc
import os
import resource
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flask import Flask

from optillm.config.sources import SettingsError
from optillm.server.http.supervisor import Server, connections, release_signals

if TYPE_CHECKING:
    from optillm.config.settings import Settings

FILES: Final = 256  # open files beside connections


def serve(
    settings: Settings,
    listener: socket.socket,
    load: Callable[[Settings], Flask],
    reread: Callable[[], Settings],
) -> None:
    """Serve on `listener` until a signal ends it; `load` makes the application in each worker.

    SIGHUP replaces the workers by new ones, with the settings that `reread` then returns; if that raises
    `SettingsError`, nothing changes. Exits with status 3 if the first workers cannot start.
    """
    kind = kind_of_server(settings)
    os.register_at_fork(after_in_parent=release_signals)
    allow_files(connections(settings) + settings.upstream_concurrency + FILES)
    gc.collect()
    gc.freeze()  # or the first collection of each worker would copy what it shares with the others
    kind(settings, listener, load, reread).run()


def kind_of_server(settings: Settings) -> type[Server]:
    """Return the server that the settings ask for.

    Raises `SettingsError` if it does not fit the installed packages. Only that one is imported: the server with threads
    must start although the other one no longer can.
    """
    if settings.server == "threads":
        from optillm.server.http.threads import ThreadServer

        return ThreadServer
    try:
        from optillm.server.http.loop import LoopServer
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"this server does not fit the installed aiohttp and gunicorn ({error}): install the versions of "
            "requirements.txt, or serve with --server threads"
        ) from None
    return LoopServer


def allow_files(count: int) -> None:
    """Let this process and its children open so many files, if the system lets it.

    Shells often allow 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
