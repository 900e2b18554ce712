"""Runs connectors: a connected one, a stream that is closed for sure, the sync engine and its report."""
