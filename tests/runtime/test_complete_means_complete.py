"""Complete means complete: a source that changes between and during runs, runs that break off anywhere, and what is left.

The machine is a source (`moving_source`), a destination and an operator. The operator runs `sync`, and where it is refused
takes the way out that the message names. What is assumed of the source, besides the laws of a connector:

- What is written after a page was asked for has a later time than all that is on it, by the clock of its writer.
- A writer's clock differs from the run's by at most `clock_tolerance`. An ordered source has one clock.
- A record becomes visible at most `lookback` after its time. A lookback is not for mode "append", which refuses it.
- A time that is further in the future than the tolerance is so until the end.
- A read by `since` that hides records without a usable time does not owe them. A source that serves them does so always.
- A source that answers with next to nothing for once is what the guard of a replace is for; "append" takes its word.
- A read that breaks off goes on from its last cursor as the source is then: what comes behind the cursor, as it is by then.

What is held, after each run that says complete:

- `upsert`: of each record that was served in this run the last version is there, and no primary key twice.
- `replace`: what was served in this read is there and nothing else, of each primary key the last. Where the read was begun by an earlier
  run, nothing is older than `generation_max_age`.
- `append`: each version that was served in this run is there, no version is there twice, and none that was there is lost.
- A run that is refused changes nothing, and one that finds another connector's rows does not even read.

Once the source rests and one more run has ended complete:

- `upsert` has every record as it is in the source; what it has beside these is gone from the source. `replace` equals the source.
  `append` has every record as it is, once.
- One more run, with nothing changed, changes no row, and appends none.

A replace that goes on with an earlier run's, as `generation_max_age` allows, has some rows as of then, so the run after it counts.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from destination_fixtures import JsonlFixture, MemoryFixture, SQLiteFixture
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from moving_source import ENTITY, Change, MovingSource, Nature, Version

from connector_kit.capabilities import close_stream
from connector_kit.durations import Duration
from connector_kit.errors import ConnectionFailedError, ConnectorError
from connector_kit.protocols import Destination
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page
from connector_kit.runtime.boundary import Boundary
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.report import EntityReport
from connector_kit.runtime.sync import BUFFER_BYTES, sync
from connector_kit.testing.conformance.destination.fixture import Killed
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from connector_kit.protocols import Connector
    from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode
    from connector_kit.records.page import Cursor, Record
    from connector_kit.runtime.report import Report

T = TypeVar("T")

EXAMPLES = int(os.environ.get("MOVING_SOURCE_EXAMPLES", "0"))
"""How many examples of each destination to try where it should be more than `make test` has time for."""

MIN_SHARE = 0.5
MAX_AGE = Duration.parse("24h")
DestinationName: TypeAlias = Literal["memory", "sqlite", "jsonl"]
FIXTURES: Mapping[DestinationName, Callable[[Path], MemoryFixture | SQLiteFixture | JsonlFixture]] = {
    "memory": MemoryFixture.inside,
    "sqlite": SQLiteFixture,
    "jsonl": JsonlFixture,
}

How: TypeAlias = Literal["fail", "cancel", "stop", "killed before", "killed after", "cancelled call", "crash"]


@attrs.frozen
class Interruption:
    """How a run is broken off, and where: at a page, at a call of the destination, or at a crash point of it."""

    how: How
    at: int


@attrs.frozen
class Outcome:
    """What came of a run. `report` is None where there is none: it was refused as a whole, or is gone."""

    report: EntityReport | None = None
    error: Exception | None = None

    @property
    def complete(self) -> bool:
        return self.report is not None and self.report.status == "complete"

    @property
    def resumed(self) -> bool:
        return self.report is not None and self.report.resumed

    @property
    def refused(self) -> bool:
        """It ended with an error that is not the one that the machine has planned."""
        return self.error is not None and not isinstance(self.error, ConnectionFailedError)


class Plant:
    """What stands between a run and its parts: nothing. A planted bug overrides one method.

    `checkpoint` is what the destination gives back of one that it has stored, `entity` what it is told of an entity; `options` and
    `prefix` are what the operator asks for; `now` is what the run knows of the time; `since` and `page` are between it and the source.
    """

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return last

    def entity(self, entity: Entity, mode: Mode) -> Entity:
        return entity

    def options(self, options: EntityOptions) -> EntityOptions:
        return options

    def prefix(self, prefix: str) -> str:
        return prefix

    def now(self, now: datetime) -> datetime:
        return now

    def since(self, since: datetime | None) -> datetime | None:
        return since

    def page(self, page: Page, entity: Entity, now: datetime) -> Page:
        return page

    async def write(
        self, to: Destination, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None
    ) -> None:
        await to.write(entity, records, checkpoint)


@attrs.define
class Told:
    """The clock with the plant before it."""

    inner: VirtualClock
    plant: Plant

    def monotonic_ns(self) -> int:
        return self.inner.monotonic_ns()

    def now(self) -> datetime:
        return self.plant.now(self.inner.now())

    async def sleep(self, seconds: float, /) -> None:
        await self.inner.sleep(seconds)


@attrs.define(eq=False)
class Planted:
    """A destination with the plant before it, that is killed or cancelled in one of its calls.

    While a call is carried out the source serves nothing, so that an example always goes the same way.
    """

    inner: Destination
    plant: Plant
    connector: str
    gate: anyio.Lock
    scope: anyio.CancelScope
    interruption: Interruption | None
    calls: int = 0
    dead: bool = False

    @property
    def modes(self) -> frozenset[Mode]:
        return self.inner.modes

    async def open(self) -> None:
        await self._call(self.inner.open)

    async def close(self) -> None:
        if self.dead:
            raise Killed
        await self.inner.close()

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        told = self.plant.entity(entity, mode)
        last = await self._call(lambda: self.inner.start(told, mode, resume=resume))
        return None if last is None else self.plant.checkpoint(last, entity, self.connector)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        await self._call(lambda: self.plant.write(self.inner, entity, records, checkpoint))

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        await self._call(lambda: self.inner.finish(entity, checkpoint))

    async def states(self) -> Mapping[str, EntityState]:
        states = await self._call(self.inner.states)
        return {name: self._told(name, state) for name, state in states.items()}

    def _told(self, name: str, state: EntityState) -> EntityState:
        last = state.checkpoint
        told = last and self.plant.checkpoint(last, Entity(name), self.connector)
        return attrs.evolve(state, checkpoint=told)

    async def count(self, entity: str, /) -> int | None:
        return await self._call(lambda: self.inner.count(entity))

    async def reset(self, entity: str, /) -> None:
        await self._call(lambda: self.inner.reset(entity))

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        number, self.calls = self.calls, self.calls + 1
        planned = self.interruption
        how = planned.how if planned is not None and planned.at == number else None
        async with self.gate:
            if self.dead or how == "killed before":
                self.dead = True
                raise Killed
            if how == "cancelled call":
                self.scope.cancel()
            answer = await call()
        if how == "killed after":
            self.dead = True
            raise Killed
        return answer


@attrs.define
class Asked:
    """The source with the plant before it."""

    inner: MovingSource
    plant: Plant

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        return await self.inner.discover_schema()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=self.plant.since(since), cursor=cursor)
        try:
            async for page in pages:
                yield self.plant.page(page, self.inner.entity, self.inner.clock.now())
        finally:
            await close_stream(pages)


@attrs.define
class Stranger:
    """Another connector with an entity of that name; its rows can be told from the source's."""

    reads: int = 0
    numbers: ClassVar[tuple[int, ...]] = (100_001, 100_002)

    async def connect(self) -> None:
        await checkpoint()

    async def disconnect(self) -> None:
        """Nothing is held."""

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity(ENTITY, primary_key="id")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.reads += 1
        await checkpoint()
        yield Page([{"id": number - 100_000, "number": number} for number in self.numbers])


