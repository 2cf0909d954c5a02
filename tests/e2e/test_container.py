"""The server as the image runs it: user 10001, no capabilities, and a file system of which only /tmp can be written."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import pytest

from tests.e2e.proxy import ROOT, Proxy, serving

pytestmark = pytest.mark.slow

USER = 10001
ROOTLY = os.geteuid() == 0
NEEDED = [Path(sys.base_prefix), Path(sys.prefix), ROOT]


def hidden(place: Path) -> Path | None:
    """The outermost folder on the way to a place that only its owner may pass."""
    return next((each for each in reversed(place.parents) if not each.stat().st_mode & stat.S_IXOTH), None)


def building() -> str:
    """The script that makes the container and runs its arguments there.

    Python and the project stay where they are: a folder in which they would be out of reach is covered by an
    empty one, and they are put back there.
    """
    steps = ["set -e", "mount -t tmpfs tmpfs /mnt"]
    for number, place in enumerate(NEEDED):
        steps += [f"mkdir /mnt/{number}", f"mount --bind {quote(str(place))} /mnt/{number}"]
    covered = sorted({str(folder) for folder in map(hidden, NEEDED) if folder and ROOTLY})
    steps += [f"mount -t tmpfs -o mode=755 tmpfs {quote(folder)}" for folder in covered]
    steps += ["mount -t tmpfs -o mode=1777 tmpfs /tmp"]
    for number, place in enumerate(NEEDED):
        steps += [f"mkdir -p {quote(str(place))}", f"mount --bind /mnt/{number} {quote(str(place))}"]
        steps += [f"mount -o remount,bind,ro {quote(str(place))}"]
    steps += ["umount -l /mnt", *(f"mount -o remount,ro {quote(folder)}" for folder in covered)]
    user = f"--reuid {USER} --regid {USER} --clear-groups" if ROOTLY else ""
    drop = f"exec setpriv {user} --no-new-privs --bounding-set=-all --inh-caps=-all"
    return "\n".join([*steps, "mount -o remount,bind,ro /", "cd /tmp", f'{drop} "$@"'])


# Who is not root may mount inside a user namespace, and gives that up again at the end.
CONTAINER = ["unshare", "--mount", *([] if ROOTLY else ["--map-root-user"]), "sh", "-c", building(), "sh"]


def inside(*command: str, standard_input: str = "") -> subprocess.CompletedProcess[str]:
    """A command run in the container."""
    return subprocess.run(  # noqa: S603 - ours
        [*CONTAINER, *command], input=standard_input, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def contained() -> Iterator[Proxy]:
    if not all(map(shutil.which, ("unshare", "setpriv"))) or inside("true").returncode:
        pytest.skip("needs unshare and setpriv, and a machine that allows mount namespaces")
    start = [*CONTAINER, sys.executable, "-B", str(ROOT / "optillm.py")]
    with serving("--demo", command=start) as proxy:
        yield proxy


def test_the_walls_of_this_test_stand(contained: Proxy) -> None:
    assert inside("sh", "-c", "touch /tmp/x && ! touch /var/tmp/x && ! touch $0/x", str(ROOT)).returncode == 0
    facts = dict(
        line.split(":\t") for line in Path(f"/proc/{contained.process.pid}/status").read_text().splitlines()
    )
    assert facts["CapEff"] == facts["CapBnd"] == "0" * 16
    assert facts["NoNewPrivs"] == "1"
    assert int(facts["Uid"].split()[1]) != 0
    assert int(facts["Uid"].split()[1]) == (USER if ROOTLY else os.geteuid())


def test_serves_techniques_and_the_sandbox_without_writing_a_file(contained: Proxy) -> None:
    for model in ("bon-demo-small", "moa-demo-small", "z3-demo-small"):
        connection = HTTPConnection(urlsplit(contained.url).netloc, timeout=60)
        question = "Ann is taller than Bob. Cid is shorter than Bob. Who is the tallest?"
        body = {"model": model, "messages": [{"role": "user", "content": question}]}
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        reply = json.loads(response.read())
        connection.close()
        assert response.status == 200, reply
        assert reply["optillm"]["technique"] == model.partition("-")[0]
    assert any("sandbox level full" in line or "sandbox level seccomp" in line for line in contained.log)
    if ROOTLY:
        seen = {path.name for path in Path(f"/proc/{contained.process.pid}/root/tmp").iterdir()}
        assert seen <= {Path(place).parts[2] for place in NEEDED if place.is_relative_to("/tmp")}  # noqa: S108


@pytest.mark.parametrize(("program", "ok"), [("print(1)", True), ("import os", False)])
@pytest.mark.usefixtures("contained")
def test_the_sandbox_works_for_an_ordinary_user_without_capabilities(program: str, ok: bool) -> None:
    request = json.dumps({"language": "z3py", "program": program})
    done = inside(sys.executable, "-B", "-m", "optillm.sandbox", standard_input=request)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is ok


@pytest.mark.skipif(not ROOTLY, reason="needs root: a user namespace of one user has no victim to kill")
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("contained")
def test_attacks_on_the_sandbox_fail_there_too() -> None:
    attacks = str(ROOT / "tests" / "sandbox" / "test_attacks.py")
    chosen = "jail_alone and python"  # what differs there are the walls of the kernel
    told = inside(sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, attacks)
    assert told.returncode == 0, told.stdout
    assert "1 passed" in told.stdout
