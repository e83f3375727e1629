"""The expression tree: nodes, constructors, walking, printing."""
