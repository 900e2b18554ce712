"""A source that changes while it is read, as plain as can be: what it holds now, and what it has served and when.

It is a connector as an author would write it. Every change takes at least a second, so that what is written after a page was
served has a later time than anything on it; how its clock differs from the reader's, and how late a record becomes visible,
is its `Nature`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio
import attrs
import msgspec
from anyio.lowlevel import checkpoint

from connector_kit.errors import CursorExpiredError
from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.checkpoint import Reading
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.page import Cursor, Page, Record
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


__all__ = ["ENTITY", "Change", "MovingSource", "Nature", "Served", "Version"]

ENTITY = "events"

Kind: TypeAlias = Literal["good", "null", "empty", "zeroes", "future"]
Key: TypeAlias = Literal["updated", "modified"]
Base: TypeAlias = Literal["a", "b"]
Params: TypeAlias = Literal["all", "even"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUTURE = datetime(2099, 1, 1, tzinfo=UTC)
"""Beyond what any run takes for the present: a date in the future that is nearer would be one of a clock that is wrong."""

_UNUSABLE: Mapping[Kind, Any] = {"null": None, "empty": "", "zeroes": "0000-00-00"}


@attrs.frozen
class Nature:
    """What a source is like, all its life. Times are in seconds.

    `cursors` says which pages carry one, `until_empty` that a read ends with an empty page instead of a short one. `tolerance`
    bounds `skew` and `other_skew`, by which the clocks of its two sorts of writers differ from the reader's: an ordered source
    has one clock for each replication key, another one has both for both. `late` bounds how long after its time a record
    becomes visible, which is what the operator's lookback is for. `coarse` says that it floors `since` to the minute.
    `keyless` says whether a read by `since` serves records that have no usable time; `keyless_last` where they come in an
    ordered one. `form` is how times are written; `nested`, that the keys are paths; `lazy`, that pages are JSON.
    """

    ordered: bool = True
    keyed: bool = True
    page_size: int = 2
    cursors: tuple[bool, ...] = (True,)
    until_empty: bool = False
    page_seconds: int = 1
    tolerance: int = 300
    skew: int = 0
    other_skew: int = 0
    late: int = 0
    coarse: bool = False
    keyless: Literal["hidden", "served"] = "hidden"
    keyless_last: bool = False
    form: Literal["datetime", "iso", "epoch", "epoch_ms", "rfc1123"] = "iso"
    nested: bool = False
    lazy: bool = False
    declared: bool = True


@attrs.frozen
class Change:
    """What somebody does to the source: `which` record, with what sort of time, visible `late` seconds after its time."""

    what: Literal["insert", "update", "delete", "tie"]
    which: int = 0
    kind: Kind = "good"
    late: int = 0


@attrs.frozen
class Version:
    """A version of a record. `number` is unique among all versions, `commit` says in which order they became visible."""

    id: int
    number: int
    kind: Kind
    times: Mapping[Key, datetime]
    commit: int = 0

    def instant(self, key: Key) -> datetime | None:
        """Return the time that the replication key says, None where it says none."""
        return None if self.kind in _UNUSABLE else self.times[key]


@attrs.frozen
class Served:
    """A version that was served, and when."""

    version: Version
    at: datetime


@attrs.define(eq=False)
class MovingSource:
    """The source as a connector. `reading`, `key`, `base` and `params` are how it is declared now.

    For one run: `meanwhile` are the changes before each page; `hollow`, that it serves so many records and no more, as if
    there were none; `forgetful`, that it no longer knows any cursor; `before_page` is called with each page's number.
    """

    nature: Nature
    clock: VirtualClock
    reading: Reading = "since"
    key: Key = "updated"
    base: Base = "a"
    params: Params = "all"
    served: list[Served] = attrs.field(factory=list[Served])
    reads: int = 0
    meanwhile: Sequence[Sequence[Change]] = ()
    hollow: int | None = None
    forgetful: bool = False
    gate: anyio.Lock = attrs.field(factory=anyio.Lock)
    before_page: Callable[[int], Awaitable[None]] | None = None
    _latest: dict[Base, Version] = attrs.field(factory=dict[Base, Version])
    _tables: dict[Base, dict[int, Version]] = attrs.field(factory=lambda: {"a": {}, "b": {}})
    _deleted: dict[Base, list[int]] = attrs.field(factory=lambda: {"a": [], "b": []})
    _pending: list[tuple[datetime, Base, Version]] = attrs.field(factory=list[tuple[datetime, Base, Version]])
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))
    _commits: Iterator[int] = attrs.field(factory=lambda: count(1))
    _pages: int = 0

    @property
    def revision(self) -> str:
        """What a cursor or watermark depends on."""
        return f"{self.base}?{self.params}"

    @property
    def entity(self) -> Entity:
        """The entity as it is declared now."""
        nature = self.nature
        fields = (
            (Field("id", Scalar.INTEGER), Field("number", Scalar.INTEGER)),
            (Field("at"), Field("ref")) if nature.nested else (Field("updated"), Field("modified")),
        )
        primary_key = "ref.id" if nature.nested else "id"
        return Entity(
            ENTITY,
            (*fields[0], *fields[1]) if nature.declared else (),
            primary_key=primary_key if nature.keyed else (),
            replication_key=f"at.{self.key}" if nature.nested else self.key,
            ordered=nature.ordered and self.reading == "since",
            incremental=None if self.reading == "full" else self.reading,
            revision=self.revision,
            replication_format=None if nature.form in ("datetime", "iso") else nature.form,
        )

    def current(self) -> list[Version]:
        """Return what a full read serves now."""
        table = self._tables[self.base].values()
        return [version for version in table if self.params == "all" or version.id % 2 == 0]

    def owed(self) -> list[Version]:
        """Return what a read by the replication key cannot miss: no record of which it hides that it changed."""
        return [
            version
            for version in self.current()
            if self.reading != "since"
            or self.nature.keyless == "served"
            or version.instant(self.key) is not None
        ]

    def apply(self, change: Change) -> None:
        """Let somebody change it, a second or a little more after whatever was before."""
        self._tick()
        table, deleted = self._tables[self.base], self._deleted[self.base]
        id_ = sorted(table)[change.which % len(table)] if table else None
        if change.what == "tie":
            self._tie()
        elif change.what == "insert" or id_ is None:
            again = deleted.pop() if deleted and change.which % 3 == 0 else None
            self._write(again or self._new_id(), change.kind, change.late)
        else:
            self._commit(of=id_)
            if change.what == "delete":
                del table[id_]
                deleted.append(id_)
            else:
                self._write(id_, change.kind, change.late)

    def settle(self) -> None:
        """Let what was written become visible; from now on nothing changes."""
        self.clock.advance(self.nature.late)
        self._commit()

    async def connect(self) -> None:
        """Begin a run."""
        await checkpoint()
        self._pages = 0

    async def disconnect(self) -> None:
        """Nothing is held."""

    async def discover_schema(self) -> Catalog:
        """Say how the entity is declared now."""
        await checkpoint()
        return Catalog([self.entity])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Serve what follows the cursor at the moment a page is asked for."""
        self.reads += 1
        if cursor is not None and self.forgetful:
            raise CursorExpiredError("that cursor is no longer known")
        after = cursor["after"] if isinstance(cursor, dict) else None
        assert after is None or isinstance(after, int)
        left = self.hollow
        while True:
            number, self._pages = self._pages, self._pages + 1
            async with self.gate:
                self.clock.advance(self.nature.page_seconds)
                for change in self.meanwhile[number] if number < len(self.meanwhile) else ():
                    self.apply(change)
                if self.before_page is not None:
                    await self.before_page(number)
                chosen = self._following(since, after)[: self.nature.page_size][:left]
                self.served += [Served(version, self.clock.now()) for version in chosen]
            if not chosen:
                return
            after = self._position(chosen[-1])
            left = None if left is None else left - len(chosen)
            resumable = self.nature.cursors[number % len(self.nature.cursors)] or self.reading == "cursor"
            yield Page(self._records(chosen), {"after": after} if resumable else None)
            if len(chosen) < self.nature.page_size and not self.nature.until_empty:
                return

    def _following(self, since: datetime | None, after: int | None) -> list[Version]:
        self._commit()
        chosen = self.current()
        if self.reading == "since" and since is not None:
            floor = since.replace(second=0, microsecond=0) if self.nature.coarse else since
            keyless = self.nature.keyless == "served"
            chosen = [
                version
                for version in chosen
                if (keyless if (instant := version.instant(self.key)) is None else instant >= floor)
            ]
        return sorted(
            (version for version in chosen if after is None or self._position(version) > after),
            key=self._position,
        )

    def _position(self, version: Version) -> int:
        """Where it stands among the others. One number for every way of reading: no cursor is refused as another's."""
        if self.reading == "cursor":
            return version.commit
        if not (self.reading == "since" and self.nature.ordered):
            return version.id
        instant = version.instant(self.key)
        if instant is None:
            return version.id + (2 * 10**18 if self.nature.keyless_last else 0)
        return 10**18 + round(instant.timestamp()) * 10_000 + version.id

    def _records(self, versions: Sequence[Version]) -> Sequence[Record]:
        records = [self._record(version) for version in versions]
        return JsonRecords.of_array(msgspec.json.encode(records)) if self.nature.lazy else records

    def _record(self, version: Version) -> Record:
        times: Record = {key: self._written(version, key) for key in version.times}
        own = {"id": version.id, "number": version.number}
        return {**own, "at": times, "ref": {"id": version.id}} if self.nature.nested else {**own, **times}

    def _written(self, version: Version, key: Key) -> Any:
        instant = version.instant(key)
        if instant is None:
            return _UNUSABLE[version.kind]
        match self.nature.form:
            case "datetime":
                return instant
            case "iso":
                return instant.isoformat()
            case "epoch":
                return round(instant.timestamp())
            case "epoch_ms":
                return round(instant.timestamp()) * 1000
            case "rfc1123":
                return format_datetime(instant, usegmt=True)

    def _tick(self) -> None:
        """Go on to the next whole second but one, so that no two changes share their time."""
        now = self.clock.now()
        self.clock.advance((now.replace(microsecond=0) + timedelta(seconds=2) - now).total_seconds())
        self._commit()

    def _write(self, id_: int, kind: Kind, late: int) -> None:
        number, now, nature = next(self._numbers), self.clock.now(), self.nature
        skews = [nature.skew, nature.other_skew]
        if not nature.ordered and number % 2:
            skews.reverse()
        times: dict[Key, datetime] = {
            "updated": now + timedelta(seconds=skews[0]),
            "modified": now + timedelta(seconds=skews[1]),
        }
        if kind == "future":
            times = dict.fromkeys(times, FUTURE)
        self._pending.append(
            (
                now + timedelta(seconds=min(late, nature.late)),
                self.base,
                Version(id_, number, kind, times),
            )
        )
        self._commit()

    def _tie(self) -> None:
        """Insert a record with the latest time of all, as one that was written in the same moment as the last."""
        if latest := self._latest.get(self.base):
            tied = Version(self._new_id(), next(self._numbers), "good", latest.times)
            self._pending.append((self.clock.now(), self.base, tied))
            self._commit()

    def _new_id(self) -> int:
        waiting = [version.id for _, base, version in self._pending if base == self.base]
        return max([0, *self._tables[self.base], *self._deleted[self.base], *waiting]) + 1

    def _commit(self, *, of: int | None = None) -> None:
        """Let versions become visible: those that are due, and those of a record that is changed again."""
        now = self.clock.now()
        due = [
            each
            for each in sorted(self._pending, key=lambda each: (each[0], each[2].number))
            if each[0] <= now or (each[1] == self.base and each[2].id == of)
        ]
        for each in due:
            self._pending.remove(each)
            _, base, version = each
            self._tables[base][version.id] = attrs.evolve(version, commit=next(self._commits))
            latest = self._latest.get(base)
            if version.kind == "good" and (
                latest is None or version.times["updated"] > latest.times["updated"]
            ):
                self._latest[base] = version
