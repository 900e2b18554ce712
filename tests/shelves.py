"""A right connector for tests of the laws, made so that a subclass breaks one of them by one method."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from connector_kit.errors import RequestRejectedError
from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.page import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from connector_kit.records.page import Cursor, Record
    from connector_kit.testing.conformance.law import Verdict

START = datetime(2024, 1, 1, tzinfo=UTC)
BOOKS = Entity(
    "books",
    fields=(
        Field("id", Scalar.INTEGER, nullable=False),
        Field("title", Scalar.STRING),
        Field("seen_at", Scalar.DATETIME),
    ),
    primary_key="id",
    incremental="cursor",
)


def book(number: int) -> dict[str, Any]:
    """Make book number `number`."""
    return {"id": number, "title": f"no. {number}", "seen_at": START + timedelta(days=number)}


class Shelf:
    """Serves seven books, three on a page. The cursor is the position behind the page, in a dict."""

    page_size = 3

    def __init__(self, rows: Sequence[Record] | None = None) -> None:
        self.rows: list[Record] = [book(number) for number in range(7)] if rows is None else [*rows]
        self.connected = False

    async def connect(self) -> None:
        await checkpoint()
        self.connected = True

    async def disconnect(self) -> None:
        self.connected = False

    async def discover_schema(self) -> Catalog:
        await checkpoint()
        return self.catalog()

    def catalog(self) -> Catalog:
        """Say what there is."""
        return Catalog([BOOKS])

    def end(self, cursor: Cursor) -> int:
        """Give the position at which a read from this cursor ends."""
        return len(self.rows)

    def position(self, cursor: Any) -> int:
        """Give the position at which a read begins."""
        after = 0 if cursor is None else cursor["after"]
        assert isinstance(after, int)
        return after

    def cursor(self, position: int) -> Any:
        """Make the cursor of a page that ends before a position."""
        return {"after": position}

    def page(self, records: Sequence[Record], position: int) -> Page:
        """Make a page that ends before a position."""
        return Page([dict(record) for record in records], self.cursor(position))

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.catalog()[entity]
        end = self.end(cursor)
        for start in range(self.position(cursor), end, self.page_size):
            await checkpoint()
            if not self.connected:
                raise RequestRejectedError("not connected; expected connect() first; call it")
            behind = min(start + self.page_size, end)
            yield self.page(self.rows[start:behind], behind)


def told(verdict: Verdict) -> str:
    """Give all evidence as one text."""
    return "\n".join(map(str, verdict.evidence))
