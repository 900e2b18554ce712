"""connector_kit as its operator runs it: an API that a TOML file declares, synced from the command line (docs/how-to/sync.md).

    python kit_sync.py URL FOLDER SECONDS jsonl|sqlite

The stack is `protect`'s with its defaults (retries, a time limit for each attempt and for a whole page) and a rate that
is counted but never reached. Checkpoints cannot be turned off. SECONDS is the time limit of one attempt.
"""

import sys
from pathlib import Path

from served_fields import FIELDS

from connector_kit.cli.main import process

TYPES = {"array": "json", "object": "json"}
"""What the kit calls them, where it has another word."""
DECLARED = """
connector = "rest"

[settings]
base_url = "{url}"
page_size = 1000

[settings.resources.records]
path = "/records"
records = "data"
pagination = {{ type = "cursor_field", field = "next", param = "cursor" }}
primary_key = ["id"]
replication_key = "updated_at"

[settings.resources.records.fields]
{fields}

[resilience]
rate = "10000/s"
attempt = {{ call = "{seconds}s", page = "{seconds}s" }}
"""

URL, FOLDER, SECONDS, KIND = sys.argv[1:]
FILE = Path(FOLDER, "records.toml")
NAMED = "\n".join(f'{name} = "{TYPES.get(kind, kind)}"' for name, kind in FIELDS.items())
FILE.write_text(DECLARED.format(url=URL, seconds=SECONDS, fields=NAMED))
PLACE = f"{FOLDER}/records.sqlite" if KIND == "sqlite" else FOLDER
sys.argv[1:] = ["sync", str(FILE), "--to", f"{KIND}:{PLACE}"]
process()
