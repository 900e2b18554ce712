"""For authors and their tests: a clock whose time is virtual."""

from connector_kit.testing.virtual_clock import VirtualClock

__all__ = ["VirtualClock"]
