"""Program → source text: the numpy module."""
