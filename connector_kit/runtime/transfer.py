"""The transfer of one entity in a run: one task reads pages, the other writes those that are there, in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.capabilities import close_broken_stream
from connector_kit.clock import Clock
from connector_kit.errors import BadRecordError, ConnectorError, CursorExpiredError, DataError
from connector_kit.events import EntityFinished, EntityStarted, PagesWritten, Warned
from connector_kit.protocols import Connector, Destination
from connector_kit.records.batches import joined
from connector_kit.tasks import task_group
from connector_kit.text import counted
from connector_kit.wrappers.validation.taking import taking_rejected
from connector_kit.wrappers.validation.wrapper import Quarantine

from .bad_records import BadRecords
from .page_buffer import PageBuffer
from .read import Read, Step, steps
from .report import EntityReport, RunTotals, Status
from .session import stream

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, Mode

    from .naming import Naming
    from .options import EntityOptions

__all__ = ["RunContext", "Transfer"]

_BETWEEN_STEPS = 0.02
"""Seconds from one step to the next, unless there is enough to write before. A step costs a checkpoint, and mostly a
hand-over to a thread, as much as a page or two; a run that is killed reads again what it had read in this time."""

_BEGUN_ANEW = "begun anew: the source no longer accepts the cursor at which the last run stopped"


@attrs.frozen
class RunContext:
    """What all transfers of a run share. `name` is the connector's; `buffer` is how many bytes may be read ahead.

    `quarantine` is where bad records of entities go whose options say so.
    """

    name: str
    connector: Connector
    destination: Destination
    totals: RunTotals
    clock: Clock
    buffer: int
    quarantine: Quarantine | None = None


class Transfer:
    """Brings what is new of one entity into the destination. Used once: `run`, and `stop` from another task."""

    def __init__(
        self, context: RunContext, entity: Entity, mode: Mode, options: EntityOptions, naming: Naming
    ) -> None:
        self._context = context
        self._fresh = self._read = Read(context.name, entity, mode, options)
        self._name = entity.name
        self._naming = naming
        self._bad_records = BadRecords(
            entity.name,
            primary_key=entity.primary_key,
            action=options.on_bad_record,
            quarantine=context.quarantine,
            thorough=mode == "append" and entity.incremental == "since",
            tell=context.totals.observe,
        )
        self._reading = anyio.CancelScope()
        self._stopped = False
        self._resumed = False
        self._unusable = 0
        self._duplicates = 0
        self._stored: Read | None = None
        self._told = set[str]()
        self._rows = 0
        self._delivered = False
        self._ended = False
        self._fault: Exception | None = None

    def stop(self) -> None:
        """Ask for no more pages; those that were read are still written."""
        self._stopped = True
        self._reading.cancel()

    @property
    def table(self) -> str:
        """The entity's name in the destination."""
        return self._naming.entity.name

    async def run(self, stored: Checkpoint | None) -> EntityReport:
        """Read and write until the entity is complete, stopped or failed; never raises an `Exception`.

        `stored` is the last checkpoint that the destination has under the entity's name, whoever made it.
        """
        try:
            if not self._stopped:
                self._read.refuse_owner(stored, self.table)
                await self._begin()
                self._context.totals.observe(EntityStarted(self._name, self._read.mode, self._resumed))
                await self._transfer()
            if self._ended and self._read.leaves_changes_behind:
                await self._catch_up()
        except Exception as error:  # noqa: BLE001 - one entity's failure must not stop the others: it goes into the report
            self._fault = error
        return self._report()

    async def _catch_up(self) -> None:
        """Read what changed before the place where a read of an earlier run went on: only then is the entity complete."""
        self._ended = False
        if not self._stopped:
            await self._begin()
            await self._transfer()

    async def _begin(self) -> None:
        """Go on behind the last checkpoint; where that must not be, from the start, with a new generation."""
        fresh, destination = self._fresh, self._context.destination
        last = await destination.start(self._naming.entity, fresh.mode)
        read = self._read = fresh.begin(last, self._context.clock.now())
        self._stored, self._delivered, self._ended = None, False, False
        self._resumed = self._resumed or read.resumed
        if last is not None and (read.resumed or read.mode == "append"):
            self._stored = read
        elif last is not None and read.mode == "replace":
            await destination.start(self._naming.entity, read.mode, resume=False)
        self._tell()

    def _tell(self, *warnings: str) -> None:
        """Tell the notes of the read, and these warnings, each once."""
        for warning in (*self._read.notes, *warnings):
            if warning not in self._told:
                self._told.add(warning)
                self._context.totals.observe(Warned(self._name, warning))

    async def _transfer(self) -> None:
        pages = PageBuffer(self._context.buffer)
        async with task_group() as tasks:
            tasks.start_soon(self._read_all, pages)
            await self._write_all(pages)
        if self._fault is not None:
            raise self._fault
        if self._ended:
            await self._finish()

    async def _finish(self) -> None:
        read, now = self._read, self._context.clock.now()
        checkpoint = read.finish(now)
        self._unusable += read.keys.unusable
        self._tell(*read.warnings(now))
        if read.mode == "replace":
            await self._refuse_shrinking()
        await self._context.destination.finish(self.table, checkpoint)
        if read.mode == "replace" and read.entity.primary_key:
            await self._count_duplicates()

    async def _count_duplicates(self) -> None:
        """Tell how many records of a replace another one with the same primary key took the place of."""
        shown = await self._context.destination.count(self.table)
        self._duplicates = 0 if shown is None else max(0, self._read.rows - shown)
        if self._duplicates:
            came = counted(self._duplicates, "record", "records")
            self._tell(f"{came} had the primary key of a later one, which is stored in place of it")

    async def _refuse_shrinking(self) -> None:
        """Drop the new generation and raise `DataError` where it has far fewer rows than are there."""
        read, least = self._read, self._read.options.min_share
        shown = await self._context.destination.count(self.table) if least else None
        if not shown or read.rows >= max(1, least * shown):
            return
        await self._context.destination.start(self._naming.entity, read.mode, resume=False)
        raise DataError(
            f"a replace of entity {self._name!r} would leave {counted(read.rows, 'row')} where there are {shown:,}; expected at least {least:.0%} of them "
            "(min_share); nothing was replaced: look at the source, and where it really has so few, run once with --allow-shrink, or set "
            "min_share to 0 for the entity"
        )

    async def _read_all(self, pages: PageBuffer) -> None:
        try:
            with anyio.CancelScope() as self._reading:
                if self._stopped:
                    self._reading.cancel()
                await self._read_or_begin_anew(pages)
                self._ended = True
        except Exception as error:  # noqa: BLE001 - the pages before it are still written; then it is raised
            self._fault = error
        finally:
            pages.end()

    async def _read_or_begin_anew(self, into: PageBuffer) -> None:
        read = self._read
        try:
            await self._read_pages(read, into)
        except CursorExpiredError as error:
            if read.cursor is None or self._delivered:
                raise
            anew = read.without_cursor(self._context.clock.now())
            if anew is None:
                raise _cannot_begin_anew(error, read.mode, self.table) from error
            self._tell(_BEGUN_ANEW)
            await self._context.destination.start(self._naming.entity, read.mode, resume=False)
            self._read, self._stored = anew, None
            await self._read_pages(anew, into)

    async def _read_pages(self, read: Read, into: PageBuffer) -> None:
        connector = self._context.connector
        bad = self._bad_records
        pages = stream(connector, self._name, since=read.since, cursor=read.cursor, bad_records=bad)
        try:
            with taking_rejected(None if bad.fail else bad.take):
                async for page in pages:
                    self._delivered = True
                    await into.put(page)
        finally:
            await close_broken_stream(pages)

    async def _write_all(self, pages: PageBuffer) -> None:
        while waiting := await pages.take():
            next_step = anyio.current_time() + _BETWEEN_STEPS
            left_out = 0
            for step in steps(self._read, waiting):
                left_out += await self._write(step.with_fewer(left_out))
            if anyio.current_time() < next_step:
                with anyio.CancelScope(deadline=next_step):
                    await pages.enough()

    async def _write(self, step: Step) -> int:
        """Write a step, and return how many bad records were left out of it.

        Where a destination refuses some records, the pages before them are stored; with an option, all others.
        """
        records = joined(step.parts)
        try:
            await self._store(step)
        except BadRecordError as error:
            bad = {
                position: reason for position, reason in error.bad.items() if position in range(len(records))
            }
            if not bad:
                raise
            if self._bad_records.fail and len(step.parts) > 1:
                for page in step.pages():
                    await self._write(page)
                return 0
            await self._bad_records.put_aside(records, bad)
            return len(bad) + await self._write(step.without(bad.keys()))
        return 0

    async def _store(self, step: Step) -> None:
        clock, records = self._context.clock, self._naming.apply(joined(step.parts))
        started = clock.monotonic_ns()
        checkpoint = step.read.cover(clock.now(), self._stored)
        await self._context.destination.write(self.table, records, checkpoint)
        self._read = step.read
        if checkpoint is not None:
            self._stored = step.read
        self._tell()
        self._rows += len(records)
        seconds = (clock.monotonic_ns() - started) / 1e9
        self._context.totals.observe(
            PagesWritten(self._name, len(step.parts), len(records), self._rows, seconds)
        )

    def _report(self) -> EntityReport:
        if isinstance(self._fault, ConnectorError):
            self._fault.locate(connector=self._context.name, entity=self._name)
        status: Status = "failed" if self._fault else "complete" if self._ended else "stopped"
        self._context.totals.observe(EntityFinished(self._name, status, self._rows, self._fault))
        totals = self._context.totals.of(self._name)
        return EntityReport(
            entity=self._name,
            mode=self._read.mode,
            status=status,
            resumed=self._resumed,
            rows=self._rows,
            pages=totals.pages,
            retries=totals.retries,
            faults=dict(totals.faults),
            rejected=totals.rejected,
            rejections=totals.rejections,
            fetching=totals.fetching,
            limited=totals.limited,
            backing_off=totals.backing_off,
            writing=totals.writing,
            watermark=self._read.watermark,
            error=self._fault,
            duplicates=self._duplicates,
            bad_records=totals.bad_records,
            bad_record_reasons=totals.bad_record_reasons,
            unusable_keys=self._unusable if self._ended else self._unusable + self._read.keys.unusable,
            held_back=self._read.held_back if self._ended else None,
            notes=(*totals.notes, *([self._read.held_note] if self._ended and self._read.held_back else [])),
        )


def _cannot_begin_anew(error: CursorExpiredError, mode: Mode, table: str) -> CursorExpiredError:
    """Return the error for a read that would store rows again if it began again: what happened, and what helps."""
    told = CursorExpiredError(
        f"{error.message}; in mode {mode!r} that would store rows again which are there: forget the read with "
        f"`connector-kit state reset DESTINATION {table}`, and run once with `--mode replace`, which repeats none"
    )
    return told.locate(
        connector=error.connector,
        operation=error.operation,
        entity=error.entity,
        cursor=error.cursor,
        attempt=error.attempt,
    )
