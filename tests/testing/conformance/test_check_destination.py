"""The runner, and what the laws say of destinations and places that are odd, wrong or in the way."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_destinations.disk import Disk, ShelfFixture
from zoo_destinations.shelf import Shelf
from zoo_destinations.specimens import SPECIMENS
from zoo_destinations.wrong_calls import ReplaceKeepsProvisionalRows

from connector_kit.errors import ConfigError, DestinationError
from connector_kit.records.checkpoint import Checkpoint
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_destination
from connector_kit.testing.conformance.destination.call_sequences import (
    Crash,
    Finish,
    Start,
    Write,
    replay,
    sequences,
)
from connector_kit.testing.conformance.destination.entities import evolution, names
from connector_kit.testing.conformance.destination.fixture import Killed
from connector_kit.testing.conformance.destination.interruption import atomic, cancelled_at
from connector_kit.testing.conformance.destination.modes import replace, upsert
from connector_kit.testing.conformance.destination.refusals import lifecycle, refusals
from connector_kit.testing.conformance.destination.stored_values import (
    checkpoint_difference,
    equal_values,
    rows_difference,
)
from connector_kit.testing.conformance.destination.subject import DestinationSubject
from connector_kit.testing.conformance.destination.values import values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_kit.protocols import Destination
    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Record

pytestmark = pytest.mark.anyio

SHORT = Bounds(plans=3)
"""For right ones: what random sequences find is found by the others."""


def of(kind: type[Shelf]) -> Callable[[], ShelfFixture]:
    return partial(ShelfFixture, kind)


# -- the runner -----------------------------------------------------------------------------------------------------


async def test_laws_are_chosen_by_name_and_keep_their_order() -> None:
    report = await check_destination(of(Shelf), laws=["reset", "append"], name="ours")
    assert [(verdict.law.name, verdict.outcome) for verdict in report.verdicts] == [
        ("append", "held"),
        ("reset", "held"),
    ]
    assert report.subject == "ours"


async def test_a_law_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="use 'provisional'"):
        await check_destination(of(Shelf), laws=["provisionals"])


async def test_a_backend_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of asyncio, trio"):
        await check_destination(of(Shelf), backend="curio")


def raising() -> ShelfFixture:
    raise OSError("no room")


class NoModes(Shelf):
    modes: frozenset[Mode] = frozenset()


class CannotOpen(Shelf):
    async def open(self) -> None:
        raise DestinationError("the place is full")


class BlocksAtOpen(Shelf):
    async def open(self) -> None:
        threading.Event().wait(30)


@pytest.mark.parametrize(
    ("places", "failure"),
    [
        (raising, "OSError: no room"),
        (object, "'object', which is no fixture"),
        (of(NoModes), "no mode"),
        (of(CannotOpen), "the place is full"),
        (of(BlocksAtOpen), "in open: `threading.Event().wait(30)`"),
    ],
)
async def test_where_nothing_can_be_looked_at_the_report_says_why(places: Any, failure: str) -> None:
    report = await check_destination(places, bounds=Bounds(call_seconds=0.3, plans=3))
    assert failure in report.failure
    assert not report.verdicts
    assert not report.ok


class Hangs(Shelf):
    """Its finish comes back neither by itself nor when it is cancelled."""

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(30)


async def test_a_call_that_never_comes_back_is_named_and_no_other_law_is_looked_at() -> None:
    report = await check_destination(of(Hangs), laws=["append", "upsert"], bounds=Bounds(call_seconds=0.3))
    assert [verdict.outcome for verdict in report.verdicts] == ["broken", "unchecked"]
    assert "finish('orders') did not come back" in str(report)


async def test_the_calls_that_are_allowed_are_kept_to() -> None:
    report = await check_destination(of(Shelf), bounds=Bounds(requests=30))
    assert report.requests == 30
    assert {verdict.outcome for verdict in report.verdicts} <= {"held", "unchecked"}
    assert all("30 requests allowed" in what for what in report.verdicts[-1].unchecked)


async def test_the_time_that_is_allowed_is_kept_to() -> None:
    report = await check_destination(of(Shelf), bounds=Bounds(seconds=1e-9), laws=["append"])
    assert not report.broken
    assert "allowed are over" in str(report)


async def test_without_faults_nobody_is_killed_or_cancelled_in_the_middle_of_a_call() -> None:
    report = await check_destination(of(Shelf), laws=["atomic", "cancelled"], bounds=Bounds(faults=False))
    assert [verdict.outcome for verdict in report.verdicts] == ["held", "unchecked"]
    assert sum("without faults, as asked for" in what for what in report.unchecked) == 2


# -- places without seams -------------------------------------------------------------------------------------------


@attrs.frozen
class BareFixture:
    """A place without any seam, whose destination may hold a lock of its process until it is closed."""

    kind: type[Shelf]
    disk: Disk = attrs.field(factory=Disk)

    def destination(self) -> Destination:
        return self.kind(self.disk)

    def rows(self, entity: str, /) -> Sequence[Record]:
        return self.kind(self.disk).shown(entity)


class Locking(Shelf):
    """Right: one process at a time, by a lock that a place without `abandon` cannot let go of."""

    async def open(self) -> None:
        if self.disk.contents.get("lock"):
            raise DestinationError("another process writes here")
        self.disk.contents["lock"] = b"\x80\x04N."
        await super().open()

    async def close(self) -> None:
        if self.opened:
            del self.disk.contents["lock"]
        await super().close()


async def test_what_a_fixture_cannot_do_is_told_as_unchecked() -> None:
    report = await check_destination(partial(BareFixture, Shelf), laws=["atomic", "refusals", "provisional"])
    report.require()
    assert any("no crashing(point)" in what for what in report.unchecked)
    assert any("no occupy(entity)" in what for what in report.unchecked)


async def test_a_lock_that_cannot_be_let_go_of_is_no_fault_of_the_destination() -> None:
    report = await check_destination(
        partial(BareFixture, Locking), laws=["atomic", "provisional", "replace", "sequences"]
    )
    report.require()
    for law in ("atomic", "provisional", "replace", "sequences"):
        assert any(
            what.startswith(law) and "give the fixture an abandon" in what for what in report.unchecked
        )


@attrs.frozen
class Immortal(ShelfFixture):
    """Its destinations do not die."""

    def crashing(self, point: int, /) -> Destination:
        return self.destination()


async def test_a_place_without_crash_points_is_told_as_unchecked() -> None:
    verdict = await atomic(partial(Immortal, Shelf))
    assert not verdict.evidence
    assert any("crashing(0) did all it was asked to" in what for what in verdict.unchecked)


@attrs.frozen
class Blind(ShelfFixture):
    """Its rows cannot be read."""

    def rows(self, entity: str, /) -> list[Record]:
        raise OSError("no such table")


async def test_an_error_of_the_place_is_told() -> None:
    verdict = await lifecycle(partial(Blind, Shelf))
    assert verdict.outcome == "broken"
    assert "no such table" in str(verdict.evidence[0])


@attrs.frozen
class Beside(ShelfFixture):
    """Looks at what is somebody else's alone."""

    def theirs(self) -> object:
        return self.disk.contents["orders"]


