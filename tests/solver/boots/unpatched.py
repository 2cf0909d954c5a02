"""The libraries as they come, behind the dialect and the jail: only the functions of a program look at their arguments."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
parts = importlib.import_module("parts")

del sys.path[0]
parts.without_sinks()
parts.main()
