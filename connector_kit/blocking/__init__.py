"""Synchronous clients: a blocking client as a connector, single records as pages, a connector for blocking code."""
