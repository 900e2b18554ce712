"""connector_kit over one page in memory, given again and again as the JSON it is, to JSONL: what a shape of work costs.

    python kit_scaling.py RECORDS FOLDER PAGE_SIZE BYTES ENTITIES WRAPPERS AHEAD

A page is split anew each time, as the REST connector does with an answer, and no record is made of it. RECORDS are those
of all entities together; AHEAD is how many MiB may be read ahead of what is written.
"""

import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import anyio

from connector_kit import (
    Bulkheaded,
    Cached,
    Catalog,
    CircuitBreaking,
    Connector,
    Cursor,
    Entity,
    JsonRecords,
    Observed,
    Page,
    RateLimited,
    RateLimiter,
    Retrying,
    TimeLimited,
    Timeouts,
    Translating,
    Validating,
    sync,
)
from connector_kit.destinations import JsonlDestination
from connector_kit.durations import Duration
from connector_kit.events import Event
from connector_kit.wrappers.bulkhead.policy import Bulkhead

NEVER = Timeouts(call=Duration(900), page=Duration(900))


class Silent:
    """An observer that hears and forgets."""

    def observe(self, event: Event, /) -> None:
        """Forget it."""


class Same:
    """So many pages of one body for each entity; a cursor is the number of the next one."""

    def __init__(self, body: bytes, pages: int, entities: int) -> None:
        self.body, self.pages = body, pages
        self.catalog = Catalog([Entity(f"records{number}") for number in range(entities)])

    async def connect(self) -> None:
        """Connect to nothing."""

    async def disconnect(self) -> None:
        """Disconnect from nothing."""

    async def discover_schema(self) -> Catalog:
        """Give the entities."""
        return self.catalog

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Give the pages from a cursor on."""
        del entity, since
        first = cursor if isinstance(cursor, int) else 0
        for number in range(first, self.pages):
            yield Page(JsonRecords.of_array(self.body), cursor=number + 1)


def wrapped(connector: Connector, wrappers: int) -> Connector:
    """Put so many wrappers around it, from the inside outwards in the order that works."""
    layers: list[Callable[[Connector], Connector]] = [
        Translating,
        Validating,
        lambda inner: TimeLimited(inner, NEVER),
        lambda inner: RateLimited(inner, RateLimiter("1000000/s")),
        lambda inner: Bulkheaded(inner, Bulkhead(64)),
        CircuitBreaking,
        Retrying,
        lambda inner: TimeLimited(inner, NEVER),
        lambda inner: Cached(inner, Duration(60)),
        lambda inner: Observed(inner, Silent()),
    ]
    for layer in layers[:wrappers]:
        connector = layer(connector)
    return connector


def record(number: int, size: int) -> dict[str, object]:
    """Give a record whose JSON has about so many bytes."""
    known: dict[str, object] = {"id": number, "updated_at": "2024-01-01T00:00:00Z", "note": ""}
    return known | {"note": "x" * max(0, size - len(json.dumps(known, separators=(",", ":"))))}


def begun(folder: str) -> None:
    """Note that what follows is the work."""
    noted = {"at": time.monotonic(), "cpu": time.process_time()}
    Path(folder, "started.json").write_text(json.dumps(noted))


async def main(
    records: str, folder: str, page_size: str, size: str, entities: str, wrappers: str, ahead: str
) -> None:
    """Read everything into FOLDER."""
    page = [record(number, int(size)) for number in range(int(page_size))]
    body = json.dumps(page, separators=(",", ":")).encode()
    pages = int(records) // int(page_size) // int(entities)
    connector = wrapped(Same(body, pages, int(entities)), int(wrappers))
    begun(folder)
    place, buffer = JsonlDestination(Path(folder, "out")), int(ahead) * 2**20
    report = await sync(connector, place, concurrency=int(entities), buffer=buffer)
    if report.failed or report.rows != pages * len(page) * int(entities):
        sys.exit(f"{report.rows} rows: {report.entities[0].error}")


RECORDS, FOLDER, PAGE_SIZE, SIZE, ENTITIES, WRAPPERS, AHEAD = sys.argv[1:]
anyio.run(main, RECORDS, FOLDER, PAGE_SIZE, SIZE, ENTITIES, WRAPPERS, AHEAD)