class WritesBeside(Shelf):
    """Does not see that a place is somebody else's, and writes beside what is there."""

    def place_of(self, entity: str) -> str:
        return f"{entity.removesuffix(' of ours')} of ours"


async def test_a_place_of_somebody_elses_has_to_be_refused_also_where_nothing_of_it_is_touched() -> None:
    verdict = await refusals(partial(Beside, WritesBeside))
    assert [evidence.what for evidence in verdict.evidence] == ["a place of somebody else's was written to"]


async def test_a_place_that_cannot_be_made_is_told() -> None:
    (evidence,) = (await lifecycle(raising)).evidence
    assert "OSError came out: no room" in evidence.what


class Sleeps(Shelf):
    """Its finish takes long, and ends when it is cancelled."""

    closed = 0

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        await anyio.sleep(30)

    async def close(self) -> None:
        type(self).closed += 1
        await super().close()


async def test_a_law_that_is_cancelled_closes_what_it_has_opened_and_passes_the_cancellation_on() -> None:
    before = Sleeps.closed
    with anyio.move_on_after(0.1) as scope:
        await upsert(of(Sleeps))
    assert scope.cancelled_caught
    assert Sleeps.closed == before + 1


# -- destinations that are right in their own way ---------------------------------------------------------------------


class Picky(Shelf):
    """Refuses odd names, values and types: no harm is done."""

    def refuse(self, entity: Entity, mode: Mode) -> None:
        if not entity.name.isidentifier() or any(not field.name.isidentifier() for field in entity.fields):
            raise ConfigError("names must be identifiers")
        super().refuse(entity, mode)

    def value(self, value: Any) -> Any:
        if not isinstance(value, str | int | float | datetime | None):
            raise DestinationError(f"{type(value).__name__} cannot be stored")
        return super().value(value)


