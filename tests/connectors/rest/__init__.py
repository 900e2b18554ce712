"""The REST connector, on both event loops."""
