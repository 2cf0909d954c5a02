"""A zygote that never gets ready: whatever it is doing when the server dies, it must not go on."""

import importlib
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
parts = importlib.import_module("parts")

del sys.path[0]


def endless() -> None:
    """Take for ever."""
    threading.Event().wait()


parts.zygote.preload = endless
parts.main()
