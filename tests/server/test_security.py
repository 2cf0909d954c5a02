"""What docs/security.md says is so: each row names tests that exist, and keys are compared as it says."""

from __future__ import annotations

import hmac
import re

import pytest

from tests.e2e.proxy import ROOT
from tests.server.fakes import FakeEngine, served

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [row.strip("|").split("|") for row in PAGE.splitlines() if row.startswith("| ") and "**" not in row]


def test_every_threat_has_an_answer_and_a_test() -> None:
    threats = ROWS[1:]
    assert len(threats) > 30
    for threat, answer, tests in threats:
        assert threat.strip()
        assert answer.strip()
        named = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert named, threat
        for path in named:
            assert "\ndef test_" in (ROOT / path).read_text(encoding="utf-8"), path


@pytest.mark.parametrize("sent", ["first-key", "wrong", "first-kez", "first-key-and-more", "\u00e9"])
def test_a_key_is_compared_with_all_keys_by_digest_in_constant_time(
    sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    with served(FakeEngine(), optillm_api_key=("first-key", "second-key")) as client:
        reply = client.get("/v1/models", headers={"Authorization": f"Bearer {sent}"})
    assert reply.status_code == (200 if sent == "first-key" else 401)
    assert len(compared) == 2
    assert {len(side) for pair in compared for side in pair} == {32}
    assert not any(b"key" in side for pair in compared for side in pair)
