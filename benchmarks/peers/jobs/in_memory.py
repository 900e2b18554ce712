"""An author's own connector, as docs/how-to/write-a-connector.md shows it: over pages that are in memory."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import attrs
from memory_pages import made

from connector_kit import Catalog, Cursor, Entity, Page


@attrs.frozen
class Size:
    """How many records there are, and the folder where the beginning of the work is noted."""

    records: int
    folder: str


class InMemory:
    """The pages as a connector, made when the first is asked for; a cursor is the number of the next one."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.pages: list[list[dict[str, Any]]] = []

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
        self.pages = self.pages or made(self.size.records, self.size.folder)
        first = cursor if isinstance(cursor, int) else 0
        for number in range(first, len(self.pages)):
            yield Page(self.pages[number], cursor=number + 1)
