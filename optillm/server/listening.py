"""The socket to listen on: its own, or one that somebody holds for the server, where clients wait while it restarts."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gunicorn import systemd

from optillm.config import OPENAI_URL
from optillm.values import is_loopback

if TYPE_CHECKING:
    from optillm.config import Settings

BACKLOG: Final = 2048
QUESTION: Final = "What is 48 / 4 + 7 * 13?"
_ANY: Final = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}


def listener_for(settings: Settings) -> socket.socket:
    """The socket handed over, if one was, or else one of our own; `OSError` when there is none to be had."""
    count = systemd.listen_fds()
    if not count:
        return listen(settings.host, settings.port)
    if count > 1:
        raise OSError(f"one listening socket is needed, and {count} were handed over")
    return _checked(socket.socket(fileno=systemd.SD_LISTEN_FDS_START), settings.host)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; made here, since gunicorn would try five times and say so in ten lines."""
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
    """Where a client finds a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


def first_steps(settings: Settings, url: str) -> Iterator[str]:
    """What a newcomer does next: a request that works as it is printed, and the base URL for clients."""
    for listening, reached in _ANY.items():
        url = url.replace(listening, reached)
    upstream = settings.upstreams()[0]
    openai = upstream.base_url == OPENAI_URL
    command = ["curl", "-s"]
    if settings.wants_key or (openai and not upstream.key):
        key = "OPTILLM_API_KEY" if settings.wants_key else "OPENAI_API_KEY"
        command += ["--oauth2-bearer", f'"${key}"']  # a header spelt out would be redacted
    if openai or settings.demo == "on" or "model" in settings.model_fields_set:
        technique = "bon-" if settings.approach == "auto" else ""
        messages = [{"role": "user", "content": QUESTION}]
        body = json.dumps({"model": technique + settings.model, "messages": messages})
        command += [
            f"{url}/v1/chat/completions",
            "-H",
            "'Content-Type: application/json'",
            "-d",
            shlex.quote(body),
        ]
    else:
        command.append(f"{url}/v1/models")
    yield f"A first request: {' '.join(command)}"
    yield f"The base URL for clients: {url}/v1"


def _checked(handed: socket.socket, host: str) -> socket.socket:
    """The socket, if it is for TCP and not open to more than the settings say: those decide who needs a key."""
    if handed.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError("the socket handed over is not for TCP")
    reached = handed.getsockname()[0]
    if is_loopback(host) and not is_loopback(reached):
        raise OSError(f"the socket handed over listens on {reached}: set --host to that")
    return handed
