"""The REST connector, over every transport and event loop."""
