"""The code of the solver processes: the zygote, the jail, the two languages.

Nothing here is ever executed in the server. `boot.py` imports the package under the top-level name `inside`, so
that a solver process holds none of the proxy's own code; hence the relative imports.
"""
