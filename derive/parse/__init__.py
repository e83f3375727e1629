"""Text → Model: reading, name resolution, index form."""
