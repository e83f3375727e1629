"""Derivation → Program: array statements in order, with stable forms."""
