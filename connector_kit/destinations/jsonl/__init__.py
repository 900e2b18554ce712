"""A folder of JSON lines as a destination: one file for each entity, and a note of how much of it counts.

`destination` is the asynchronous front; `folder` carries out its calls; `state` encodes the ledger's entries; `logs` keeps
the logs of fingerprints; `files` is the operations on files.
"""

from connector_kit.destinations.local_path import local_path

from .destination import JsonlDestination

__all__ = ["JsonlDestination", "from_text"]


def from_text(text: str) -> JsonlDestination:
    """Return the destination that `jsonl:FOLDER` names, by what is behind the colon."""
    return JsonlDestination(local_path(text, "jsonl:FOLDER"))
