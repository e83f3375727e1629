"""The bridge to SymPy: rational functions, elimination, and models from and to SymPy."""
