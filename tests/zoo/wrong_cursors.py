"""Connectors that break the law of cursors: JSON values that survive a round trip through text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from .ledger import Key, Ledger, key
from .source import Source, order, updated
from .specimen import Specimen

if TYPE_CHECKING:
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

    from .source import Row


class CursorIsATuple(Ledger):
    """The cursor is a tuple, which comes back from text as a list; a tuple is not compared with that."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        return updated(chosen[-1]).timestamp(), chosen[-1]["id"]

    def follows(self, row: Row, cursor: Any) -> bool:
        return cursor is None or bool((updated(row).timestamp(), row["id"]) > cursor)


class CursorIsADatetime(Ledger):
    """The cursor holds a datetime, which comes back from text as text."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Any:
        return {"at": updated(chosen[-1]), "id": chosen[-1]["id"]}

    def follows(self, row: Row, cursor: Any) -> bool:
        return cursor is None or key(row) > (cursor["at"], cursor["id"])


class CursorIsBytes(Ledger):
    """The cursor is bytes, as the client hands out its page tokens."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Any:
        return msgspec.msgpack.encode(super().cursor_after(chosen, since, cursor))

    def follows(self, row: Row, cursor: Any) -> bool:
        return super().follows(row, None if cursor is None else msgspec.msgpack.decode(cursor))


class CursorHasIntegerKeys(Ledger):
    """The cursor is a dict by number of shard: numbers come back from text as text."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Any:
        return {0: super().cursor_after(chosen, since, cursor)}

    def follows(self, row: Row, cursor: Any) -> bool:
        return super().follows(row, None if cursor is None else cursor[0])


@attrs.define
class Position:
    """Where a read is, as the client keeps it."""

    after: Key


class CursorIsALiveObject(Ledger):
    """The cursor is the client's own object for a position in a result."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Any:
        return Position(key(chosen[-1]))

    def follows(self, row: Row, cursor: Any) -> bool:
        return cursor is None or key(row) > cursor.after


class CursorMovesOn(Ledger):
    """One dict is the cursor of all pages and is moved on in place: whoever kept it for later holds the last one."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        position = cursor if isinstance(cursor, dict) else {}
        position["after"] = super().cursor_after(chosen, since, cursor)
        return position

    def follows(self, row: Row, cursor: Any) -> bool:
        return super().follows(row, None if cursor is None else cursor["after"])


class CursorListsWhatWasRead(Ledger):
    """The cursor lists the keys of all that was read, and grows with every page until no checkpoint holds it."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        rows = self.source.tables["orders"]
        read = [[row["updated_at"], row["id"]] for row in rows if key(row) <= key(chosen[-1])]
        return super().page(chosen, read)

    def follows(self, row: Row, cursor: Any) -> bool:
        return super().follows(row, cursor[-1] if cursor and isinstance(cursor[-1], list) else cursor)


class SecretInTheCursor(Ledger):
    """The cursor is the URL of the next page with the token in its query: it is stored with every checkpoint."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        after = f"{chosen[-1]['updated_at']}&id={chosen[-1]['id']}"
        return super().page(chosen, f"/orders?access_token={self.token.reveal()}&after={after}")

    def follows(self, row: Row, cursor: Cursor) -> bool:
        if isinstance(cursor, str):
            moment, _, number = cursor.partition("&after=")[2].partition("&id=")
            cursor = [moment, int(number)]
        return super().follows(row, cursor)


def large() -> Source:
    """Make a source with more orders than a cursor should list."""
    return Source(tables={"orders": [order(number) for number in range(1, 141)], "stores": []}, page_size=20)


SPECIMENS = (
    *map(
        partial(Specimen, "cursors"),
        (
            CursorIsATuple,
            CursorIsADatetime,
            CursorIsBytes,
            CursorHasIntegerKeys,
            CursorIsALiveObject,
            CursorMovesOn,
            SecretInTheCursor,
        ),
    ),
    Specimen("cursors", CursorListsWhatWasRead, source=large),
)
