"""Program → Program: the optimisations of fast code, each a function that keeps every value; `table` lists them."""
