"""SQLite as a destination: one file, no server; records and checkpoint in one transaction.

`destination` is the asynchronous front; `database` carries out its calls; `state_table` keeps the ledger's entries;
`file` opens the file or refuses it; `tables` and `values` are SQL and values.
"""

from connector_kit.destinations.local_path import local_path

from .destination import SQLiteDestination

__all__ = ["SQLiteDestination", "from_text"]


def from_text(text: str) -> SQLiteDestination:
    """Return the destination that `sqlite:FILE` names, by what is behind the colon."""
    return SQLiteDestination(local_path(text, "sqlite:FILE"))
