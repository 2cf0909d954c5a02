"""The keys file: what it grants, and what is wrong with it in one line."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from optillm.chat import Budget, Grant
from optillm.config.keys import Keys, Limits, load_keys, new_key, own_keys, readable_by_others
from optillm.config.settings import load, settings_model
from optillm.config.sources import SettingsError
from tests.config.test_settings import Bon, Moa, bare_machine

__all__ = ["bare_machine"]  # the fixture that every test here runs under

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
SLUGS = ("bon", "moa")
HASH = "sha256:" + sha256(b"secret").hexdigest()
OTHER = "sha256:" + sha256(b"other").hexdigest()


def keys_in(text: str, *own: str) -> Keys:
    Path("keys.toml").write_text(text, encoding="utf-8")
    return load_keys("keys.toml", own, SLUGS)


def problem(text: str, *own: str) -> str:
    with pytest.raises(ValueError, match=r"^keys\.toml: ") as caught:
        keys_in(text, *own)
    line = str(caught.value).removeprefix("keys.toml: ")
    assert "\n" not in line
    return line


def test_a_key_with_nothing_but_its_hash_may_do_everything() -> None:
    (client,) = keys_in(f'[keys.alice]\nkey = "{HASH}"').clients
    assert (client.name, client.digest) == ("alice", sha256(b"secret").digest())
    assert client.grant == Grant(client="alice")
    assert client.limits == Limits()
    assert not client.disabled


def test_a_grant_tells_keys_apart_without_holding_them() -> None:
    keys = keys_in(f'[keys.alice]\nkey = "{HASH}"', "one", "two")
    digests = [client.grant.key_digest for client in keys.clients]
    assert digests == [sha256(key).hexdigest() for key in (b"one", b"two", b"secret")]
    assert not any(digest in repr(keys) for digest in digests)


def test_a_table_says_what_a_key_may_do_and_how_much() -> None:
    keys = keys_in(
        f"""
        [server]
        cost_per_day = 50

        [keys."alice@example.org"]
        key = "{HASH}"
        requests_per_minute = 60
        tokens_per_day = 2_000_000
        cost_per_day = 5.5
        techniques = ["bon"]
        plain = false
        max_calls = 8
        max_tokens = 9000
        max_cost = 0.25
        timeout = 120
        disabled = true
        """
    )
    (client,) = keys.clients
    assert client.grant == Grant(
        "alice@example.org", Budget(8, 9000, 120, 0.25), frozenset({"bon"}), plain=False
    )
    assert client.limits == Limits(requests_per_minute=60, tokens_per_day=2_000_000, cost_per_day=5.5)
    assert keys.server == Limits(cost_per_day=50)
    assert client.disabled
    assert keys.counted


def test_keys_of_the_settings_stand_beside_those_of_the_file_without_limits() -> None:
    keys = keys_in(f'[keys.alice]\nkey = "{HASH}"', "one", "two")
    assert [client.name for client in keys.clients] == ["key-1", "key-2", "alice"]
    assert keys.clients[1].grant == Grant(client="key-2")
    assert not keys.counted
    assert keys_in("[server]\ntokens_per_day = 10", "one").counted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no key in it; `optillm key NAME` makes one"),
        ("[server]", "there is no key in it; `optillm key NAME` makes one"),
        ("[key.alice]", "unknown field `key`; did you mean `keys`?"),
        (
            f'[keys.alice]\nkey = "{HASH}"\nrequest_per_minute = 1',
            "unknown field `keys.alice.request_per_minute`; did you mean `requests_per_minute`?",
        ),
        (
            "[server]\ncost_a_day = 1",
            "unknown field `server.cost_a_day`; did you mean `cost_per_day`?",
        ),
        ("[server]\nmax_cost = 1", "unknown field `server.max_cost`"),
        (
            f'[keys.alice]\nkey = "{HASH}"\ntechniques = ["bonn"]',
            "keys.alice.techniques names an unknown technique `bonn`; did you mean `bon`?",
        ),
        (
            f'[keys.alice]\nkey = "{HASH}"\ntechniques = ["none"]',
            "keys.alice.techniques.0: `none` is no technique; "
            "`plain` says whether a request may do without one",
        ),
        (
            f'[keys.alice]\nkey = "{HASH}"\ntechniques = []\nplain = false',
            "keys.alice may use nothing: no technique, and not plain either",
        ),
        (
            f'[keys.alice]\nkey = "{HASH}"\n[keys.bob]\nkey = "{HASH}"',
            "alice and bob are the same key",
        ),
        (
            f'[keys.key-1]\nkey = "{HASH}"',
            "key-1 is what a key of OPTILLM_API_KEY is called; use another name",
        ),
        ('[keys.alice]\nplain = "no"', "keys.alice.key: Field required"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, told: str) -> None:
    assert problem(text) == told


@pytest.mark.parametrize(
    "line",
    [
        "requests_per_minute = 0",
        "tokens_per_day = 1.5",
        "tokens_per_day = true",
        'tokens_per_day = "many"',
        "cost_per_day = 0",
        "cost_per_day = inf",
        "cost_per_day = nan",
        "max_cost = -1",
        "max_cost = 1e308",
        "plain = 1",
    ],
)
def test_a_limit_has_to_make_sense(line: str) -> None:
    field = line.partition(" ")[0]
    assert problem(f'[keys.alice]\nkey = "{HASH}"\n{line}').startswith(f"keys.alice.{field}: ")


@pytest.mark.parametrize(
    "name", ["", "a/b", "a b", "a\\nb", "-a", "é", "x" * 65, "../a", "<script>", "a:b", "a\\u0000"]
)
def test_a_name_is_fit_for_logs_metrics_and_counters(name: str) -> None:
    assert "is no name for a key" in problem(f'[keys."{name}"]\nkey = "{HASH}"')


def test_a_key_in_plain_text_is_refused_and_not_repeated() -> None:
    for value in (
        "sk-optillm-very-secret",
        HASH.upper(),
        HASH[:-1],
        f"{HASH}0",
        HASH.removeprefix("sha256:"),
    ):
        line = problem(f'[keys.alice]\nkey = "{value}"')
        assert "`optillm key` makes both" in line
        assert value not in line
    assert "sk-secret" not in problem('[keys.alice]\nkey = "sk-secret')


def test_a_key_of_the_settings_is_not_also_one_of_the_file() -> None:
    assert problem(f'[keys.alice]\nkey = "{HASH}"', "secret") == "key-1 and alice are the same key"
    assert [client.name for client in own_keys(["one", "one"]).clients] == ["key-1", "key-2"]


def test_a_new_key_is_let_in_by_its_table() -> None:
    for name in ("alice", "alice@example.org"):
        key, table = new_key(name)
        (client,) = keys_in(table).clients
        assert (client.name, client.digest) == (name, sha256(key.encode()).digest())
        assert key not in table
    assert new_key("alice")[0] != new_key("alice")[0]
    with pytest.raises(ValueError, match="no name for a key"):
        new_key('a"b')


def test_the_file_is_for_its_owner() -> None:
    file = Path("keys.toml")
    file.touch()
    for mode, others in ((0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o620, True)):
        file.chmod(mode)
        assert readable_by_others("keys.toml") is others


def test_the_documented_file_is_one() -> None:
    (example,) = re.findall(
        r"```toml\n(\[keys\.alice\].*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL
    )
    keys = keys_in(example.replace("sha256:…", HASH, 1).replace("sha256:…", OTHER, 1))
    assert [client.name for client in keys.clients] == ["alice", "bob"]
    assert keys.clients[0].grant.ceiling.max_cost == 0.25
    assert keys.server.cost_per_day == 50


# As a setting

MODEL = settings_model({"bon": Bon, "moa": Moa})


def test_a_keys_file_is_a_key_and_opens_the_server_to_other_machines() -> None:
    Path("keys.toml").write_text(f'[keys.alice]\nkey = "{OTHER}"', encoding="utf-8")
    settings = load(MODEL, {"host": "0.0.0.0", "keys": "keys.toml"})  # noqa: S104
    assert settings.wants_key
    assert [client.name for client in settings.client_keys.clients] == ["alice"]


def test_a_broken_keys_file_ends_the_start() -> None:
    Path("keys.toml").write_text("[keys", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^keys: keys\.toml: .*end of document"):
        load(MODEL, {"keys": "keys.toml"})
    with pytest.raises(SettingsError, match="no such file"):
        load(MODEL, {"keys": "nowhere.toml"})


def test_counters_are_kept_where_the_user_keeps_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert load(MODEL, {}).counters == str(tmp_path / "optillm" / "counters.sqlite3")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(MODEL, {}).counters == str(tmp_path / ".local" / "state" / "optillm" / "counters.sqlite3")
    assert load(MODEL, {"store": "here.db"}).counters == str(tmp_path / "here.db")


def test_a_store_is_a_file_or_redis_and_its_password_is_a_secret() -> None:
    settings = load(MODEL, {"store": "redis://:s3cret@host:6379/0"})
    assert settings.counters == "redis://:s3cret@host:6379/0"
    assert "s3cret" in settings.secrets()
    assert "s3cret" not in str(settings.public()["store"])
    for store in ("http://host", "memory://", "redis://"):
        with pytest.raises(SettingsError, match="a store is a file, or a URL"):
            load(MODEL, {"store": store})
