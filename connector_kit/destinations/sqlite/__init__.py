"""SQLite as a destination: one file, no server; records and checkpoint in one transaction.

`values` and `statements` are pure; `place` opens the file or refuses it; `store` is the mechanism, in one thread at a
time; `destination` is its asynchronous front.
"""

from .destination import SqliteDestination

__all__ = ["SqliteDestination"]
