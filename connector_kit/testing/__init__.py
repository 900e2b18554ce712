"""For authors and their tests: a clock whose time is virtual, a destination in memory."""

from connector_kit.testing.memory import MemoryDestination
from connector_kit.testing.virtual_clock import VirtualClock

__all__ = ["MemoryDestination", "VirtualClock"]
