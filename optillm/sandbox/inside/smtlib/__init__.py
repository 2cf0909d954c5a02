"""SMT-LIB 2 as models write it: read strictly, checked against lists, and printed again for z3."""
