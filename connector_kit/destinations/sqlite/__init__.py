"""SQLite as a destination: one file, no server; records and checkpoint in one transaction.

`destination` is the asynchronous front; `database` carries out its calls; `state_table` keeps the ledger's entries;
`file` opens the file or refuses it; `tables` and `values` are SQL and values.
"""

from .destination import SQLiteDestination

__all__ = ["SQLiteDestination"]
