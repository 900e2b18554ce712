"""`sync`: one run that brings what is new of a connector's entities into a destination, every row exactly once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import anyio
import attrs

from connector_kit.capabilities import validate
from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.structure.explain import require
from connector_kit.tasks import task_group
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.stack.layers import innermost
from connector_kit.wrappers.validation.quarantine import QuarantineFile
from connector_kit.wrappers.validation.wrapper import quarantine_of

from .metadata import WithMetadata
from .naming import Naming, refuse_shared_tables
from .options import EntityOptions
from .read import choose_mode
from .report import Report, RunTotals
from .session import disconnect_surely
from .transfer import RunContext, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from connector_kit.events import Observer
    from connector_kit.protocols import Connector, Destination
    from connector_kit.records.catalog import Catalog
    from connector_kit.records.checkpoint import EntityState, Mode
    from connector_kit.wrappers.validation.wrapper import Quarantine

    from .report import EntityReport

__all__ = ["BUFFER_BYTES", "sync"]

BUFFER_BYTES = 4 * 1024 * 1024
"""More saves little, and each entity that is read at once takes it twice: what waits, and what is being written."""


async def sync(  # noqa: PLR0913 - keyword arguments with defaults; each is one line of the docstring
    connector: Connector,
    destination: Destination,
    *,
    entities: Iterable[str] | None = None,
    mode: Mode | None = None,
    options: Mapping[str, EntityOptions] | None = None,
    name: str | None = None,
    concurrency: int = 4,
    prefix: str = "",
    buffer: int = BUFFER_BYTES,
    allow_shrink: bool = False,
    metadata: bool = False,
    stop: anyio.Event | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
    quarantine: Quarantine | Path | str | None = None,
) -> Report:
    """Read what is new of `entities` (all by default) and write it, with its checkpoints, into `destination`.

    A run that was interrupted, at whatever instruction, is continued by the next one; the destination ends up as
    after an undisturbed run. An entity that fails does not stop the others: its error is in the report.

    Args:
        connector: What to read; usually `protect(...)`ed. It is connected and disconnected here.
        destination: Where records and checkpoints land together. It is opened and closed here.
        entities: The names of the entities to read.
        mode: How records land, for all entities whose options say nothing else. By default the mode that keeps rows
            exactly once with the least reading: see `connector_kit.runtime.read.default_mode`.
        options: Per entity how it is read and stored: see `EntityOptions`.
        name: Under which the checkpoints are kept; by default the class of the innermost connector. A destination
            refuses to continue the reads of a connector of another name.
        concurrency: How many entities are read at once.
        prefix: What the names of all entities begin with in the destination.
        buffer: How much of an entity may be read ahead of what is being written, in bytes of JSON; a single page may always.
            What was read meanwhile is written in one step, with one checkpoint.
        allow_shrink: Let a replace take the place of many more rows than it has: `min_share` of each entity is 0.
        metadata: Add to every row when it was written (`_synced_at`) and by which run (`_run_id`, the report's `run_id`).
        stop: Set it, and the run writes the pages it has, asks for no more, and ends with `stopped` in the report.
        observer: Hears of everything that happens.
        clock: For tests.
        quarantine: Where bad records go of entities whose options say `on_bad_record="quarantine"`: a file, or a function. By
            default the file `<name>.quarantine.jsonl` where the program runs.

    Raises:
        ConfigError: An option, a mode or an entity's name cannot work, or the object is no connector. Nothing was read or written.
        ConnectorError: Connecting or discovering the schema failed.
        DestinationError: The destination could not be opened.
    """
    if concurrency < 1 or buffer < 0:
        raise ConfigError(f"concurrency is {concurrency} and buffer {buffer}; at least 1 and 0 are needed")
    require(connector, "sync() was given")
    clock = clock or AnyioClock()
    stop = stop or anyio.Event()
    name = name or type(innermost(connector)).__name__
    run_id = uuid4().hex
    if metadata:
        destination = WithMetadata(destination, run_id, clock)
    totals = RunTotals(observer)
    observed = Observed(connector, totals, clock=clock)
    place = quarantine_of(f"{quote(name, safe=' ')}.quarantine.jsonl" if quarantine is None else quarantine)
    context = RunContext(name, observed, destination, totals, clock, buffer, place)
    started, started_ns = clock.now(), clock.monotonic_ns()
    validate(observed)
    async with task_group() as tasks:
        run = _Run(
            context, options or {}, prefix, anyio.Semaphore(concurrency), stop, allow_shrink=allow_shrink
        )
        tasks.start_soon(run.watch_stop)
        reports = await run.run(entities, mode)
        tasks.cancel_scope.cancel()
    seconds = (clock.monotonic_ns() - started_ns) / 1e9
    return Report(
        name, started, seconds, tuple(reports), stopped=stop.is_set(), run_id=run_id, left_out=run.left_out
    )


class _Run:
    """The mutable part of one run."""

    def __init__(
        self,
        context: RunContext,
        options: Mapping[str, EntityOptions],
        prefix: str,
        slots: anyio.Semaphore,
        stop: anyio.Event,
        *,
        allow_shrink: bool,
    ) -> None:
        self._context = context
        self._allow_shrink = allow_shrink
        self._options = options
        self._prefix = prefix
        self._slots = slots
        self._stop = stop
        self._preparing = anyio.CancelScope()
        self._transfers: list[Transfer] = []
        self.left_out: tuple[str, ...] = ()

    async def watch_stop(self) -> None:
        """Wait until the run is asked to stop, and pass it on."""
        await self._stop.wait()
        self._preparing.cancel()
        self._stop_all()

    def _stop_all(self) -> None:
        for transfer in self._transfers:
            transfer.stop()

    async def run(self, entities: Iterable[str] | None, mode: Mode | None) -> list[EntityReport]:
        """Open the destination, connect, and transfer the entities."""
        connector, destination = self._context.connector, self._context.destination
        try:
            await destination.open()
            with self._preparing:
                await connector.connect()
                self._transfers = self._plan(await connector.discover_schema(), entities, mode)
            if self._stop.is_set():
                self._stop_all()
            return await self._transfer_all(await destination.states())
        finally:
            # A failing disconnect is observed; it must not cost the report of what was written.
            with suppress(Exception):
                await disconnect_surely(connector)
            with anyio.CancelScope(shield=True):
                await destination.close()
                if isinstance(self._context.quarantine, QuarantineFile):
                    await self._context.quarantine.close()

    def _plan(self, catalog: Catalog, entities: Iterable[str] | None, mode: Mode | None) -> list[Transfer]:
        modes = self._context.destination.modes
        for name in self._options:
            catalog[name]
        transfers, namings = list[Transfer](), list[tuple[str, Naming]]()
        chosen_names = catalog.names if entities is None else tuple(dict.fromkeys(entities))
        self.left_out = tuple(name for name in catalog.names if name not in chosen_names)
        for name in chosen_names:
            entity, options = catalog[name], self._options.get(name, EntityOptions())
            if self._allow_shrink:
                options = attrs.evolve(options, min_share=0.0)
            chosen = choose_mode(entity, options.mode or mode, modes)
            naming = Naming.of(entity, options, self._prefix)
            namings.append((name, naming))
            transfers.append(Transfer(self._context, entity, chosen, options, naming))
        refuse_shared_tables(namings)
        return transfers

    async def _transfer_all(self, states: Mapping[str, EntityState]) -> list[EntityReport]:
        reports: dict[int, EntityReport] = {}

        async def transfer(index: int) -> None:
            async with self._slots:
                each = self._transfers[index]
                state = states.get(each.table)
                reports[index] = await each.run(None if state is None else state.checkpoint)

        async with anyio.create_task_group() as tasks:
            for index in range(len(self._transfers)):
                tasks.start_soon(transfer, index)
        return [reports[index] for index in range(len(self._transfers))]
