"""httpx2, msgspec and sqlite3 alone: a page is a batch of `executemany`, with a checkpoint row in the same transaction.

As many pages are in a transaction as connector_kit has in one on this job, by its buffer of 4 MiB.

    python bare_sqlite.py URL FOLDER SECONDS

The pragmas are those of connector_kit's destination (WAL, synchronous NORMAL). The checkpoint is written and never read:
there is no retry and no going on. https://docs.python.org/3/library/sqlite3.html#sqlite3.Cursor.executemany
"""

import sqlite3
import sys
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx2
import msgspec
from served_fields import FIELDS

ENCODER = msgspec.json.Encoder()
COLUMNS = ", ".join(FIELDS)
INSERT = f"INSERT INTO records ({COLUMNS}) VALUES ({', '.join('?' * len(FIELDS))})"
PAGES_AT_ONCE = 11
CHECKPOINT = "INSERT OR REPLACE INTO checkpoints VALUES ('records', ?)"


def rows(records: list[dict[str, Any]]) -> list[list[Any]]:
    """Give the values of each record; lists and objects as JSON."""
    return [
        [
            ENCODER.encode(value).decode() if isinstance(value, list | dict) else value
            for value in record.values()
        ]
        for record in records
    ]


async def main(url: str, folder: str, seconds: str) -> None:
    """Read everything into FOLDER."""
    decoder = msgspec.json.Decoder()
    database = sqlite3.connect(Path(folder, "records.sqlite"))
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"CREATE TABLE records ({COLUMNS})")
    database.execute("CREATE TABLE checkpoints (entity PRIMARY KEY, checkpoint)")
    parameters: dict[str, str] = {}
    async with httpx2.AsyncClient(timeout=float(seconds)) as client:
        for number in count(1):
            answer = await client.get(f"{url}/records", params=parameters)
            body = decoder.decode(answer.raise_for_status().content)
            database.executemany(INSERT, rows(body["data"]))
            if number % PAGES_AT_ONCE == 0 or body["next"] is None:
                database.execute(CHECKPOINT, (ENCODER.encode({"cursor": body["next"]}),))
                database.commit()
            if body["next"] is None:
                break
            parameters = {"cursor": body["next"]}
    database.close()


URL, FOLDER, SECONDS = sys.argv[1:]
anyio.run(main, URL, FOLDER, SECONDS)