@st.composite
def natures(draw: st.DrawFn) -> Nature:
    """Draw sources of every sort."""
    tolerance = draw(st.sampled_from([300, 60, 60, 0]))
    skew = draw(st.sampled_from([tolerance, -tolerance]))
    return Nature(
        ordered=draw(st.booleans()),
        keyed=draw(st.sampled_from([True, True, False])),
        page_size=draw(st.integers(1, 3)),
        cursors=draw(st.sampled_from([(True,), (True,), (True, False), (False,)])),
        until_empty=draw(st.booleans()),
        page_seconds=draw(st.sampled_from([1, 50, 1000])),
        tolerance=tolerance,
        skew=skew,
        other_skew=draw(st.sampled_from([-skew, -skew, skew, 0])),
        late=draw(st.sampled_from([0, 0, 0, 30, 2000])),
        coarse=draw(st.sampled_from([False, False, False, True])),
        keyless=draw(st.sampled_from(["hidden", "served"])),
        keyless_last=draw(st.booleans()),
        form=draw(st.sampled_from(["iso", "datetime", "epoch", "epoch_ms", "rfc1123"])),
        nested=draw(st.sampled_from([False, False, True])),
        lazy=draw(st.booleans()),
        declared=draw(st.booleans()),
    )


changes = st.builds(
    Change,
    what=st.sampled_from(["insert", "insert", "update", "update", "update", "delete"]),
    which=st.integers(0, 5),
    kind=st.sampled_from([*["good"] * 12, "null", "empty", "zeroes", "future"]),
    late=st.sampled_from([0, 5, 2000]),
)
First: TypeAlias = Literal[
    "key", "base", "params", "since", "cursor", "full", "append", "upsert", "replace", "default", "reset"
]
"""What is changed before a run: the replication key, the source's place, what is asked of it, how it is read; or the mode."""
_DECLARED: tuple[First, ...] = ("key", "key", "base", "params")
_READINGS: tuple[First, ...] = ("since", "since", "cursor", "full")
_WANTED: tuple[First, ...] = ("append", "upsert", "replace", "default", "reset")
firsts: st.SearchStrategy[First | None] = st.one_of(
    st.none(), st.sampled_from(_DECLARED), st.sampled_from(_READINGS), st.sampled_from(_WANTED)
)
pauses = st.one_of(st.just(1), st.sampled_from([100, 1000, 4000, 100_000]))


