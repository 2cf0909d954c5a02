"""What runs in the solver processes: the zygote, the jail, the two languages.

Nothing here is ever executed in the server. The package is imported under the top-level name `inside` by
`boot.py`, so that a solver process holds none of the proxy's own code; hence the relative imports.
"""