@pytest.mark.parametrize("law", [names, values])
async def test_what_is_refused_is_unchecked_and_not_broken(law: Any) -> None:
    verdict = await law(of(Picky))
    assert verdict.outcome == "held", verdict.evidence
    assert any("refused" in what for what in verdict.unchecked)


class Typed(Shelf):
    """Refuses a number in a column of integers."""

    def copies(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        if any(isinstance(record.get("size"), float) for record in records):
            raise DestinationError("size is an integer")
        return super().copies(records)


async def test_a_type_that_cannot_be_widened_may_be_refused() -> None:
    verdict = await evolution(of(Typed))
    assert verdict.outcome == "held"
    assert any("size is an integer" in what for what in verdict.unchecked)


class Unordered(Shelf):
    """Shows rows in no order."""

    def shown(self, entity: str) -> list[Record]:
        return sorted(super().shown(entity), key=lambda row: str(row)[::-1])


async def test_a_store_without_order_says_so() -> None:
    assert (await check_destination(of(Unordered), ordered=False, bounds=SHORT)).ok
    report = await check_destination(of(Unordered), laws=["append"])
    assert "in another order" in str(report)


class OpensOnceAtATime(Shelf):
    async def open(self) -> None:
        if self.opened:
            raise DestinationError("it is open already")
        await super().open()


async def test_a_second_open_may_be_refused() -> None:
    verdict = await lifecycle(of(OpensOnceAtATime))
    assert verdict.outcome == "held"
    assert any("a second open: refused" in what for what in verdict.unchecked)


class AppendOnly(Shelf):
    modes: frozenset[Mode] = frozenset({"append"})


async def test_a_destination_need_not_have_all_modes() -> None:
    report = await check_destination(of(AppendOnly), bounds=SHORT)
    report.require()
    unchecked = [verdict.law.name for verdict in report.verdicts if verdict.outcome == "unchecked"]
    assert unchecked == ["upsert", "replace"]


class UpsertOnly(Shelf):
    modes: frozenset[Mode] = frozenset({"upsert"})


class ReplaceOnly(Shelf):
    modes: frozenset[Mode] = frozenset({"replace"})


@pytest.mark.parametrize("kind", [UpsertOnly, ReplaceOnly])
async def test_one_mode_of_any_sort_is_enough(kind: type[Shelf]) -> None:
    (await check_destination(of(kind), bounds=SHORT)).require()


class KeepsUpserted(Shelf):
    """Keeps provisional rows in mode upsert, which it may."""

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        await super().write(entity, records, checkpoint)
        reading = self.reading(entity)
        if reading.mode == "upsert":
            stored = self.found(reading)
            stored.current.before = list(stored.current.rows)
            self.save(stored)


async def test_upserted_rows_may_stay_without_a_checkpoint() -> None:
    report = await check_destination(of(KeepsUpserted), laws=["provisional", "sequences", "upsert"])
    report.require()


# -- evidence -------------------------------------------------------------------------------------------------------


async def test_evidence_names_the_call_in_which_it_died_and_the_rows() -> None:
    wrong = next(each.wrong for each in SPECIMENS if each.name == "rows first")
    (evidence,) = (await atomic(of(wrong))).evidence
    assert "killed at crash point 3: gone in write of page 1" in evidence.what
    assert evidence.entity == "orders"
    assert evidence.records == (
        'too many: {"at":"2013-01-01T05:01:00Z","id":1,"name":"1"}',
        'too many: {"at":"2013-01-01T05:02:00Z","id":2,"name":"2"}',
    )
    assert "one transaction" in evidence.mend


async def test_evidence_of_upsert_and_replace_says_what_is_there() -> None:
    merges = next(each.wrong for each in SPECIMENS if each.name == "upsert merges")
    assert "1 missing, 1 too many" in (await upsert(of(merges))).evidence[0].what
    truncates = next(each.wrong for each in SPECIMENS if each.name == "truncates at start")
    assert "beside the current one" in (await replace(of(truncates))).evidence[0].mend


def at_leisure(shelf: type[Shelf]) -> DestinationSubject:
    """Have all sequences played and shrunk to the end, however slow the machine is."""
    return DestinationSubject(of(shelf), bounds=Bounds(seconds=3600))


async def test_a_random_sequence_is_shrunk_to_the_smallest_and_can_be_played_again() -> None:
    (evidence,) = (await sequences(at_leisure(ReplaceKeepsProvisionalRows))).evidence
    steps = eval(evidence.plan, {"Start": Start, "Write": Write, "Finish": Finish, "Crash": Crash})
    assert steps == [
        Start("orders", "append"),
        Write("orders", [{"id": 1}], covered=False),
        Start("orders", "replace"),
    ]
    assert await replay(of(ReplaceKeepsProvisionalRows), steps) in evidence.what
    assert await replay(of(Shelf), steps) == ""


class FailsTheThirdTime(Shelf):
    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        await super().finish(entity, checkpoint)
        if len(self.shown(entity)) > 4:
            raise ValueError("too much")


async def test_an_error_in_a_random_sequence_is_a_part_of_the_evidence() -> None:
    (evidence,) = (await sequences(at_leisure(FailsTheThirdTime))).evidence
    assert "finish('orders') raised ValueError: too much" in evidence.what


async def test_sequences_end_with_their_share_of_the_time() -> None:
    """Some are played, the rest is told; a destination that is slow does not make an examination long."""
    verdict = await sequences(DestinationSubject(of(Shelf), bounds=Bounds(seconds=1.0)))
    assert verdict.outcome == "held"
    assert verdict.unchecked[0].endswith("more sequences: their share of the time, 0.05 s, was over")


async def test_a_random_sequence_keeps_to_the_bounds() -> None:
    verdict = await sequences(DestinationSubject(of(Shelf), bounds=Bounds(requests=50, seconds=1_000)))
    assert verdict.outcome == "unchecked"
    assert verdict.requests == 50


async def test_without_hypothesis_nothing_is_walked_and_the_verdict_says_so() -> None:
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "hypothesis"}
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        verdict = await sequences(of(Shelf))
    finally:
        sys.modules.update(hidden)
    assert verdict.outcome == "unchecked"
    assert "pip install 'connector-kit[testing]'" in verdict.unchecked[0]


