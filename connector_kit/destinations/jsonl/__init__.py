"""A folder of JSON lines as a destination: one file for each entity, and a note of how much of it counts.

`destination` is the asynchronous front; `folder` carries out its calls; `state` encodes the ledger's entries; `files` is
the operations on files.
"""

from .destination import JsonlDestination

__all__ = ["JsonlDestination"]
