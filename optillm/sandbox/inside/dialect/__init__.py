"""The dialect of Python for z3py and sympy programs: check, rewrite, run.

The jail is the boundary, not this wall: it keeps honest programs honest and tells a model precisely what it may not
do.
"""
