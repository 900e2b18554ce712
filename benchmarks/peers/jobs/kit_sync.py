"""connector_kit, as docs/how-to/rest.md and docs/how-to/sync.md show it: a declared REST API, protected, synced.

    python kit_sync.py URL FOLDER SECONDS jsonl|sqlite [TRANSPORT]

The stack is `protect`'s with its defaults (retries, a time limit for each attempt and for a whole page) and a rate that
is counted but never reached. Checkpoints cannot be turned off. SECONDS is the time limit of one attempt, TRANSPORT the
package that speaks HTTP, where it is not the default.
"""

import sys

import anyio
from served_fields import FIELDS

from connector_kit import Resilience, Timeouts, load_config, protect, sync
from connector_kit.connectors.rest import RestConfig, RestConnector
from connector_kit.destinations.locate import open_destination

TYPES = {"array": "json", "object": "json"}
"""What the kit calls them, where it has another word."""


async def main(url: str, folder: str, seconds: str, kind: str, transport: str) -> None:
    """Read everything into FOLDER."""
    declared = {
        "base_url": url,
        "page_size": 1_000,
        "transport": transport,
        "resources": {
            "records": {
                "path": "/records",
                "records": "data",
                "pagination": {"type": "cursor_field", "field": "next", "param": "cursor"},
                "primary_key": ["id"],
                "replication_key": "updated_at",
                "fields": {name: TYPES.get(type_, type_) for name, type_ in FIELDS.items()},
            }
        },
    }
    limit = Timeouts(call=f"{seconds}s", page=f"{seconds}s")
    connector = protect(
        RestConnector(load_config(RestConfig, declared)), Resilience(rate="10000/s", attempt=limit)
    )
    place = f"{folder}/records.sqlite" if kind == "sqlite" else folder
    report = await sync(connector, open_destination(f"{kind}:{place}"))
    if report.failed:
        sys.exit(str(report.entities[0].error))


URL, FOLDER, SECONDS, KIND, TRANSPORT = [*sys.argv[1:], "httpx2"][:5]
anyio.run(main, URL, FOLDER, SECONDS, KIND, TRANSPORT)
