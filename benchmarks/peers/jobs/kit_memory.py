"""connector_kit as its operator runs it: an author's connector over pages in memory, synced to JSONL from the command line.

    python kit_memory.py RECORDS FOLDER

The stack is `protect`'s with its defaults and a rate that is counted but never reached.
"""

import sys
from pathlib import Path

from connector_kit.cli.main import process

DECLARED = """
connector = "in_memory:InMemory"

[settings]
records = {records}
folder = "{folder}"

[resilience]
rate = "100000/s"
"""

RECORDS, FOLDER = sys.argv[1:]
FILE = Path(FOLDER, "records.toml")
FILE.write_text(DECLARED.format(records=RECORDS, folder=FOLDER))
sys.argv[1:] = ["sync", str(FILE), "--to", f"jsonl:{FOLDER}"]
process()