@attrs.frozen
class Before:
    """What happens before a run: `pause` seconds go by, something else is declared, and the source changes.

    `tied` says that a record appears that was written in the same moment as the latest, and was not there a moment ago.
    """

    pause: int = 1
    first: First | None = None
    tied: bool = False
    some: tuple[Change, ...] = ()


befores = st.builds(
    Before,
    pause=pauses,
    first=firsts,
    tied=st.booleans(),
    some=st.lists(changes, max_size=2).map(tuple),
)
meanwhiles = st.lists(st.lists(changes, max_size=2), max_size=4)
interruptions = st.one_of(
    st.builds(Interruption, st.sampled_from(["fail", "cancel", "stop"]), st.integers(0, 3)),
    st.builds(
        Interruption, st.sampled_from(["killed before", "killed after", "cancelled call"]), st.integers(0, 7)
    ),
    st.builds(Interruption, st.just("crash"), st.integers(0, 40)),
)
SIDES: tuple[tuple[str, str | None], ...] = (("", None), ("", None), ("shop_", None), ("", "shop"))
"""The prefix of a run and the entity's own name in the destination."""


class MovingSourceMachine(RuleBasedStateMachine):
    """Changes, runs and rests in any order. `plant` and `kinds` are for those that want others."""

    plant: ClassVar[Plant] = Plant()
    kinds: ClassVar[tuple[DestinationName, ...]] = ("memory", "sqlite", "jsonl")

    @initialize(
        kind=st.deferred(lambda: st.sampled_from(["memory", "sqlite", "jsonl"])),
        nature=natures(),
        reading=st.sampled_from(["since", "since", "since", "since", "cursor", "full"]),
        mode=st.sampled_from([None, "append", "append", "upsert", "upsert", "replace"]),
        buffer=st.sampled_from([0, 0, BUFFER_BYTES]),
        names=st.sampled_from(SIDES),
        rows=st.lists(changes, min_size=1, max_size=7),
        stored=st.booleans(),
    )
    def begin(
        self,
        kind: DestinationName,
        nature: Nature,
        reading: Literal["since", "cursor", "full"],
        mode: Mode | None,
        buffer: int,
        names: tuple[str, str | None],
        rows: list[Change],
        *,
        stored: bool,
    ) -> None:
        self.kind: DestinationName = self.kinds[["memory", "sqlite", "jsonl"].index(kind) % len(self.kinds)]
        self.folder = None if self.kind == "memory" else TemporaryDirectory()
        self.fixture = FIXTURES[self.kind](Path(self.folder.name if self.folder else "."))
        self.clock = VirtualClock()
        if mode == "append":
            nature = attrs.evolve(nature, late=0)
        self.source = MovingSource(nature, self.clock, reading)
        self.buffer = buffer
        self.prefix, self.table = names
        self.mode: Mode | None = None
        self.unfinished = False
        self.kept: Counter[int] = Counter()
        self.began: datetime = self.clock.now()
        self.sound = True
        self.choose(mode)
        for base in ("b", "a"):
            self.source.base = base
            for change in rows:
                self.source.apply(attrs.evolve(change, what="insert"))
            self.clock.advance(10_000)
        if stored:
            self.complete()

    # How it is declared, and read

    def prepare(self, before: Before) -> None:
        """Let happen what happens before a run."""
        source = self.source
        if before.tied and source.nature.ordered and not self.unfinished:
            source.apply(Change("tie"))
        self.clock.advance(before.pause)
        self.declare(before.first)
        for change in before.some:
            source.apply(change)

    def declare(self, first: First | None) -> None:
        """Declare something else of the entity, or of what the operator wants."""
        source = self.source
        match first:
            case None:
                pass
            case "key":
                source.key = "modified" if source.key == "updated" else "updated"
            case "base":
                source.base = "b" if source.base == "a" else "a"
            case "params":
                source.params = "even" if source.params == "all" else "all"
            case "since" | "cursor" | "full":
                source.reading = first
                self.choose(self.mode)
            case "reset":
                self.reset()
            case _:
                self.choose(None if first == "default" else first)

    def choose(self, mode: Mode | None) -> None:
        """Take a mode; one that cannot work is left for replace."""
        nature, reading = self.source.nature, self.source.reading
        fits = {
            None: True,
            "append": reading != "full" and not nature.late,
            "upsert": nature.keyed and self.kind != "jsonl",
            "replace": True,
        }
        self.mode = mode if fits[mode] else "replace"

    def reset(self) -> None:
        """Have the state forgotten, and read all anew. For mode "append" the rows would have to go, too."""
        if self.mode != "append" and self.source.reading != "cursor":
            self.forget()
            self.complete()

    # Runs

    @rule(
        before=befores,
        meanwhile=meanwhiles,
        forgetful=st.sampled_from([False, False, False, True]),
        then_rests=st.booleans(),
    )
    def run(
        self, before: Before, meanwhile: list[list[Change]], *, forgetful: bool, then_rests: bool
    ) -> None:
        """A run, while the source changes, which may rest then."""
        self.prepare(before)
        outcome = self.sync(self.mode, meanwhile=meanwhile, forgetful=forgetful)
        if outcome.refused:
            self.complete()
        if then_rests:
            self.at_rest()

    @rule(before=befores, meanwhile=meanwhiles, interruption=interruptions)
    def break_off(self, before: Before, meanwhile: list[list[Change]], interruption: Interruption) -> None:
        """A run that is broken off, while the source changes."""
        self.prepare(before)
        self.sync(self.mode, meanwhile=meanwhile, interruption=interruption)

    @rule(
        who=st.sampled_from(["somebody else", "a hollow answer"]),
        mode=st.sampled_from(["append", "replace", None]),
    )
    def trouble(self, who: str, mode: Mode | None) -> None:
        """What comes from outside, and does no harm."""
        if who == "somebody else" and self.kept:
            self.somebody_else(mode)
        elif self.mode != "append" and not self.unfinished:
            self.hollow_answer(0 if mode is None else 1)

    def somebody_else(self, mode: Mode | None) -> None:
        """Another connector with an entity of the same name: refused unread, until its rows get a name of their own."""
        before, stranger = self.stored(), Stranger()
        if mode != "append":
            refused, _ = self.bring(
                stranger, "stranger", mode, options={"table": self.table}, prefix=self.prefix
            )
            self.must(refused.refused, f"another connector's run was not refused: {refused}")
            self.must(stranger.reads == 0, "another connector was read before it was refused")
            self.must_name(refused.error, "prefix", "table", "destination")
        self.must(self.stored() == before, "another connector changed rows that are not its own")
        brought, _ = self.bring(stranger, "stranger", None, options={}, prefix="stranger_")
        self.must(brought.complete, f"another connector is refused under a name of its own: {brought}")
        theirs = sorted(row["number"] for row in self.fixture.rows(f"stranger_{ENTITY}"))
        self.must(theirs == [*Stranger.numbers], f"another connector's rows are {theirs}")
        self.must(self.stored() == before, "another connector changed rows that are not its own")

    def hollow_answer(self, hollow: int) -> None:
        """The source serves next to nothing for the length of one run: what is there is not replaced by that."""
        before, held = self.stored(), len(self.source.current())
        outcome = self.sync(self.mode, hollow=hollow)
        if outcome.complete:
            left = self.stored().total()
            self.must(
                not before or left >= MIN_SHARE * before.total(),
                f"of {before.total()} rows {left} are left after an answer with {hollow}",
            )
        elif outcome.error is not None and "min_share" in str(outcome.error):
            again = self.sync(self.mode)
            shrunk = held < MIN_SHARE * before.total() or not held
            self.must(
                again.complete or shrunk, f"after a hollow answer the next run is refused, too: {again}"
            )

    @rule(before=befores)
    def rest(self, before: Before) -> None:
        """The source rests: what is stored is what is there, and one more run finds nothing."""
        self.prepare(before)
        self.at_rest()

    def at_rest(self) -> None:
        """Hold what is stored against a source that rests."""
        self.source.settle()
        outcome = self.complete()
        self.equals_source(outcome)
        before, kind = self.stored(), outcome.mode
        again = self.sync(self.mode).report
        self.must(
            again is not None and again.status == "complete", f"a run that finds nothing new ended as {again}"
        )
        assert again is not None
        self.must(not again.resumed, f"a read that had ended is gone on with: {again}")
        after = self.stored()
        self.must(
            after == before, f"complete, but the next run with nothing changed makes {before} to {after}"
        )
        if kind == "append":
            self.must(
                again.rows == 0, f"complete, but the next run with nothing changed appends {again.rows}"
            )

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            if self.sound:
                self.at_rest()
        finally:
            if self.folder is not None:
                self.folder.cleanup()

    # The parts of these

    def complete(self) -> EntityReport:
        """Run until one ends complete, on the ways that refusals name; once more where it went on with an earlier replace."""
        mode, min_share, last = self.mode, MIN_SHARE, Outcome()
        for _ in range(10):
            last = self.sync(mode, min_share=min_share)
            mixed = last.report is not None and last.report.mode == "replace" and last.report.resumed
            if last.complete and not mixed and mode == self.mode:
                assert last.report is not None
                return last.report
            if last.complete:
                mode = self.mode
            else:
                self.must(last.refused, f"a run that nobody disturbed ended as {last}")
                mode, min_share = self.way_out(str(last.error), mode, min_share)
        raise self.broken(f"the ways out that are named lead nowhere; the last run ended as {last}")

    def way_out(self, message: str, mode: Mode | None, min_share: float) -> tuple[Mode | None, float]:
        """Return the mode and share with which to run again, as the message says; what it says to forget is forgotten."""
        finish = re.search(r"run once more with '(\w+)'", message)
        if "min_share" in message or "--allow-shrink" in message:
            return mode, 0.0
        if finish:
            return finish[1], min_share  # type: ignore[return-value]  # a mode, or the run refuses it
        if "'replace'" in message or "--mode replace" in message:
            return "replace", min_share
        if "reset" in message and mode != "append":
            self.forget()
            return mode, min_share
        raise self.broken(f"refused without a way out: {message}")

    def forget(self) -> None:
        """Reset the entity's state."""

        async def reset() -> None:
            destination = self.fixture.destination()
            await destination.open()
            await destination.reset(self.name)
            await destination.close()

        self.clock.run(reset)
        self.unfinished = False

    def sync(
        self,
        mode: Mode | None,
        *,
        min_share: float = MIN_SHARE,
        meanwhile: Sequence[Sequence[Change]] = (),
        interruption: Interruption | None = None,
        hollow: int | None = None,
        forgetful: bool = False,
    ) -> Outcome:
        """Run once, and hold the outcome against what was served."""
        source, nature = self.source, self.source.nature
        before, sound, first = self.stored(), not self.unfinished, len(source.served)
        self.began = self.clock.now()
        source.meanwhile, source.hollow, source.forgetful = meanwhile, hollow, forgetful
        lookback = nature.late if source.reading == "since" else 0
        outcome, gone = self.bring(
            Asked(source, self.plant),
            "shop",
            mode,
            options={
                "table": self.table,
                "lookback": Duration(lookback),
                "clock_tolerance": Duration(nature.tolerance),
                "min_share": min_share,
                "generation_max_age": MAX_AGE,
            },
            prefix=self.prefix,
            interruption=interruption,
        )
        source.meanwhile, source.hollow, source.forgetful = (), None, False
        if outcome.refused and sound:
            self.must(
                self.stored() == before, f"refused, but {before} became {self.stored()}: {outcome.error}"
            )
        self.unfinished = gone or not outcome.complete
        if outcome.report is not None and outcome.complete:
            self.check(outcome.report, [each.version for each in source.served[first:]])
            self.kept = self.stored()
        return outcome

    def bring(
        self,
        connector: Connector,
        name: str,
        mode: Mode | None,
        *,
        options: dict[str, Any],
        prefix: str,
        interruption: Interruption | None = None,
    ) -> tuple[Outcome, bool]:
        """Run `sync` as a process would, and return what came of it and whether the process is gone."""
        inner, interruption = self.destination(interruption)

        async def run() -> Report | None:
            stop, gate, plant = anyio.Event(), anyio.Lock(), self.plant
            with anyio.CancelScope() as scope:
                self.source.gate = gate
                self.source.before_page = _broken_off(interruption, scope, stop)
                return await sync(
                    connector,
                    Planted(inner, plant, name, gate, scope, interruption),
                    mode=mode,
                    options={ENTITY: plant.options(EntityOptions(**options))},
                    name=name,
                    prefix=plant.prefix(prefix),
                    buffer=self.buffer,
                    stop=stop,
                    clock=Told(self.clock, plant),
                )
            return None

        report: Report | None = None
        error: ConnectorError | None = None
        try:
            report = self.clock.run(run)
        except* Killed:
            pass
        except* ConnectorError as group:
            [error] = group.exceptions  # type: ignore[assignment]  # a group in the group is a bug
        finally:
            self.source.before_page = None
            with suppress(Exception):
                self.fixture.abandon(inner)
        if report is None:
            return Outcome(error=error), error is None
        [entity] = report.entities
        if entity.error is not None and not isinstance(entity.error, ConnectorError):
            raise self.broken("an error that nobody foresaw") from entity.error
        return Outcome(entity, entity.error), False

    def destination(self, planned: Interruption | None) -> tuple[Destination, Interruption | None]:
        """Return the destination of a new process. One that has no crash points is killed before one of its calls."""
        if planned is None or planned.how != "crash":
            return self.fixture.destination(), planned
        if isinstance(self.fixture, MemoryFixture):
            return self.fixture.destination(), Interruption("killed before", planned.at % 8)
        return self.fixture.crashing(planned.at), None

    def check(self, report: EntityReport, served: list[Version]) -> None:
        """Hold what a complete run has left against what was served in it."""
        stored, last = self.stored(), {version.id: version.number for version in served}
        ever = {each.version.number for each in self.source.served}
        self.must(stored.keys() <= ever, f"rows {sorted(stored.keys() - ever)} were never served")
        if report.mode == "append":
            self.must(max(stored.values(), default=1) == 1, f"versions are there more than once: {stored}")
            self.must(self.kept <= stored, f"versions are lost: {self.kept - stored}")
            missing = {version.number for version in served} - stored.keys()
            self.must(not missing, f"versions that were served are missing: {missing}")
            return
        rows = self.by_id(unique=self.source.nature.keyed)
        if report.mode == "upsert":
            wrong = {id_: number for id_, number in last.items() if rows.get(id_) != number}
            self.must(not wrong, f"the last versions served were {last}, stored are {rows}")
        elif not report.resumed:
            whole = Counter(last.values() if self.source.nature.keyed else [each.number for each in served])
            self.must(stored == whole, f"what was served was {sorted(whole)}, stored are {sorted(stored)}")
        else:
            at = {each.version.number: each.at for each in self.source.served}
            old = [number for number in stored if at[number] < self.began - MAX_AGE.timedelta]
            self.must(not old, f"versions are older than a generation may be: {old}")

    def equals_source(self, report: EntityReport) -> None:
        """Hold what is stored against a source that rests."""
        stored, current = self.stored(), {version.id: version.number for version in self.source.current()}
        if report.mode == "replace":
            self.must(stored == Counter(current.values()), f"the source is {current}, stored are {stored}")
            return
        owed = {version.id: version.number for version in self.source.owed()}
        missing = set(owed.values()) - stored.keys()
        self.must(not missing, f"complete, but versions {missing} of the source {owed} are not in {stored}")
        if report.mode == "upsert":
            more = self.by_id().keys() - current.keys()
            wrong = {id_ for id_, number in self.by_id().items() if owed.get(id_, number) != number} - more
            self.must(not wrong, f"the source is {owed}, stored are {self.by_id()}")

    @property
    def name(self) -> str:
        """The entity's name in the destination."""
        return self.prefix + (self.table or ENTITY)

    def stored(self) -> Counter[int]:
        """Return how often each version is there."""
        return Counter(row["number"] for row in self.fixture.rows(self.name))

    def by_id(self, *, unique: bool = True) -> dict[int, int]:
        """Return the version that is there of each record."""
        rows = [(row["id"], row["number"]) for row in self.fixture.rows(self.name)]
        found = dict(rows)
        self.must(not unique or len(found) == len(rows), f"a primary key is there twice: {rows}")
        return found

    def must_name(self, error: Exception | None, *ways: str) -> None:
        """Ask that a refusal names one of these."""
        self.must(any(way in str(error) for way in ways), f"refused without a way out: {error}")

    def must(self, holds: bool, complaint: str) -> None:  # noqa: FBT001 - reads like an assert, of which it is the place
        if not holds:
            raise self.broken(complaint)

    def broken(self, complaint: str) -> AssertionError:
        """Return the error to raise; what happens after it says nothing."""
        self.sound = False
        return AssertionError(f"{complaint} [{self.kind}, mode {self.mode}, {self.source.entity}]")


