"""Sessions of people who have signed in with a browser: a signed cookie in place of the key.

Nothing is kept here, so any worker that has the secret knows a session of any other, and nobody can fill a table. A
session ends when its time is over, when its key is changed, disabled or removed, and when the server restarts.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

from optillm.config.keys import Client

COOKIE: Final = "optillm_session"
SECONDS: Final = 12 * 3600
"""How long a session lasts."""


class Sessions:
    """Issues the tokens of sessions and knows their clients.

    `secret` is the same in all workers.
    """

    def __init__(
        self, clients: Sequence[Client], secret: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._clients = {self._alias(client): client for client in clients if not client.disabled}

    def begin(self, client: Client) -> str:
        """Return the token of a new session."""
        content = f"{self._alias(client)}.{int(self._clock()) + SECONDS}"
        return f"{content}.{self._signature(content)}"

    def client(self, token: str) -> Client | None:
        """Return the client of a session; `None` for a token that is not ours, or no longer valid."""
        content, _, signature = token.rpartition(".")
        if not (token.isascii() and hmac.compare_digest(signature, self._signature(content))):
            return None
        alias, _, end = content.partition(".")
        return self._clients.get(alias) if self._clock() < int(end) else None

    def _alias(self, client: Client) -> str:
        """Return what stands for a client's key in a token, which tells nothing about it."""
        # Half of a signature: a whole one could be taken for that of a token.
        return self._signature(client.digest.hex())[:32]

    def _signature(self, content: str) -> str:
        return hmac.new(self._secret, content.encode(), hashlib.sha256).hexdigest()
