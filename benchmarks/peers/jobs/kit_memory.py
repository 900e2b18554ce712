"""connector_kit: a connector over pages in memory, through the stack that `protect` builds, synced to JSONL.

python kit_memory.py RECORDS FOLDER
"""

import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import anyio
from memory_pages import made

from connector_kit import Catalog, Cursor, Entity, Page, Resilience, protect, sync
from connector_kit.destinations.jsonl import JsonlDestination


class InMemory:
    """The pages as a connector; a cursor is the number of the next one."""

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        self.pages = pages

    async def connect(self) -> None:
        """Connect to nothing."""

    async def disconnect(self) -> None:
        """Disconnect from nothing."""

    async def discover_schema(self) -> Catalog:
        """Give the one entity."""
        return Catalog([Entity("records", primary_key="id")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Give the pages from a cursor on."""
        del entity, since
        first = cursor if isinstance(cursor, int) else 0
        for number in range(first, len(self.pages)):
            yield Page(self.pages[number], cursor=number + 1)


async def main(records: str, folder: str) -> None:
    """Read everything into FOLDER."""
    connector = protect(InMemory(made(int(records), folder)), Resilience(rate="100000/s"))
    report = await sync(connector, JsonlDestination(folder))
    if report.failed:
        sys.exit(str(report.entities[0].error))


RECORDS, FOLDER = sys.argv[1:]
anyio.run(main, RECORDS, FOLDER)
