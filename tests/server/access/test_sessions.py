"""Sessions: who a token stands for, and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optillm.config.keys import Client, own_keys
from optillm.server.access.sessions import SECONDS, Sessions
from tests.server.access.test_auth import Clock

SECRET = b"of all workers"
ALICE, BETH = own_keys(["alices", "beths"]).clients


def sessions(*clients: Client, secret: bytes = SECRET, clock: Clock | None = None) -> Sessions:
    return Sessions(clients or (ALICE, BETH), secret, clock or Clock())


def test_a_token_stands_for_its_client_until_its_time_is_over() -> None:
    clock = Clock()
    ours = sessions(clock=clock)
    tokens = {client.name: ours.begin(client) for client in (ALICE, BETH)}
    clock.now += SECONDS - 1
    assert [ours.client(tokens[client.name]) for client in (ALICE, BETH)] == [ALICE, BETH]
    clock.now += 1
    assert [ours.client(token) for token in tokens.values()] == [None, None]


def test_any_worker_with_the_secret_knows_it_and_no_other_server() -> None:
    token = sessions().begin(ALICE)
    assert sessions().client(token) == ALICE
    assert sessions(secret=b"of another server").client(token) is None


@pytest.mark.parametrize(
    "clients", [(BETH,), (replace(ALICE, disabled=True), BETH), (replace(ALICE, digest=BETH.digest),)]
)
def test_a_session_ends_with_its_key(clients: tuple[Client, ...]) -> None:
    assert sessions(*clients).client(sessions().begin(ALICE)) is None


def test_a_token_neither_holds_the_key_nor_its_digest() -> None:
    token = sessions().begin(ALICE)
    for secret in ("alices", ALICE.digest.hex(), ALICE.name, SECRET.decode()):
        assert secret not in token
    assert set(token) <= set("0123456789abcdef.")


def altered() -> list[str]:
    """Tokens that are not quite ours."""
    alice, beth = (sessions().begin(client) for client in (ALICE, BETH))
    alias, end, signature = alice.split(".")
    return [
        "",
        ".",
        "..",
        "x",
        alice[:-1],
        f"{alice}0",
        alice.upper(),
        f"{alias}.{int(end) + 1}.{signature}",
        f"{beth.partition('.')[0]}.{end}.{signature}",
        f"{alias}..{signature}",
        f"{alias}.{signature}",
        # What any client knows of itself, in the place of a signature.
        f"{ALICE.digest.hex()}.{alias}",
        f"{alias}.é.{signature}",
        "\udcff.1.2",
        f"{alias}.{end}.é",
        "0" * 100_000,
    ]


@pytest.mark.parametrize("token", altered())
def test_nobody_else_can_make_one(token: str) -> None:
    assert sessions().client(token) is None