# -- comparing ------------------------------------------------------------------------------------------------------

EAST = timezone(timedelta(hours=5, minutes=30))
MOMENT = datetime(2013, 1, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (None, None, True),
        (None, "", False),
        (True, 1, True),
        (False, 0, True),
        (True, "true", False),
        (1, True, False),
        (2**53 + 1, str(2**53 + 1), True),
        (2**53 + 1, float(2**53 + 1), False),
        (1, "one", False),
        (1, 1.0, True),
        (1, float("inf"), False),
        (1, None, False),
        (0.1, "0.1", True),
        (0.1, Decimal("0.1"), True),
        (0.1, 0.2, False),
        (0.1, "a tenth", False),
        (0.1, None, False),
        (Decimal("1.10"), "1.10", True),
        (Decimal("1.10"), 1.1, True),
        (Decimal("1.10"), "1.11", False),
        (MOMENT, "2013-01-01T05:00:00.000000Z", True),
        (MOMENT, MOMENT.astimezone(EAST), True),
        (MOMENT, "2013-01-01T05:00:00", False),
        (MOMENT, "yesterday", False),
        (MOMENT, 1_356_998_400, False),
        (date(2013, 1, 1), "2013-01-01", True),
        (date(2013, 1, 1), MOMENT, False),
        (time(5), "05:00:00", True),
        (time(5), "06:00", False),
        (b"\x00\xff", "AP8=", True),
        (b"\x00\xff", memoryview(b"\x00\xff"), True),
        (b"\x00\xff", "\x00ÿ", False),
        (b"\x00", None, False),
        ("a", "a", True),
        ("a", b"a", False),
        ([1, [None]], "[1,[null]]", True),
        ([1], (1,), True),
        ([1], [1, 2], False),
        ([1], "[1", False),
        ([1], 1, False),
        (["a"], "a", False),
        ({"a": 1, "b": None}, '{"a": 1}', True),
        ({"a": 1}, [1], False),
    ],
)
async def test_a_value_may_be_kept_in_another_form_and_not_as_another_value(
    wanted: Any, found: Any, *, same: bool
) -> None:
    assert equal_values(wanted, found) is same


