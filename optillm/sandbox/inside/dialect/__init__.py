"""The dialect of Python for z3py and sympy programs: check, rewrite, run.

Not a boundary on its own, the jail is: this wall keeps honest programs honest and tells a model precisely what
it may not do.
"""
