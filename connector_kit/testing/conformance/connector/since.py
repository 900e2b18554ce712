"""Law 5, since: at, just before and just after the times that records really have, and the order of what is `ordered`."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs

from connector_kit.errors import SchemaMismatchError
from connector_kit.runtime.watermark import instant_of
from connector_kit.testing.conformance.reading import Difference
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .boundaries import Boundary, boundaries, instants_of
from .identity import fields_of, identity_of
from .readings import full_reads
from .steady import QuietRead, attempted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import Reading, SeenPage
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["since"]


MOST_REQUESTS: Final = 400
"""For the reads by `since` of one entity; where its reads are long, fewer times are tried."""

_MICROSECOND = timedelta(microseconds=1)
_IN_ANOTHER_ZONE: Final = "in another time zone, at"
_ELSEWHERE = timezone(timedelta(hours=5, minutes=30))


@CONNECTOR_LAWS.law(
    5,
    "since",
    "A read since a time delivers every record whose replication key is at or after it; what is ordered comes in order.",
)
async def since(subject: Subject, found: Findings) -> None:
    """Look at law 5."""
    reads = await full_reads(subject, found)
    if all(entity.incremental != "since" for entity, _ in reads):
        found.unchecked("reads by since: no entity says incremental='since'")
    for entity, reading in reads:
        read = QuietRead(entity, reading)
        in_order = not entity.ordered or _look_at_order(read, found)
        if entity.incremental != "since":
            continue
        try:
            instants = instants_of(entity, reading)
        except SchemaMismatchError as error:
            found.unchecked(f"{entity.name} by since: {error.message}")
            continue
        if times := boundaries(instants):
            look = _Look(subject, read, list(chain.from_iterable(instants)), found)
            look.order_matters = entity.ordered and in_order
            await look.at(times)
        else:
            found.unchecked(f"{entity.name} by since: no record has a {entity.replication_key}")


def _look_at_order(read: QuietRead, found: Findings) -> bool:
    """Tell of the first record that comes too early or too late. False: there is one."""
    entity = read.entity
    try:
        late = first_out_of_order(entity, read.reading)
    except TypeError as error:
        found.unchecked(f"the order of {read.name}: its keys cannot be compared: {error}")
        return True
    if late is None:
        if read.since is None:
            found.checked(f"the order of {len(read.reading.records)} records of {entity.name}")
        return True
    page, before, after = late
    of_since = "" if read.since is None else f" in a read since {read.since.isoformat()}"
    found.broken(
        f"a record comes after one with a later {entity.replication_key}{of_since}",
        expected="records in non-decreasing order of it, since the entity is `ordered`, over all pages of a read",
        mend="let the source sort by it, or say ordered=False",
        entity=entity.name,
        page=page.number,
        records=(before, after),
    )
    return False


def first_out_of_order(entity: Entity, reading: Reading) -> tuple[SeenPage, str, str] | None:
    """Give the page on which a record with a smaller key follows, and both records; None where all are in order.

    Records without a key do not count. Raises `TypeError` for keys that cannot be compared.
    """
    keyed = [
        (key, page, record)
        for page in reading.pages
        for record in page.records
        if (key := _order_key(entity, record)) is not None
    ]
    for (key, _, record), (next_key, page, next_record) in pairwise(keyed):
        if next_key < key:
            return page, record, next_record
    return None


def _order_key(entity: Entity, record: str) -> Any:
    """Give what a record is ordered by: a time, or a number where the key is one."""
    fields = fields_of(record)
    value = fields.get(entity.replication_key or "")
    if value is None or isinstance(value, int | float):
        return value
    try:
        return instant_of(entity, fields)
    except SchemaMismatchError as error:
        # how a source sorts texts that are no times (by bytes, by words, by numbers in them) nobody can tell
        raise TypeError(error.message) from error


def _around(at: datetime) -> list[tuple[str, datetime]]:
    """Give the moments to ask for: the time itself, in another time zone, and a microsecond before and after it."""
    moments = []
    for how, make in _MOMENTS.items():
        with suppress(OverflowError):  # the first and the last moment there is have no other one beside them
            moments.append((how, make(at)))
    return moments


_MOMENTS: Final[Mapping[str, Callable[[datetime], datetime]]] = {
    "at": lambda at: at,
    "just before": lambda at: at - _MICROSECOND,
    "just after": lambda at: at + _MICROSECOND,
    _IN_ANOTHER_ZONE: lambda at: at.astimezone(_ELSEWHERE),
}

_MENDS: Final[Mapping[str, str]] = {
    "at": "since is inclusive: ask the source for what is at or after it (>=)",
    "just before": "ask for what is at or after since, and do not round it up",
    "just after": "ask for what is at or after since, and do not round it up",
    _IN_ANOTHER_ZONE: "turn since into the source's time zone before it is written: since.astimezone(UTC)",
}

_MEND_FAR: Final = (
    "later records are lost, too: compare moments (no texts, no local times, no whole days), of the replication key and no other "
    "field, and look at the borders of pages and at the last one"
)
_MEND_ERROR: Final = "take since as what it is, a datetime with a time zone, and do what the error says"


@attrs.frozen
class _Answer:
    """What a read by since lacks of what it should have, and whether it left out any of the others."""

    lost: tuple[str, ...]
    others: bool
    left_out: bool


class _Look:
    """The reads of one entity by since, compared with its full read and the times of its records."""

    def __init__(
        self, subject: Subject, read: QuietRead, instants: list[datetime | None], found: Findings
    ) -> None:
        self._subject = subject
        self._read = read
        self._dated = [
            (instant, record)
            for instant, record in zip(instants, read.reading.records, strict=True)
            if instant is not None
        ]
        self._found = found
        self.order_matters = False

    async def at(self, times: Sequence[Boundary]) -> None:
        """Ask for what is since each of these times, and around them."""
        async with self._subject.connector() as connector:
            await self._at(times, connector)

    async def _at(self, times: Sequence[Boundary], connector: Connector) -> None:
        answers: list[_Answer] = []
        broken: set[str] = set()
        before = self._subject.meter.requests
        for boundary in times:
            for how, moment in _around(boundary.at):
                if how in broken or (how == _IN_ANOTHER_ZONE and "at" in broken):
                    continue
                if self._subject.meter.requests - before > MOST_REQUESTS:
                    self._found.unchecked(f"{self._read.name} since {boundary.what}: its reads are long")
                    continue
                answer = await self._ask(moment, connector)
                if isinstance(answer, _Answer) and not answer.lost:
                    answers.append(answer)
                    continue
                broken.add(how)
                if not await self._read.still_the_same(self._subject):
                    self._found.unchecked(f"{self._read.name} by since: the source changed meanwhile")
                    return
                self._tell(boundary, how, moment, answer)
                if isinstance(answer, Difference):  # an error; the next one would be the same
                    return
        if not broken:
            self._tell_checked(times, answers)

    async def _ask(self, moment: datetime, connector: Connector) -> _Answer | Difference:
        entity, whole = self._read.entity, self._read.reading
        most = 4 * len(whole.pages) + 10

        async def ask() -> Reading:
            return await self._subject.read(
                connector, entity.name, since=moment, pages=most if whole.ended else None
            )

        got = await attempted(ask)
        if isinstance(got, Difference):
            return got
        if whole.ended and not got.ended and len(got.pages) == most:
            return Difference(f"no end after {most} pages, where a full read has {len(whole.pages)}")
        if self.order_matters:
            self.order_matters = _look_at_order(QuietRead(entity, got, moment), self._found)
        came = Counter(identity_of(entity, record) for record in got.records)
        lost = self._missing(came, [record for instant, record in self._dated if instant >= moment])
        others = [record for instant, record in self._dated if instant < moment]
        return _Answer(lost if got.ended else (), bool(others), bool(self._missing(came, others)))

    def _missing(self, came: Counter[str], records: Iterable[str]) -> tuple[str, ...]:
        """Give those of the records that did not come, or not so often."""
        left = Counter(came)
        missing = []
        for record in records:
            identity = identity_of(self._read.entity, record)
            if left[identity] > 0:
                left[identity] -= 1
            else:
                missing.append(record)
        return tuple(missing)

    def _tell(self, boundary: Boundary, how: str, moment: datetime, answer: _Answer | Difference) -> None:
        lost: tuple[str, ...] = ()
        if isinstance(answer, Difference):
            what, mend = answer.what, _MEND_ERROR
        else:
            lost = answer.lost
            what = f"{len(lost)} {'record' if len(lost) == 1 else 'records'} lost"
            far = any(record in lost and instant > boundary.at for instant, record in self._dated)
            mend = _MEND_FAR if far and how != _IN_ANOTHER_ZONE else _MENDS[how]
        entity, pages = self._read.entity, self._read.reading.pages
        self._found.broken(
            f"read since {moment.isoformat()}, {how} {boundary.what}: {what}",
            expected=f"every record of a full read whose {entity.replication_key} is at or after it",
            mend=mend,
            entity=entity.name,
            page=next((page.number for page in pages if set(lost) & set(page.records)), None),
            records=lost,
        )

    def _tell_checked(self, times: Sequence[Boundary], answers: Sequence[_Answer]) -> None:
        told = ", ".join(each.what for each in times)
        text = (
            f"{len(answers)} reads of {self._read.name} at, before and after the times of its records: {told}"
        )
        if any(answer.others for answer in answers) and not any(answer.left_out for answer in answers):
            text += "; since filters nothing, each is the whole"
        self._found.checked(text)
