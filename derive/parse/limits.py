"""Limits on what a stranger's text may ask for.  Each is far beyond what a person writes."""

TEXT = 1_000_000  # characters of a model
DEPTH = 50  # nested operations in one expression
NODES = 20_000  # operations in one expression, functions of the author written out
DIGITS = 400  # digits of a number
EXPONENT = 1_000  # size of a constant exponent
EQUATIONS = 20_000
STATEMENTS = 25_000  # lines of a model, loops written out
LAYERS = 1_000  # numbers that one loop runs over
LOOPS = 4  # loops in each other
GRADS = 4  # times that grad is nested, where that leads through more than so many equations:
EQUATIONS_IN_GRADS = 20
RANK = 8  # axes of an array
ENTRIES = 100_000_000  # entries of an array
FIRST_ENTRIES = 20  # that a recurrence begins with