def _broken_off(
    planned: Interruption | None, scope: anyio.CancelScope, stop: anyio.Event
) -> Callable[[int], Awaitable[None]]:
    """Return what the source calls before each page."""

    async def before_page(number: int) -> None:
        if planned is None or number != planned.at:
            return
        if planned.how == "fail":
            raise ConnectionFailedError("the connection broke")
        if planned.how == "cancel":
            scope.cancel()
        if planned.how == "stop":
            stop.set()
        for _ in range(5):  # until the run has heard of it
            await checkpoint()

    return before_page


def examine(
    machine: type[MovingSourceMachine], examples: int, steps: int = 12, *, shrink: bool = True, **more: Any
) -> None:
    """Run a machine."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else [])]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=phases,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            **more,
        ),
    )


EXAMPLES_OF: dict[DestinationName, int] = {"memory": 300, "sqlite": 15, "jsonl": 20}
"""Of each destination, for `make test`."""


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", EXAMPLES_OF)
def test_complete_means_complete(kind: DestinationName) -> None:
    """Whatever the source does and wherever runs break off: what the module says is held."""

    class Machine(MovingSourceMachine):
        kinds = (kind,)

    examine(Machine, EXAMPLES or EXAMPLES_OF[kind])


def history(
    nature: Nature,
    reading: Literal["since", "full"],
    mode: Mode = "upsert",
    planted: type[Plant] = Plant,
) -> MovingSourceMachine:
    """Return a machine to be played by hand."""

    class Machine(MovingSourceMachine):
        plant = planted()

    machine = Machine()
    machine.begin("memory", nature, reading, mode, 0, ("", None), [], stored=False)
    return machine


def test_what_becomes_visible_behind_an_ordered_read_is_read_again() -> None:
    """A lookback counts from when the read began: the watermark of an ordered read, too, does not pass that."""
    machine = history(Nature(page_size=1, page_seconds=50, late=30), "since")
    late, now = Change("insert", late=30), Change("insert")
    machine.run(Before(), [[late, now], [now]], forgetful=False, then_rests=True)


def test_a_full_read_that_goes_on_where_another_was_broken_off_is_followed_by_a_whole_one() -> None:
    """A record before that place may have changed, and no run says complete without it."""
    machine = history(Nature(page_size=1), "full")
    machine.break_off(Before(some=(Change("insert"), Change("insert"))), [], Interruption("fail", 1))
    machine.rest(Before(some=(Change("update"),)))


class WatermarkUncapped(Plant):
    """The moment a read began bounds nothing: the watermark is the largest key."""

    def now(self, now: datetime) -> datetime:
        return now.replace(year=now.year + 100)


class BoundaryTooSmall(Plant):
    """What is stored at the watermark itself is forgotten."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        if not last.log.added or not last.complete or last.watermark is None:
            return last
        above = last.watermark + timedelta(seconds=1)
        return attrs.evolve(last, log=Boundary.of(last.log).ended(above))


