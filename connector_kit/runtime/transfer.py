"""The way of one entity in a run: one task reads pages, the other writes those that are there, in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.capabilities import close_broken_stream
from connector_kit.clock import Clock
from connector_kit.errors import ConnectorError, CursorExpiredError
from connector_kit.events import EntityFinished, EntityStarted, PagesWritten
from connector_kit.protocols import Connector, Destination
from connector_kit.records.batches import joined
from connector_kit.records.cursor_watch import CursorWatch

from .page_buffer import Handover
from .plan import Position, begin, cover, expired, final
from .report import EntityReport, Status
from .steps import Step, steps_of
from .tally import Tally

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Mode
    from connector_kit.runtime.options import EntityOptions

__all__ = ["Surroundings", "Transfer"]

_BETWEEN_STEPS = 0.02
"""Seconds from one step to the next, unless there is enough to write before. A step costs a checkpoint, and mostly a
hand-over to a thread, as much as a page or two; a run that is killed reads again what it had read in this time."""


@attrs.frozen
class Surroundings:
    """What all transfers of a run share. `name` is the connector's, `buffer` the bytes that may be read ahead."""

    name: str
    connector: Connector
    destination: Destination
    tally: Tally
    clock: Clock
    buffer: int


class Transfer:
    """Brings what is new of one entity into the destination. Used once: `run`, and `stop` from another task."""

    def __init__(self, around: Surroundings, entity: Entity, mode: Mode, options: EntityOptions) -> None:
        self._around = around
        self._entity = entity
        self._mode: Mode = mode
        self._options = options
        self._reading = anyio.CancelScope()
        self._position = Position()
        self._rows = 0
        self._delivered = False
        self._ended = False
        self._fault: Exception | None = None

    def stop(self) -> None:
        """Ask for no more pages; those that were read are still written."""
        self._reading.cancel()

    async def run(self) -> EntityReport:
        """Read and write until the entity is complete, stopped or failed; never raises an `Exception`."""
        started = False
        try:
            if not self._reading.cancel_called:
                last = await self._around.destination.start(self._entity, self._mode)
                self._position = begin(self._around.name, self._entity, self._mode, self._options, last)
                started = True
                self._around.tally.observe(
                    EntityStarted(self._entity.name, self._mode, self._position.resumed)
                )
                await self._transfer()
        except Exception as error:  # noqa: BLE001 - one entity's failure must not stop the others: it goes into the report
            self._fault = error
        return self._report(resumed=started and self._position.resumed)

    async def _transfer(self) -> None:
        pages = Handover(self._around.buffer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, pages)
            try:
                await self._write_all(pages)
            except Exception as error:  # noqa: BLE001 - raised below, outside the task group, which would wrap it
                self._fault = error
                tasks.cancel_scope.cancel()
        if self._fault is not None:
            raise self._fault
        if self._ended:
            checkpoint = final(
                self._around.name, self._entity, self._mode, self._position, self._around.clock.now()
            )
            await self._around.destination.finish(self._entity.name, checkpoint)

    async def _read(self, pages: Handover) -> None:
        try:
            with self._reading:
                await self._read_pages(pages)
                self._ended = True
        except Exception as error:  # noqa: BLE001 - the pages before it are still written; then it is raised
            self._fault = self._fault or error  # where writing failed, that ended the read
        finally:
            pages.end()

    async def _read_pages(self, into: Handover) -> None:
        start = self._position
        try:
            await self._read_from(start, into)
        except CursorExpiredError:
            anew = expired(start, self._mode, self._entity)
            if start.cursor is None or anew is None or self._delivered:
                raise
            await self._around.destination.start(self._entity, self._mode, resume=False)
            self._position = anew
            await self._read_from(anew, into)

    async def _read_from(self, position: Position, into: Handover) -> None:
        watch = CursorWatch()
        pages = self._around.connector.fetch_data(
            self._entity.name, since=position.since, cursor=position.cursor
        )
        try:
            async for page in pages:
                watch.see(page.cursor)
                self._delivered = True
                await into.put(page)
        finally:
            await close_broken_stream(pages)

    async def _write_all(self, pages: Handover) -> None:
        while there := await pages.take():
            next_one = anyio.current_time() + _BETWEEN_STEPS
            for step in steps_of(self._position, self._entity, self._mode, self._options.new_fields, there):
                await self._write(step)
            if anyio.current_time() < next_one:
                with anyio.CancelScope(deadline=next_one):
                    await pages.enough()

    async def _write(self, step: Step) -> None:
        clock, records = self._around.clock, joined(step.parts)
        started = clock.monotonic_ns()
        checkpoint = cover(self._around.name, self._entity, self._mode, step.position, clock.now())
        await self._around.destination.write(self._entity.name, records, checkpoint)
        self._position = step.position
        self._rows += len(records)
        seconds = (clock.monotonic_ns() - started) / 1e9
        self._around.tally.observe(
            PagesWritten(self._entity.name, len(step.parts), len(records), self._rows, seconds)
        )

    def _report(self, *, resumed: bool) -> EntityReport:
        if isinstance(self._fault, ConnectorError):
            self._fault.locate(connector=self._around.name, entity=self._entity.name)
        status: Status = "failed" if self._fault else "complete" if self._ended else "stopped"
        self._around.tally.observe(EntityFinished(self._entity.name, status, self._rows, self._fault))
        sums = self._around.tally.of(self._entity.name)
        return EntityReport(
            entity=self._entity.name,
            mode=self._mode,
            status=status,
            resumed=resumed,
            rows=self._rows,
            pages=sums.pages,
            retries=sums.retries,
            faults=dict(sums.faults),
            rejected=sums.rejected,
            rejections=sums.rejections,
            fetching=sums.fetching,
            limited=sums.limited,
            backing_off=sums.backing_off,
            writing=sums.writing,
            watermark=self._position.watermark,
            error=self._fault,
        )
