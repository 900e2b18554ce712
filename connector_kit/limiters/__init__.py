"""Rates as values, and the stateful limiters that grant permits under them."""
