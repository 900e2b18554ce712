"""What an appending run leaves out at the boundary between two reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, DataError
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint, FingerprintLog
from connector_kit.records.page import Page
from connector_kit.runtime import boundary
from connector_kit.runtime.boundary import Boundary
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read, choose_mode

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ONE = NOON + 60 * MINUTE
NOW = NOON + timedelta(days=30)
VISITS = Entity("visits", replication_key="at", incremental="since")
CROWD = 20_000


def visit(at: datetime | None, name: str = "Ada") -> dict[str, Any]:
    return {"at": at and at.isoformat(), "name": name}


@attrs.define
class Store:
    """Keeps rows, the last checkpoint and its log, as a destination does."""

    entity: Entity = VISITS
    rows: list[Any] = attrs.field(factory=list)
    checkpoint: bytes | None = None
    log: bytes = b""
    written: list[int] = attrs.field(factory=list)
    """How many bytes of the log each step has written."""

    def keep(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint.to_json()
        self.log = self.log[: checkpoint.log.keep] + checkpoint.log.added
        self.written.append(len(checkpoint.log.added))
        assert len(self.log) == checkpoint.log.size

    def begin(self, mode: Mode = "append", now: datetime = NOW, **options: Any) -> Read:
        last = None
        if self.checkpoint is not None and mode == "append":
            last = Checkpoint.from_json(self.checkpoint).with_log(self.log)
        return Read("shop", self.entity, mode, EntityOptions(**options)).begin(last, now)

    def run(
        self,
        *pages: list[Any],
        mode: Mode = "append",
        now: datetime = NOW,
        stop: bool = False,
        **options: Any,
    ) -> list[Any]:
        """Read the pages, each a step of its own; return what was new. With `stop`, the read does not end."""
        read = self.begin(mode, now, **options)
        stored = read if self.checkpoint is not None and mode == "append" else None
        rows: list[Any] = [] if mode == "replace" else self.rows
        before = len(rows)
        for page in pages:
            read, records = read.advance(Page(page, read.pages + 1))
            rows += records
            covering = read.cover(now, stored)
            assert covering is not None
            self.keep(covering)
            stored = read
        self.rows = rows
        if not stop:
            self.keep(read.finish(now))
        return rows[before:]


def test_what_was_stored_at_the_watermark_is_left_out_and_what_is_new_beside_it_is_not() -> None:
    store = Store()
    store.run([visit(NOON), visit(ONE), visit(ONE, "Bea")])
    assert store.run([visit(ONE, "Bea"), visit(ONE, "Cleo"), visit(ONE)]) == [visit(ONE, "Cleo")]
    log = store.log
    assert store.run([visit(ONE), visit(ONE, "Bea"), visit(ONE, "Cleo")]) == []
    assert sorted(store.log) == sorted(log)


def test_records_that_are_quite_the_same_are_counted() -> None:
    """Two were stored, three are there now: one is new."""
    store = Store()
    store.run([visit(ONE), visit(ONE)])
    assert store.run([visit(ONE), visit(ONE), visit(ONE)]) == [visit(ONE)]
    assert store.run([visit(ONE), visit(ONE), visit(ONE)]) == []


def test_a_changed_record_is_a_new_one() -> None:
    """A log keeps every version."""
    store = Store()
    store.run([visit(ONE)])
    assert store.run([visit(ONE, "Ada L.")]) == [visit(ONE, "Ada L.")]


def test_a_record_without_a_usable_key_is_stored_once_as_long_as_it_comes() -> None:
    store = Store()
    store.run([visit(None), visit(ONE)])
    for _ in range(2):
        assert store.run([visit(ONE), visit(None)]) == []
    assert store.run([visit(ONE), visit(None), visit(None, "Bea")]) == [visit(None, "Bea")]
    nothing_known = Store()
    nothing_known.run([visit(None)])
    assert nothing_known.run([visit(None)]) == []


def test_what_lies_above_a_watermark_that_was_held_back_is_left_out() -> None:
    """Out of order and less than the tolerance ago; in order and in the future."""
    for entity, key in [(VISITS, NOW - MINUTE), (attrs.evolve(VISITS, ordered=True), NOW + 60 * MINUTE)]:
        store = Store(entity)
        store.run([visit(NOON), visit(key)])
        assert Checkpoint.from_json(store.checkpoint or b"").watermark in {NOON, NOW - 5 * MINUTE}
        assert store.run([visit(NOON), visit(key), visit(key, "Bea")]) == [visit(key, "Bea")]
        later = NOW + timedelta(days=1)
        assert store.run([visit(key), visit(key, "Bea")], now=later) == []
        assert Checkpoint.from_json(store.checkpoint or b"").watermark == key


def test_what_a_source_delivers_from_before_since_is_left_out() -> None:
    """It was not asked for: a source that takes whole days only delivers it with each run."""
    store = Store()
    store.run([visit(NOON), visit(ONE)])
    assert store.run([visit(NOON), visit(ONE), visit(ONE + MINUTE)]) == [visit(ONE + MINUTE)]


def test_a_volatile_field_makes_no_new_record() -> None:
    store = Store()
    store.run([visit(ONE, "first")], volatile=["name"])
    assert store.run([visit(ONE, "second")], volatile=["name"]) == []


def test_a_replace_leaves_the_boundary_for_an_append() -> None:
    store = Store()
    store.run([visit(NOON), visit(ONE)])
    store.run([visit(NOON), visit(ONE), visit(ONE, "Bea")], mode="replace")
    assert store.run([visit(ONE), visit(ONE, "Bea"), visit(ONE, "Cleo")]) == [visit(ONE, "Cleo")]


def test_a_step_adds_to_the_log_and_rewrites_it_at_the_end_alone() -> None:
    """However long it is."""
    store = Store()
    store.run([visit(NOW - MINUTE, f"no. {number}") for number in range(1_000)])
    store.run([visit(NOW - MINUTE, "one")], [visit(NOW, "two")], [visit(NOW - MINUTE, "no. 0")], stop=True)
    assert store.written[-3:] == [16, 16, 16]
    assert len(store.log) == 16 * 1_004


@pytest.mark.parametrize("ordered", [False, True])
def test_what_is_past_is_dropped_from_the_log(ordered: bool) -> None:  # noqa: FBT001 - parametrized
    """A first read in the order of its keys has an entry for each page at least; few of them matter."""
    store = Store(attrs.evolve(VISITS, ordered=ordered))
    moments = [NOON + timedelta(seconds=number) for number in range(CROWD)]
    store.run(*([visit(moment)] for moment in moments), stop=True)
    assert len(store.log) <= 16 * 4_200
    store.run()
    assert len(store.log) == 32


class TestTooMany:
    """More records at one watermark than can be remembered."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(boundary, "MAX_FINGERPRINTS", 5_000)

    def test_an_append_is_refused_before_the_step_is_written(self) -> None:
        crowd = [visit(NOON, f"no. {number}") for number in range(CROWD)]
        with pytest.raises(
            DataError, match="records of entity 'visits' are as late as its watermark, so that a"
        ):
            Store().begin().advance(Page(crowd, "go on"))

    def test_many_that_are_past_are_none_too_many(self) -> None:
        store = Store()
        store.run(*([visit(NOON + timedelta(seconds=number))] for number in range(CROWD)))

    def test_a_replace_does_without(self) -> None:
        """An append behind it is refused, then."""
        store = Store()
        crowd = [visit(NOON, f"no. {number}") for number in range(CROWD)]
        assert len(store.run(crowd, mode="replace")) == CROWD
        assert store.log == b""
        with pytest.raises(ConfigError, match="does not keep what mode 'append' needs"):
            store.begin()


