"""Checks of what was derived against what does not know how it was derived."""