class LogLost(Plant):
    """All that mode "append" has to remember is forgotten."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return attrs.evolve(last, log=Boundary.empty().ended(None)) if last.log.added else last


class RevisionIgnored(Plant):
    """A cursor or watermark of another revision is gone on with."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return attrs.evolve(last, revision=entity.revision)


class ReplicationKeyIgnored(Plant):
    """The watermark of another replication key is gone on with."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return attrs.evolve(last, replication_key=entity.replication_key)


class ReadingIgnored(Plant):
    """The cursor of another way of reading is gone on with."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return attrs.evolve(last, reading=entity.incremental or "full")


class OwnerIgnored(Plant):
    """Whose rows they are is not looked at."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return attrs.evolve(last, connector=connector)


class PrefixIgnored(Plant):
    """Rows go where they would go without a prefix."""

    def prefix(self, prefix: str) -> str:
        return ""


class GuardOff(Plant):
    """A replace may leave as little as it likes."""

    def options(self, options: EntityOptions) -> EntityOptions:
        return attrs.evolve(options, min_share=0.0)


class NoMaximumAge(Plant):
    """An unfinished replace is gone on with, however old it is."""

    def options(self, options: EntityOptions) -> EntityOptions:
        return attrs.evolve(options, generation_max_age=Duration.parse("3650d"))


class LookbackIgnored(Plant):
    """Nothing is read again for what became visible late."""

    def options(self, options: EntityOptions) -> EntityOptions:
        return attrs.evolve(options, lookback=Duration(0))


class BeginningForgotten(Plant):
    """A read that is gone on with counts from when it was broken off."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return last if last.complete else attrs.evolve(last, began=last.updated)


