"""SMT-LIB 2 as models write it: read strictly, allow-listed, printed again; z3 never sees foreign text."""
