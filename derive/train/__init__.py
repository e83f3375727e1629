"""Training: from a table of numbers and a generated module to saved parameters and a loss curve."""
