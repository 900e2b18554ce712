"""For authors and their tests: the laws as a test kit, a clock whose time is virtual, strategies, a destination in memory.

Every public name is imported when it is first used: the kit for tests is not what a program should pay for, and only
the strategies and the plans of faults need hypothesis.
"""

from __future__ import annotations

from connector_kit.exports import lazy

__getattr__, __dir__ = lazy(__name__, __file__)