class CursorForgotten(Plant):
    """A read that was broken off begins again with its first page."""

    def checkpoint(self, last: Checkpoint, entity: Entity, connector: str) -> Checkpoint:
        return last if last.complete else attrs.evolve(last, cursor=None)


class SinceExclusive(Plant):
    """What is exactly as late as the watermark is not read again."""

    def since(self, since: datetime | None) -> datetime | None:
        return since and since + timedelta(seconds=1)


class DuplicatesKept(Plant):
    """A replace stores a record that was served twice as two."""

    def entity(self, entity: Entity, mode: Mode) -> Entity:
        return attrs.evolve(entity, primary_key=()) if mode == "replace" else entity


class UnusableKeysCount(Plant):
    """A record without a usable time counts as the latest of all."""

    def page(self, page: Page, entity: Entity, now: datetime) -> Page:
        key, latest = entity.replication_key, now + timedelta(seconds=300)
        if key is None or "." in key or entity.replication_format is not None:
            return page
        records = [{**record, key: record[key] or latest.isoformat()} for record in page.records]
        return attrs.evolve(page, records=records)


class CheckpointFirst(Plant):
    """The checkpoint is stored before the rows that it covers."""

    async def write(
        self, to: Destination, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None
    ) -> None:
        await to.write(entity, [], checkpoint)
        await to.write(entity, records, None)


