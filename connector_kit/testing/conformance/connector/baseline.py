"""The undisturbed read of an entity: what laws compare every other read with, and look at again before they blame."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import attrs

from connector_kit.errors import CursorExpiredError, RateLimitError, TransientError
from connector_kit.records.catalog import Entity
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.law import Findings
from connector_kit.testing.conformance.reading import Difference, NoPageError, Reading, difference
from connector_kit.testing.conformance.subject import Subject
from connector_kit.testing.conformance.telling import telling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor

__all__ = ["Baseline", "attempted", "full_read_of", "full_reads", "result_or_error", "retried", "smallest"]

T = TypeVar("T")

_MANY_PAGES = 20
_ATTEMPTS = 3


@attrs.frozen(eq=False)
class Baseline:
    """A read of an entity from its start, or from `since`, by a connector that did nothing else.

    What is told of the entity goes to the `findings` of a law.
    """

    subject: Subject
    findings: Findings
    entity: Entity
    reading: Reading
    since: datetime | None = None

    @property
    def name(self) -> str:
        """What was read: `orders`, `orders since 2024-01-01T00:00:00+00:00`."""
        return self.entity.name if self.since is None else f"{self.entity.name}{self.of_since}"

    @property
    def of_since(self) -> str:
        """The time it was read from, as words behind what was read; empty where there is none."""
        return "" if self.since is None else f" since {self.since.isoformat()}"

    @property
    def pages(self) -> int | None:
        """How many pages to read for comparison; None for all, where there are few."""
        count = len(self.reading.pages)
        return None if self.reading.ended and count <= _MANY_PAGES else min(count, _MANY_PAGES)

    async def read(self, connector: Connector, *, cursor: Cursor = None, pages: int | None = None) -> Reading:
        """Return the same read by another connector, from a cursor on, or so many pages of it."""
        return await self.subject.read(
            connector, self.entity.name, since=self.since, cursor=cursor, pages=pages
        )

    def differing(self, got: Reading) -> tuple[str, ...]:
        """Return the records that one of the two reads has and the other lacks, whatever their order.

        Of a read that was cut short, what the other one has besides counts for nothing.
        """
        mine, others = Counter(self.reading.records), Counter(got.records)
        more = others - mine if self.reading.ended else Counter[str]()
        less = mine - others if got.ended else Counter[str]()
        return (*more.elements(), *less.elements())

    def difference(self, records: Sequence[str], *, ended: bool, after: int = 0) -> Difference | None:
        """Compare records, in their order, with those that followed page `after`; None where they are the same."""
        return difference(
            self.reading.after(after), records, expected_ended=self.reading.ended, got_ended=ended
        )

    async def source_is_steady(self, *, in_order: bool = False) -> bool:
        """Read once more with a new connector; return whether the records are the same (`in_order`: and their order).

        Raises what the connector raises, and `EnoughError`: who cannot ask again blames nobody.
        """
        async with self.subject.connector() as connector:
            now = await self.read(connector, pages=None if self.reading.ended else len(self.reading.pages))
        differs = self.difference(now.records, ended=now.ended)
        return differs is None or (not in_order and Counter(now.records) == Counter(self.reading.records))

    async def confirmed(self, what: str, *, in_order: bool = False) -> bool:
        """Return whether a difference is the connector's; where the source itself changed, `what` is unchecked."""
        if await self.source_is_steady(in_order=in_order):
            return True
        self.findings.unchecked(f"{what}: the source changed meanwhile")
        return False

    def broken(
        self, what: str, expected: str, mend: str, records: Sequence[str] = (), *, page: int | None = None
    ) -> None:
        """Add evidence of this entity."""
        name, some = self.entity.name, tuple(records)
        self.findings.broken(what, expected=expected, mend=mend, entity=name, page=page, records=some)


def smallest(reads: Sequence[Baseline]) -> Baseline | None:
    """Return the smallest read that has records, if there is one with more than one page; None where none has any."""
    with_records = [read for read in reads if read.reading.records]
    if not with_records:
        return None

    def size(read: Baseline) -> tuple[bool, bool, int]:
        pages = len(read.reading.pages)
        return not read.reading.ended, pages == 1, pages

    return min(with_records, key=size)


async def full_reads(subject: Subject, findings: Findings) -> list[Baseline]:
    """Return a full read of each entity that can be read, up to the pages allowed."""
    reads: list[Baseline] = []
    for entity in await subject.entities():
        try:
            read = await full_read_of(subject, findings, entity)
        except NoPageError as error:
            findings.unchecked(f"{entity.name}: {error} (see progress)")
        except EnoughError as error:
            findings.unchecked(str(error))
            break
        else:
            reads += [read] if read is not None else []
    return reads


async def full_read_of(subject: Subject, findings: Findings, entity: Entity) -> Baseline | None:
    """Return a full read of an entity; None where it fails, which is unchecked here and judged by the law of the catalog.

    Raises `NoPageError` where something that is no page came, and `EnoughError`.
    """
    got = await result_or_error(lambda: subject.full_read(entity.name), NoPageError)
    if isinstance(got, Reading):
        return Baseline(subject, findings, entity, got)
    findings.unchecked(f"{entity.name}, which could not be read: {type(got).__name__}: {got} (see catalog)")
    return None


async def result_or_error(call: Callable[[], Awaitable[T]], *passed_on: type[Exception]) -> T | Exception:
    """Return what comes of a call, or the error it raises. Raise `EnoughError` and errors that are `passed_on`."""
    try:
        return await call()
    except Exception as error:  # whatever an author's connector raises is told
        if isinstance(error, (EnoughError, *passed_on)):
            raise
        return error


async def attempted(read: Callable[[], Awaitable[Reading]]) -> Reading | Difference:
    """Return a reading, or the error in its place. What fails in passing is tried once more.

    Raises `EnoughError` and `NoAnswerError`; `CursorExpiredError`, which is an answer; and `RateLimitError`: a quota that
    is used up shows nothing about the connector.
    """
    passed_on = NoAnswerError, CursorExpiredError, RateLimitError
    got = await result_or_error(read, *passed_on)
    if isinstance(got, TransientError):
        got = await result_or_error(read, *passed_on)
    return got if isinstance(got, Reading) else Difference(f"{type(got).__name__}: {got}")


async def retried(read: Baseline, look: Callable[[], Awaitable[None]], when: str) -> bool:
    """Look, and where that ends with a transient error, again, as long as a new connector reads the entity meanwhile.

    An error that comes each time, and to new connectors never, is evidence, as is any that is not transient; `when` says
    under which circumstance it comes. Otherwise the source failed. Return whether a look came to its end. Raises
    `EnoughError`.
    """
    errors: list[TransientError] = []
    with telling(read.findings, read.name, when=when):
        while len(errors) < _ATTEMPTS:
            try:
                await look()
            except TransientError as error:
                errors.append(error)
                if type(error) is not type(errors[0]) or not await read.source_is_steady():
                    raise
            else:
                return True
        read.broken(
            f"{when}, {type(errors[-1]).__name__}: {errors[-1]} ({_ATTEMPTS} times of {_ATTEMPTS})",
            "what a new connector gets at the same time, without an error",
            "look at what is closed or used up and not made anew: a client, a pool, a stream",
        )
    return False
