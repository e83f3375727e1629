"""The commands of `derive`: each reads its options, calls the library, and prints; SymPy and numpy load only then."""