def test_append_is_refused_where_it_would_repeat_rows() -> None:
    """A full read, a lookback, and a boundary that another mode did not keep."""
    with pytest.raises(ConfigError, match="it is read in full by every run"):
        choose_mode(Entity("visits"), "append", frozenset({"append"}))
    with pytest.raises(ConfigError, match="has a lookback, but mode 'append'"):
        Store().begin(lookback=Duration(1))
    store = Store(attrs.evolve(VISITS, primary_key="name"))
    store.run([visit(NOON)], mode="upsert")
    with pytest.raises(ConfigError, match=r"last written in mode 'upsert', .* run once with mode 'replace'"):
        store.begin()


@pytest.mark.parametrize(
    "log",
    [
        FingerprintLog(16, b""),
        FingerprintLog(0, b"something else, of 32 bytes here"),
        FingerprintLog(0, b"connector-kit 1\n and a part"),
    ],
)
def test_a_log_that_a_destination_gives_back_changed_is_refused(log: FingerprintLog) -> None:
    with pytest.raises(
        DataError, match="which are none; expected what it was given with the last checkpoint"
    ):
        Boundary.of(log)


def test_a_read_may_go_on_from_one_place_twice() -> None:
    """It is a value: what one way has seen, the other has not."""
    store = Store()
    store.run([visit(ONE)])
    read = store.begin()
    for _ in range(2):
        behind, records = read.advance(Page([visit(ONE), visit(ONE)], 1))
        assert records == [visit(ONE)]
        assert behind.finish(NOW).log.size == 16 * 3


versions = st.tuples(st.integers(0, 12), st.sampled_from(["a", "b"]))
"""A minute before the beginning of the read or after it, and what the record says."""


@given(st.data(), st.booleans(), st.lists(st.lists(versions, max_size=6), min_size=1, max_size=4))
def test_each_version_is_stored_once_however_often_reads_are_cut_off(
    data: st.DataObject,
    ordered: bool,  # noqa: FBT001 - hypothesis gives it
    growth: list[list[tuple[int, str]]],
) -> None:
    """A source that grows between reads, some minutes around its clock; each read is cut off at random pages."""
    store, served, now = Store(attrs.evolve(VISITS, ordered=ordered)), list[Any](), NOW
    for new in growth:
        now += timedelta(minutes=10)
        served += [visit(now + (minute - 4) * MINUTE, name) for minute, name in new]
        served += [visit(None, "no key")] * data.draw(st.integers(0, 1))
        since = store.begin(now=now).since
        asked = [
            each for each in served if each["at"] is None or since is None or each["at"] >= since.isoformat()
        ]
        asked = (
            sorted(asked, key=lambda each: each["at"] or "") if ordered else data.draw(st.permutations(asked))
        )
        size = data.draw(st.integers(1, 4))
        pages = [asked[first : first + size] for first in range(0, len(asked), size)]
        done = 0
        while done < len(pages):
            more = data.draw(st.integers(1, len(pages) - done))
            store.run(*pages[done : done + more], now=now, stop=done + more < len(pages))
            done += more
        if not pages:
            store.run(now=now)
        assert sorted(map(str, store.rows)) == sorted(map(str, served))
