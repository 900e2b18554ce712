"""A folder of JSON lines as a destination: one file for each entity, and a note of how much of it counts.

`names`, `state` and `lines` are pure; `files` is the few operations on files; `folder` is the mechanism; `destination`
is its asynchronous front.
"""

from .destination import JsonlDestination

__all__ = ["JsonlDestination"]
