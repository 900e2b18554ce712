"""The main job: a real, misbehaving HTTP API lands in a database, exactly. Run it with `make demo`; again, it reads what is new.

It starts docs/examples/flights_api.py, syncs docs/examples/flights.toml into demo.sqlite with the command line, and
compares what landed with the data set.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import flights_api

HERE = Path(__file__).resolve().parent
DATABASE = Path("demo.sqlite")
PORT = Path(
    "demo.sqlite.port"
)  # an API at another address is another source, so the next run serves at the same one
TABLES = ("flights", "weather", "planes", "airports", "airlines")


def main() -> int:
    """Serve, sync, compare; 0 where every row is there once."""
    environment = {**os.environ, "FLIGHTS_TOKEN": "demo-token"}
    before = DATABASE.exists()
    port = PORT.read_text("ascii") if before and PORT.exists() else "0"
    server = subprocess.Popen(
        [sys.executable, str(HERE / "flights_api.py"), "--port", port, "--seed", "2013"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        print("starting a local API that allows 50 requests/s, fails now and then and cuts answers short ...")
        url = json.loads(server.stdout.readline())["url"]
        PORT.write_text(url.rpartition(":")[2], "ascii")
        command = [
            "sync",
            str(HERE / "flights.toml"),
            "--set",
            f"base_url={url}",
            "--to",
            f"sqlite:{DATABASE}",
        ]
        print(f"$ connector-kit {' '.join(command)}", flush=True)
        synced = subprocess.run(
            [sys.executable, "-m", "connector_kit", *command],
            env=environment,
            check=False,
        )
        if synced.returncode:
            return synced.returncode
        with urlopen(f"{url}/_stats") as answer:
            stats = json.load(answer)
    finally:
        server.stdin.close()
        server.wait()
    print(
        f"\nThe API was asked {stats['requests']} times; it refused {stats['rate_limited']} (429), failed "
        f"{stats['unavailable']} (503) and cut {stats['cut']} answers in the middle.",
        flush=True,
    )
    if compare():
        return 1
    print(f"Every row of the data set is in {DATABASE}, once.")
    if before:
        print("Only what is new was read; the last hour of flights and weather is looked at again.")
    else:
        print("Run `make demo` again: it reads only what is new.")
    return 0


def compare() -> int:
    """Print the rows per table in the data set and in the database; give the number of tables that differ."""
    wrong = 0
    with sqlite3.connect(DATABASE) as database:
        for table in TABLES:
            there = sum(1 for _ in csv.reader(io.StringIO(flights_api.data_file(table)))) - 1
            rows, distinct = database.execute(f"SELECT count(*), count(DISTINCT id) FROM {table}").fetchone()
            right = rows == distinct == there
            wrong += not right
            print(
                f"  {table:<9} {rows:>7,} rows, {there:>7,} in the data set{'' if right else '  <- differs'}"
            )
    database.close()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
