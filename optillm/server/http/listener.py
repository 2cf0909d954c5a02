"""The listening socket: a new one, or one that systemd keeps open across restarts."""

from __future__ import annotations

import json
import os
import shlex
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from optillm.config.values import is_loopback
from optillm.server.first_request import FirstRequest

if TYPE_CHECKING:
    from optillm.config.settings import Settings

BACKLOG: Final = 2048
FIRST_PASSED: Final = 3  # file descriptor of the first socket that systemd passes
_ANY: Final = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}


def listener_for(settings: Settings) -> socket.socket:
    """Return the socket that systemd passed, else a new one; raises `OSError` on failure."""
    count = _passed_sockets()
    if not count:
        return listen(settings.host, settings.port)
    if count > 1:
        raise OSError(f"systemd passed {count} listening sockets, but only one can be used")
    return _checked(socket.socket(fileno=FIRST_PASSED), settings.host)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises `OSError` if the address cannot be used.

    gunicorn would try five times and log ten lines before it gave up.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


def first_steps(settings: Settings, url: str) -> Iterator[str]:
    """Yield lines for a newcomer: a first request to copy, and the addresses to use."""
    for wildcard, loopback in _ANY.items():
        url = url.replace(wildcard, loopback)
    first = FirstRequest.of(settings, settings.option_models)
    command = ["curl", "-s"]
    if first.key:
        command += ["--oauth2-bearer", f'"${first.key}"']  # the log would redact a spelled-out header
    if first.model is None:
        command.append(f"{url}/v1/models")
    else:
        command += [f"{url}/v1/chat/completions", "-H", "'Content-Type: application/json'"]
        command += ["-d", shlex.quote(json.dumps(first.body))]
    yield f"A first request: {' '.join(command)}"
    yield f"The base URL for clients: {url}/v1; in a browser: {url}/"


def _passed_sockets() -> int:
    """Return how many sockets systemd passed to this process, once.

    gunicorn must not take them again.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    del os.environ["LISTEN_PID"]
    return int(os.environ.pop("LISTEN_FDS", 0))


def _checked(passed: socket.socket, host: str) -> socket.socket:
    """Return the socket; raises `OSError` if it is not TCP, or not what the settings allow.

    It must not be open to other machines if the host setting is not: the settings require a client key only if
    their host is open.
    """
    if passed.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError("the socket that systemd passed is not a TCP socket")
    address = passed.getsockname()[0]
    if is_loopback(host) and not is_loopback(address):
        raise OSError(f"the socket that systemd passed listens on {address}: set --host to that address")
    return passed