async def test_rows_are_compared_as_many_times_as_they_are_there() -> None:
    one, other = {"id": 1}, {"id": 2, "name": None}
    assert rows_difference([one, other], [{"id": 1}, {"id": 2}], ordered=True) is None
    assert rows_difference([one, other], [other, one], ordered=False) is None
    assert rows_difference([one, one], [one], ordered=False) is not None
    swapped = rows_difference([one, other], [other, one], ordered=True)
    assert swapped is not None
    assert swapped.what == "all rows are there, in another order"


@pytest.mark.parametrize("changed", [1.0, True, "1", [1], None])
async def test_a_cursor_counts_to_the_letter(changed: Any) -> None:
    stored = Checkpoint("shop", "orders", "append", cursor=1)
    assert checkpoint_difference(stored, stored) == ""
    assert "its cursor is" in checkpoint_difference(stored, attrs.evolve(stored, cursor=changed))


async def test_the_times_of_a_checkpoint_are_moments() -> None:
    stored = Checkpoint("shop", "orders", "append", since=MOMENT, revision="a")
    elsewhere = attrs.evolve(stored, since=MOMENT.astimezone(EAST))
    assert checkpoint_difference(stored, elsewhere) == ""
    assert "its since is" in checkpoint_difference(stored, attrs.evolve(stored, since=None))
    assert "its revision is" in checkpoint_difference(stored, attrs.evolve(stored, revision=""))
    assert "it is none" in checkpoint_difference(stored, None)


# -- cancelling -----------------------------------------------------------------------------------------------------


@given(waits=st.integers(0, 4), step=st.integers(1, 6), backend=st.sampled_from(["asyncio", "trio"]))
def test_a_call_is_cancelled_at_the_await_that_was_chosen(waits: int, step: int, backend: str) -> None:
    seen: list[int] = []

    async def call() -> None:
        for number in range(1, waits + 1):
            seen.append(number)
            await anyio.lowlevel.checkpoint()
        seen.append(0)

    async def main() -> None:
        assert await cancelled_at(step, call()) is (waits >= step)

    anyio.run(main, backend=backend)
    assert seen == ([*range(1, step + 1)] if waits >= step else [*range(1, waits + 1), 0])


def test_killed_is_no_error_that_anybody_handles() -> None:
    assert not issubclass(Killed, Exception)
