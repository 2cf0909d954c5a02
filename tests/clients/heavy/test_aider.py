"""Aider: a question answered, and an edit applied and committed, through a technique."""

from __future__ import annotations

import os
from pathlib import Path

from tests.clients.heavy.environment import AIDER, installed
from tests.clients.programs import run
from tests.e2e.proxy import Proxy, serving
from tests.recipes import ANSWER, block
from tests.stub import Call, Stub, completion, delta

pytestmark = installed(AIDER)

EDIT = 'I change the greeting.\n\nhello.py\n```python\nprint("hello")\n```\n'
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "AIDER_CHECK_UPDATE": "false", "AIDER_ANALYTICS": "false"}
GIT = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def aider(folder: Path, line: str, *arguments: str) -> str:
    """What aider prints when it is started as the page says, with these arguments added."""
    path = f"{AIDER}{os.pathsep}{os.environ['PATH']}"
    script = f'{line.rstrip()} --yes "$@"'
    variables = {"HOME": str(folder), "PATH": path, **OFFLINE, **GIT}
    return run("/bin/bash", "-ec", script, "aider", *arguments, stdin="", cwd=folder, **variables)


def test_aider(demo: Proxy, tmp_path: Path) -> None:
    asking = ("--no-git", "--chat-mode", "ask", "--message", "What is 17 * 23 + 4?")
    assert ANSWER in aider(tmp_path, block("aider", "sh", demo), *asking)


class Editor:
    """An upstream that rewrites hello.py; asked for a commit message, it gives one."""

    def __init__(self) -> None:
        self.messages = 0

    def __call__(self, call: Call) -> None:
        text = EDIT
        if "commit message" in call.sent["messages"][0]["content"]:
            text = "feat: greet at length"
            self.messages += 1
        if call.sent.get("stream"):
            return call.events(*map(delta, text.splitlines(keepends=True)), delta(finish="stop"))
        return call.json(completion(*[text] * (call.sent.get("n") or 1)))


def test_an_edit_is_applied_and_committed(tmp_path: Path) -> None:
    editor, file = Editor(), tmp_path / "hello.py"
    file.write_text('print("hi")\n', encoding="utf-8")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"]):
        run("git", *arguments, cwd=tmp_path, **GIT)
    with Stub(editor) as stub, serving("--base-url", stub.base_url) as proxy:
        line = block("aider", "sh", proxy).replace("demo-large", "m")
        aider(tmp_path, line, "--message", "Greet at length.", "hello.py")
    assert file.read_text(encoding="utf-8") == 'print("hello")\n'
    assert run("git", "log", "-1", "--format=%s", cwd=tmp_path) == "feat: greet at length\n"
    assert editor.messages == 1
