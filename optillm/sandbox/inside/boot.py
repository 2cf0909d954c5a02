"""The script that starts a zygote: `python -I -B boot.py [--language-only]`."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
importlib.import_module("inside.kernel").end_with(0)  # before anything that takes time
zygote = importlib.import_module("inside.zygote")
job = importlib.import_module("inside.job")
install = importlib.import_module("inside.jail").install
del sys.path[0]

zygote.main(zygote.ZygotePlan(install, job.execute, language_only="--language-only" in sys.argv))
