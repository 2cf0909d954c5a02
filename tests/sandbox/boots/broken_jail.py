"""A jail whose filter is missing although it says otherwise: the self-test must notice."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
parts = importlib.import_module("parts")

del sys.path[0]
parts.without_rare_modules()
parts.main(install=parts.limits_only, files=lambda: 0)
