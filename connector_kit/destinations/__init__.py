"""Where records and their checkpoint land together: the shipped destinations, and what an author builds one from.

Every public name is imported when it is first used.
"""

from __future__ import annotations

from connector_kit.exports import lazy

__getattr__, __dir__ = lazy(__name__, __file__)
