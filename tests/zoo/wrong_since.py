"""Connectors that break the law of `since`: every record at or after it, in order where order is declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from .ledger import Ledger
from .source import PARIS, updated
from .specimen import Specimen

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

    from .source import Row


class SinceIsExclusive(Ledger):
    """`since` is compared with >: the records at exactly that time are never read."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or updated(row) > since


class SinceIsComparedAsText(Ledger):
    """`since` is compared as text with times of several offsets: 14:00+02:00 is taken to be after 12:30+00:00."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or str(row["updated_at"]) >= since.astimezone(PARIS).isoformat()


class SinceIsLocalTime(Ledger):
    """`since` loses its offset on the way: as local time it is two hours too late."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        if since is None:
            return True
        return updated(row).astimezone(UTC).replace(tzinfo=None) >= since.astimezone(PARIS).replace(
            tzinfo=None
        )


class SinceLosesItsOffset(Ledger):
    """`since` is written without its offset and read as UTC: right until somebody asks in another time zone."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or updated(row) >= since.replace(tzinfo=UTC)


class SinceIsComparedInSeconds(Ledger):
    """Times are cut to seconds, `since` is not: the records of its own second are not read."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or updated(row).replace(microsecond=0) >= since


class SinceIsRoundedUp(Ledger):
    """`since` is rounded to whole seconds, up."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or updated(row) >= (since + timedelta(seconds=1)).replace(microsecond=0)


class SinceIsADay(Ledger):
    """`since` is given to an API that knows days only, and takes them to begin the day after."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or updated(row).date() > since.date()


class SinceGoesByAnotherField(Ledger):
    """`since` is compared with the time of creation: what was changed later is not read."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or datetime.fromisoformat(row["created_at"]) >= since


class SinceMeetsNaiveTimes(Ledger):
    """Times are naive inside: comparing them with an aware `since` raises TypeError."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return since is None or updated(row).replace(tzinfo=None) >= since


class TimesAreNaive(Ledger):
    """Records carry local times without an offset; whoever stores them takes them to be UTC."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "updated_at": updated(row).astimezone(PARIS).replace(tzinfo=None).isoformat()}


class EqualKeysAreLostAtAPageBorder(Ledger):
    """Each page asks for what is later than the last one's time: of equal times across a border, the second is lost."""

    def follows(self, row: Row, cursor: Cursor) -> bool:
        return cursor is None or updated(row) > self.key_of(cursor)[0]


class ExactMultipleLosesTheLastPage(Ledger):
    """After the full pages comes the rest of the division: nothing, and the last page is lost, where it comes out even."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        rest, size = super().rest(rows, since, cursor), self.source.page_size
        return rest if len(rest) > size else rest[: len(rest) % size]


class OrderIsDeclaredAndNotKept(Ledger):
    """The entity is declared ordered; records come as an index of another field has them."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        wanted = sorted((row for row in rows if self.wants(row, since)), key=_shuffled)
        places = {row["id"]: place for place, row in enumerate(wanted)}
        begin = 0 if cursor is None else places[self.key_of(cursor)[1]] + 1
        return wanted[begin:]


class NewestFirst(Ledger):
    """The entity is declared ordered; records come in the order of time, the newest first."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        newest = sorted((row for row in rows if self.wants(row, since)), key=updated, reverse=True)
        places = {row["id"]: place for place, row in enumerate(newest)}
        begin = 0 if cursor is None else places[self.key_of(cursor)[1]] + 1
        return newest[begin:]


def _shuffled(row: Row) -> tuple[str, int]:
    return row["customer"], row["id"]


SPECIMENS = tuple(
    map(
        partial(Specimen, "since"),
        (
            SinceIsExclusive,
            SinceIsComparedAsText,
            SinceIsLocalTime,
            SinceLosesItsOffset,
            SinceIsComparedInSeconds,
            SinceIsRoundedUp,
            SinceIsADay,
            SinceGoesByAnotherField,
            SinceMeetsNaiveTimes,
            TimesAreNaive,
            EqualKeysAreLostAtAPageBorder,
            ExactMultipleLosesTheLastPage,
            OrderIsDeclaredAndNotKept,
            NewestFirst,
        ),
    )
)
