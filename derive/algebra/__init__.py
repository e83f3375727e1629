"""The algebra of rules, on SymPy's polynomial rings: rational functions and elimination."""
