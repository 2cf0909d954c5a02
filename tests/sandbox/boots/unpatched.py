"""The dialect and the jail around libraries as they come: nothing is patched, functions look at their arguments."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
parts = importlib.import_module("parts")

del sys.path[0]
parts.without_sinks()
parts.main()
