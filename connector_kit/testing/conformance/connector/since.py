"""Law 5, since: at, just before and just after the times that records really have, and the order of what is `ordered`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.keys import value_at
from connector_kit.runtime.watermark import instant_of
from connector_kit.testing.conformance.reading import Difference, SeenPage
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject

from .baseline import Baseline, attempted, full_reads
from .record_texts import fields_of, identity_of, instants_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings

__all__ = ["boundaries", "since"]

_MOST_REQUESTS: Final = 400  # of one entity; where its reads are long, fewer times are tried

_MICROSECOND = timedelta(microseconds=1)
_IN_ANOTHER_ZONE: Final = "in another time zone, at"
_ELSEWHERE = timezone(timedelta(hours=5, minutes=30))


@CONNECTOR_LAWS.law(
    5,
    "since",
    "A read since a time delivers every record whose replication key is at or after it; what is ordered comes in order.",
)
async def since(subject: Subject, findings: Findings) -> None:
    """Read since the times that records have, and around them."""
    reads = await full_reads(subject, findings)
    if all(read.entity.incremental != "since" for read in reads):
        findings.unchecked("reads by since: no entity says incremental='since'")
    for read in reads:
        in_order = not read.entity.ordered or _is_in_order(read)
        if read.entity.incremental != "since":
            continue
        try:
            instants = instants_of(read.entity, read.reading)
        except SchemaMismatchError as error:
            findings.unchecked(f"{read.name} by since: {error.message}")
            continue
        if times := boundaries(instants):
            order_matters = read.entity.ordered and in_order
            reads_since = _ReadsSince(read, list(chain.from_iterable(instants)), order_matters=order_matters)
            async with subject.connector() as connector:
                await reads_since.check(times, connector)
        else:
            findings.unchecked(f"{read.name} by since: no record has a {read.entity.replication_key}")


@attrs.frozen
class BoundaryTime:
    """A time that records have, and what it is: the first one, the last one, one on both sides of a page border."""

    at: datetime
    what: str


def boundaries(pages: list[list[datetime | None]]) -> list[BoundaryTime]:
    """Return those times of a read at which one by `since` may go wrong, the most telling first; no time twice."""
    keyed = [[instant for instant in page if instant is not None] for page in pages]
    times = sorted({instant for page in keyed for instant in page})
    if not times:
        return []
    chosen = [
        BoundaryTime(one[-1], "a time on both sides of a page border")
        for one, other in pairwise(page for page in keyed if page)
        if one[-1] == other[0]
    ][:1]
    chosen += [
        BoundaryTime(times[len(times) // 2], "the middle one"),
        BoundaryTime(times[-1], "the last one"),
        BoundaryTime(times[0], "the first one"),
    ]
    return list({each.at: each for each in reversed(chosen)}.values())[::-1]


def _is_in_order(read: Baseline) -> bool:
    """Tell of the first record that comes too early or too late. Return whether there is none."""
    try:
        late = _first_out_of_order(read)
    except TypeError as error:
        read.findings.unchecked(f"the order of {read.name}: its keys cannot be compared: {error}")
        return True
    if late is None:
        if read.since is None:
            read.findings.checked(f"the order of {len(read.reading.records)} records of {read.name}")
        return True
    page, before, after = late
    of_since = f" in a read{read.of_since}" if read.of_since else ""
    read.broken(
        f"a record comes after one with a later {read.entity.replication_key}{of_since}",
        "records in non-decreasing order of it, since the entity is `ordered`, over all pages of a read",
        "let the source sort by it, or say ordered=False",
        (before, after),
        page=page.number,
    )
    return False


def _first_out_of_order(read: Baseline) -> tuple[SeenPage, str, str] | None:
    """Return the page on which a record with a smaller key follows, and both records; None where all are in order.

    Records without a key do not count. Raises `TypeError` for keys that cannot be compared.
    """
    keyed = [
        (key, page, record)
        for page in read.reading.pages
        for record in page.records
        if (key := _order_key(read.entity, record)) is not None
    ]
    for (key, _, record), (next_key, page, next_record) in pairwise(keyed):
        if next_key < key:
            return page, record, next_record
    return None


def _order_key(entity: Entity, record: str) -> Any:
    """Return what a record is ordered by: a time, or a number where the key is one."""
    fields = fields_of(record)
    value = value_at(fields, entity.replication_key or "")
    if value is None or isinstance(value, int | float):
        return value
    try:
        return instant_of(entity, fields)
    except SchemaMismatchError as error:
        # how a source sorts texts that are no times (by bytes, by words, by numbers in them) nobody can tell
        raise TypeError(error.message) from error


_MEND_ROUNDED: Final = "ask for what is at or after since, and do not round it up"
_MOMENTS: Final[Mapping[str, tuple[Callable[[datetime], datetime], str]]] = {
    "at": (lambda at: at, "since is inclusive: ask the source for what is at or after it (>=)"),
    "just before": (lambda at: at - _MICROSECOND, _MEND_ROUNDED),
    "just after": (lambda at: at + _MICROSECOND, _MEND_ROUNDED),
    _IN_ANOTHER_ZONE: (
        lambda at: at.astimezone(_ELSEWHERE),
        "turn since into the source's time zone before it is written: since.astimezone(UTC)",
    ),
}
"""Which moments to ask for around a time, and what to mend where such a read loses records."""

_MEND_FAR: Final = (
    "later records are lost, too: compare moments (no texts, no local times, no whole days), of the replication key and no other "
    "field, and look at the borders of pages and at the last one"
)
_MEND_ERROR: Final = "take since as what it is, a datetime with a time zone, and do what the error says"


@attrs.frozen
class _Losses:
    """What a read by since lacks of what it should have, and whether it left out any of the others."""

    lost: tuple[str, ...]
    others: bool
    left_out: bool


class _ReadsSince:
    """The reads of one entity by since, compared with its full read and the times of its records."""

    def __init__(self, read: Baseline, instants: list[datetime | None], *, order_matters: bool) -> None:
        self._read = read
        self._dated = [
            (instant, record)
            for instant, record in zip(instants, read.reading.records, strict=True)
            if instant is not None
        ]
        self._order_matters = order_matters

    async def check(self, times: Sequence[BoundaryTime], connector: Connector) -> None:
        """Ask for what is since each of these times, and around them."""
        outcomes: list[_Losses] = []
        broken: set[str] = set()
        meter = self._read.subject.meter
        before = meter.requests
        for boundary in times:
            for how, (make, _) in _MOMENTS.items():
                if how in broken or (how == _IN_ANOTHER_ZONE and "at" in broken):
                    continue
                try:
                    moment = make(boundary.at)
                except OverflowError:  # the first and the last moment there is have no other one beside them
                    continue
                if meter.requests - before > _MOST_REQUESTS:
                    self._read.findings.unchecked(
                        f"{self._read.name} since {boundary.what}: its reads are long"
                    )
                    continue
                outcome = await self._read_since(moment, connector)
                if isinstance(outcome, _Losses) and not outcome.lost:
                    outcomes.append(outcome)
                    continue
                broken.add(how)
                if not await self._read.confirmed(f"{self._read.name} by since", in_order=True):
                    return
                self._tell_broken(boundary, how, moment, outcome)
                if isinstance(outcome, Difference):  # an error; the next one would be the same
                    return
        if not broken:
            what = f"{len(outcomes)} reads of {self._read.name} at, before and after the times of its records"
            whole = any(each.others for each in outcomes) and not any(each.left_out for each in outcomes)
            suffix = "; since filters nothing, each is the whole" if whole else ""
            self._read.findings.checked(f"{what}: {', '.join(each.what for each in times)}{suffix}")

    async def _read_since(self, moment: datetime, connector: Connector) -> _Losses | Difference:
        read, full = attrs.evolve(self._read, since=moment), self._read.reading
        most = 4 * len(full.pages) + 10
        got = await attempted(partial(read.read, connector, pages=most if full.ended else None))
        if isinstance(got, Difference):
            return got
        if full.ended and not got.ended and len(got.pages) == most:
            return Difference(f"no end after {most} pages, where a full read has {len(full.pages)}")
        if self._order_matters:
            self._order_matters = _is_in_order(attrs.evolve(read, reading=got))
        came = Counter(identity_of(read.entity, record) for record in got.records)
        lost = self._missing(came, [record for instant, record in self._dated if instant >= moment])
        others = [record for instant, record in self._dated if instant < moment]
        return _Losses(lost if got.ended else (), bool(others), bool(self._missing(came, others)))

    def _missing(self, came: Counter[str], records: Iterable[str]) -> tuple[str, ...]:
        """Return those of the records that did not come, or not so often."""
        left = Counter(came)
        missing: list[str] = []
        for record in records:
            identity = identity_of(self._read.entity, record)
            if left[identity] > 0:
                left[identity] -= 1
            else:
                missing.append(record)
        return tuple(missing)

    def _tell_broken(
        self, boundary: BoundaryTime, how: str, moment: datetime, outcome: _Losses | Difference
    ) -> None:
        lost: tuple[str, ...] = ()
        if isinstance(outcome, Difference):
            what, mend = outcome.what, _MEND_ERROR
        else:
            lost = outcome.lost
            what = f"{len(lost)} {'record' if len(lost) == 1 else 'records'} lost"
            far = any(record in lost and instant > boundary.at for instant, record in self._dated)
            mend = _MEND_FAR if far and how != _IN_ANOTHER_ZONE else _MOMENTS[how][1]
        entity, pages = self._read.entity, self._read.reading.pages
        self._read.broken(
            f"read since {moment.isoformat()}, {how} {boundary.what}: {what}",
            f"every record of a full read whose {entity.replication_key} is at or after it",
            mend,
            lost,
            page=next((page.number for page in pages if set(lost) & set(page.records)), None),
        )
