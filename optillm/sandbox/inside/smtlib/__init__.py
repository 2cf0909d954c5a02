"""SMT-LIB 2 as models write it: read strictly, checked against lists, printed anew for z3."""
