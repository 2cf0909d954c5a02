"""The jail without the dialect: raw exec, and z3 and sympy as they come."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
parts = importlib.import_module("parts")

del sys.path[0]
parts.without_sinks()
parts.main(execute=parts.raw)
