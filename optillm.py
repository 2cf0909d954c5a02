"""Run from a checkout: ``python optillm.py`` is the ``optillm`` command."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is all that an older Python can read
    sys.exit("optillm: Python 3.11 or newer is needed, and this is " + sys.version.split()[0])

try:
    from optillm.cli import main
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] == "optillm":
        raise
    sys.exit("optillm: " + error.name + " is not installed: `make run` sets up .venv, which has it")

if __name__ == "__main__":
    main()
