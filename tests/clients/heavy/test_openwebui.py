"""Open WebUI: its server started as the page says, and used through its API as its own page uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.clients.heavy.environment import OPEN_WEBUI, Clerk, installed
from tests.e2e.proxy import Proxy, clean_environment, serving
from tests.recipes import ANSWER, blocks
from tests.stub import Stub

pytestmark = [installed(OPEN_WEBUI), pytest.mark.timeout(300)]

QUESTION = {"role": "user", "content": "What is 17 * 23 + 4?"}
MODEL = "moa-demo-small"
OFFLINE = {"USE_SLIM_DOCKER": "true", "OFFLINE_MODE": "true", "WEBUI_SECRET_KEY": "secret"}


@dataclass
class OpenWebUI:
    """A running Open WebUI and its first user, who is its admin."""

    url: str
    token: str = ""

    def __call__(self, path: str, body: Any = None) -> str:
        """The reply of its API, as text."""
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers), timeout=60) as reply:  # noqa: S310 - loopback
            return str(reply.read().decode())

    def healthy(self) -> bool:
        """Whether it answers yet."""
        try:
            return '"status":true' in self("/health")
        except URLError:
            return False


def eventually(condition: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return met


@contextmanager
def open_webui(proxy: Proxy, folder: Path) -> Iterator[OpenWebUI]:
    """Open WebUI on a free port with the block of the page, and a user signed up."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = blocks("Open WebUI", "sh")[0].replace("http://localhost:8000", proxy.url)
    assert "--port 3000" in script
    script = script.replace(
        "open-webui serve --port 3000", f"exec open-webui serve --host 127.0.0.1 --port {port}"
    )
    path = f"{OPEN_WEBUI}{os.pathsep}{os.environ['PATH']}"
    variables = {"DATA_DIR": str(folder), "HOME": str(folder), "PATH": path, **OFFLINE}
    log = folder / "log"
    with log.open("wb") as told:
        server = subprocess.Popen(  # noqa: S603 - the page's own block
            ["/bin/bash", "-ec", script],
            cwd=folder,
            env=clean_environment(**variables),
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    try:
        frontend = OpenWebUI(f"http://127.0.0.1:{port}")
        assert eventually(lambda: frontend.healthy() or server.poll() is not None)
        assert server.poll() is None, log.read_text(encoding="utf-8")
        person = {"name": "A", "email": "a@example.com", "password": "Correct-horse-1"}
        frontend.token = json.loads(frontend("/api/v1/auths/signup", person))["token"]
        yield frontend
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def frontend(demo: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebUI]:
    with open_webui(demo, tmp_path_factory.mktemp("openwebui")) as running:
        assert MODEL in [model["id"] for model in json.loads(running("/api/models"))["data"]]
        yield running


def test_openwebui(frontend: OpenWebUI) -> None:
    body = {"model": MODEL, "messages": [QUESTION]}
    whole = json.loads(frontend("/api/chat/completions", {**body, "stream": False}))
    assert ANSWER in whole["choices"][0]["message"]["content"]
    streamed = frontend("/api/chat/completions", {**body, "stream": True})
    lines = [line.removeprefix("data: ") for line in streamed.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    deltas = [choice["delta"] for line in lines for choice in json.loads(line)["choices"]]
    assert ANSWER in "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("task", ["title", "tags", "follow_up", "queries", "emoji", "image_prompt"])
def test_what_it_asks_for_itself_takes_one_plain_call(frontend: OpenWebUI, demo: Proxy, task: str) -> None:
    body = {
        "model": MODEL,
        "messages": [QUESTION, {"role": "assistant", "content": "395"}],
        "prompt": QUESTION["content"],
        "type": "web_search",
    }
    before = len(demo.log)
    assert json.loads(frontend(f"/api/v1/tasks/{task}/completions", body))["choices"]
    (line,) = [line for line in demo.log[before:] if "Using approach" in line]
    assert "Using approach none, with demo-small" in line


def test_a_chat_gets_its_answer_title_tags_and_follow_ups(tmp_path: Path) -> None:
    clerk, model = Clerk(), "moa-gpt-4o-mini"
    chat = {
        "model": model,
        "stream": True,
        "messages": [QUESTION],
        "parent_id": None,
        "session_id": "session-1",
        "user_message": {**QUESTION, "id": "question-1", "parentId": None, "models": [model]},
        "message_ids": [{"model_id": model, "message_id": "answer-1"}],
        "background_tasks": dict.fromkeys(
            ("title_generation", "tags_generation", "follow_up_generation"), True
        ),
    }
    with (
        Stub(clerk) as stub,
        serving("--base-url", stub.base_url, "--model", "gpt-4o-mini") as proxy,
        open_webui(proxy, tmp_path) as running,
    ):
        running("/api/models")
        name = json.loads(running("/api/chat/completions", chat))["chat_id"]
        saved: dict[str, Any] = {}

        def finished() -> bool:
            saved.update(json.loads(running(f"/api/v1/chats/{name}")))
            return bool(saved["meta"].get("tags")) and saved["title"] != "New Chat"

        assert eventually(finished, 60)
    answer = saved["chat"]["history"]["messages"]["answer-1"]
    assert (answer["content"], answer["followUps"]) == ("The answer is 395.", ["And minus 4?"])
    assert (saved["title"], saved["meta"]["tags"]) == ("A sum", ["arithmetic"])
    assert clerk.asked.pop("answer") > 1
    assert clerk.asked == {"title": 1, "tags": 1, "follow-ups": 1}
