"""``python -m optillm`` is the ``optillm`` command."""

from optillm.cli import main

if __name__ == "__main__":
    main()
