"""A fake `llama-server`, as an executable on PATH, and a file that begins like a GGUF file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

SERVER = """\
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

flags = dict(zip(sys.argv[1:], sys.argv[2:]))
states = iter({states})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path != "/health" else next(states, 200), {{"argv": sys.argv[1:]}})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {{"role": "assistant", "content": "from " + flags["--alias"]}}
        choice = {{"index": 0, "message": message, "finish_reason": "stop"}}
        usage = {{"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
        head = {{"id": "c", "object": "chat.completion", "created": 1, "model": flags["--alias"]}}
        self.answer(200, {{**head, "choices": [choice], "usage": usage}})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


print("it says something", flush=True)
ThreadingHTTPServer((flags["--host"], int(flags["--port"])), Handler).serve_forever()
"""


def put(folder: Path, script: str, name: str = "llama-server", interpreter: str = sys.executable) -> Path:
    """Write an executable script into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!{interpreter}\n{script}", encoding="utf-8")
    (folder / name).chmod(0o755)
    return folder / name


def serving_script(*states: int) -> str:
    """Return a server whose first answers about its health have these statuses."""
    return SERVER.format(states=states)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file that begins as a model does."""
    file = tmp_path / "tiny-1B.Q4.gguf"
    file.write_bytes(b"GGUF\3\0\0\0")
    return file


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first on PATH, with a server in it."""
    folder = tmp_path / "bin"
    put(folder, serving_script())
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder
