"""`open_destination` once more, for programs written when it was here; the door is `connector_kit.destinations`."""

from connector_kit.registry.destinations import open_destination

__all__ = ["open_destination"]
