"""The dialect without the jail: no system call filter, no Landlock, only bounds on memory and time."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
parts = importlib.import_module("parts")

del sys.path[0]
parts.with_network()
parts.main(install=parts.limits_only, files=lambda: 0, proven=lambda _: False)