PLANTS: Mapping[type[Plant], int] = {
    WatermarkUncapped: 0,
    BoundaryTooSmall: 0,
    LogLost: 0,
    RevisionIgnored: 0,
    ReplicationKeyIgnored: 3,
    ReadingIgnored: 0,
    OwnerIgnored: 0,
    PrefixIgnored: 0,
    GuardOff: 0,
    NoMaximumAge: 2,
    CursorForgotten: 1,
    SinceExclusive: 0,
    DuplicatesKept: 1,
    UnusableKeysCount: 5,
    CheckpointFirst: 8,
}
"""With a seed with which each is found soon: most are with any, within a hundred examples. What a seed draws changes with the code."""


@pytest.mark.unmeasured
@pytest.mark.parametrize("planted", PLANTS)
def test_a_planted_bug_is_found(planted: type[Plant]) -> None:
    """The machine says no to a run that is wrong."""

    class Machine(MovingSourceMachine):
        plant = planted()
        kinds = ("memory",)

    with pytest.raises(AssertionError):
        examine(
            seed(PLANTS[planted])(Machine),
            sum(EXAMPLES_OF.values()),
            shrink=False,
            database=None,
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
        )


def test_a_lookback_that_is_ignored_is_found() -> None:
    """Played by hand: what it takes seldom comes together by chance. A record becomes visible long after its time."""
    machine = history(Nature(page_size=1, late=2000, tolerance=60), "since", planted=LookbackIgnored)
    machine.run(
        Before(some=(Change("insert", late=2000), Change("insert"))), [], forgetful=False, then_rests=False
    )
    machine.run(Before(pause=500), [], forgetful=False, then_rests=False)
    with pytest.raises(AssertionError, match="complete, but versions"):
        machine.rest(Before(pause=2000))


def test_a_read_that_is_continued_and_forgot_when_it_began_is_found() -> None:
    """Played by hand, too. Record 1 changes behind the reader, and later keys carry the watermark past it."""
    machine = history(
        Nature(ordered=False, page_size=1, page_seconds=1000, tolerance=0),
        "since",
        planted=BeginningForgotten,
    )
    changes_behind = [[], [Change("update", 0)], [Change("insert")]]
    machine.break_off(Before(some=(Change("insert"),) * 3), changes_behind, Interruption("fail", 3))
    with pytest.raises(AssertionError, match="complete, but versions"):
        machine.rest(Before())
