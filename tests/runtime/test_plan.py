"""Where a read begins, what its checkpoints say, and which combinations are refused."""

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
from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.runtime.boundary import Border
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.plan import Position, begin, choose_mode, cover, default_mode, expired, final

if TYPE_CHECKING:
    from connector_kit.records.catalog import Incremental
    from connector_kit.records.page import Cursor

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL: frozenset[Mode] = frozenset({"append", "upsert", "replace"})
modes: st.SearchStrategy[Mode] = st.sampled_from(sorted(ALL))
times = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn
cursors: st.SearchStrategy[Cursor] = st.none() | st.integers() | st.text()


def entity(incremental: Incremental = "since", *, key: bool = True, ordered: bool = False) -> Entity:
    """Make an entity that is read in the given way."""
    return Entity(
        "orders",
        primary_key="id" if key else (),
        replication_key="at",
        incremental=incremental,
        ordered=ordered,
    )


entities = st.builds(
    entity, st.sampled_from(["since", "cursor", None]), key=st.booleans(), ordered=st.booleans()
)
positions = st.builds(Position, times, cursors, times, st.integers(0, 99), st.integers(0, 99))


def checkpoint(mode: Mode = "upsert", **changes: Any) -> Checkpoint:
    """Make a complete checkpoint of the shop's orders."""
    return attrs.evolve(Checkpoint("shop", "orders", mode, complete=True), **changes)


def possible(what: Entity, mode: Mode) -> bool:
    """Whether a mode keeps every row once, whatever the destination can do."""
    return {"upsert": bool(what.primary_key), "append": what.incremental is not None, "replace": True}[mode]


class TestMode:
    @pytest.mark.parametrize(
        ("what", "can", "expected"),
        [
            (entity(), ALL, "upsert"),
            (entity("cursor"), ALL, "upsert"),
            (entity(None), ALL, "upsert"),
            (entity("cursor", key=False), ALL, "append"),
            (entity("since", key=False), ALL, "replace"),
            (entity(None, key=False), ALL, "replace"),
            (entity(), ALL - {"upsert"}, "replace"),
            (entity("cursor"), ALL - {"upsert"}, "append"),
            (entity("cursor", key=False), frozenset({"replace"}), "replace"),
            (entity(), frozenset({"append"}), "append"),
        ],
    )
    def test_by_default_it_keeps_every_row_once(
        self, what: Entity, can: frozenset[Mode], expected: Mode
    ) -> None:
        assert default_mode(what, can) == expected == choose_mode(what, None, can)

    @given(entities, modes, st.sets(modes, min_size=1))
    def test_the_wanted_one_is_used_or_refused(self, what: Entity, wanted: Mode, can: set[Mode]) -> None:
        if wanted in can and possible(what, wanted):
            assert choose_mode(what, wanted, can) == wanted
        else:
            with pytest.raises(ConfigError, match=f"mode '{wanted}' for entity 'orders'"):
                choose_mode(what, wanted, can)

    @given(entities, st.sets(modes, min_size=1))
    def test_the_default_is_one_that_the_destination_can_do(self, what: Entity, can: set[Mode]) -> None:
        """Or there is none: it can only write over rows, or behind them, and that would not be exact."""
        if not any(possible(what, mode) for mode in can):
            with pytest.raises(ConfigError, match=r"this destination can do|read in full by every run"):
                choose_mode(what, None, can)
        else:
            assert choose_mode(what, None, can) in can

    def test_a_refusal_says_what_could_be_done(self) -> None:
        with pytest.raises(ConfigError, match="this destination can do append, replace; choose one of these"):
            choose_mode(entity(), "upsert", ALL - {"upsert"})
        with pytest.raises(ConfigError, match="no primary key to tell its records apart by; use 'append' or"):
            choose_mode(entity(key=False), "upsert", ALL)


class TestBegin:
    def test_the_first_read_begins_at_the_start(self) -> None:
        assert begin("shop", entity(), "upsert", EntityOptions(), None) == Position()
        assert begin("shop", entity(), "upsert", EntityOptions(start=NOON), None) == Position(since=NOON)

    @given(entities, modes, positions)
    def test_an_unfinished_read_goes_on_exactly_where_it_was(
        self, what: Entity, mode: Mode, position: Position
    ) -> None:
        """With its counts, whatever the options say by now."""
        last = checkpoint(
            mode, **attrs.asdict(position, filter=attrs.filters.exclude("resumed", "border")), complete=False
        )
        options = EntityOptions() if mode == "append" else EntityOptions(lookback=Duration(60))
        assert begin("shop", what, mode, options, last) == attrs.evolve(position, resumed=True)

    @given(entities, modes, positions)
    def test_after_a_complete_read_comes_what_is_new(
        self, what: Entity, mode: Mode, position: Position
    ) -> None:
        """From the watermark, from the last cursor, or all of it; the counts begin anew."""
        last = checkpoint(mode, **attrs.asdict(position, filter=attrs.filters.exclude("resumed", "border")))
        expected = Position()
        if mode != "replace" and what.incremental == "since":
            expected = Position(since=position.watermark, watermark=position.watermark)
            if mode == "append" and position.watermark is not None:
                last = attrs.evolve(last, stored={"f00d": 2})
                expected = attrs.evolve(expected, border=Border({"f00d": 2}, {"f00d": 2}))
        if mode != "replace" and what.incremental == "cursor":
            expected = Position(cursor=position.cursor, watermark=position.watermark)
        assert begin("shop", what, mode, EntityOptions(), last) == expected

    @pytest.mark.parametrize(
        ("lookback", "start", "since"),
        [
            ("0s", None, NOON),
            ("1h", None, NOON - HOUR),
            ("1h", NOON - 2 * HOUR, NOON - HOUR),
            ("3h", NOON - 2 * HOUR, NOON - 2 * HOUR),
            ("0s", NOON + HOUR, NOON + HOUR),
            ("1000000d", None, None),
            ("1000000d", NOON - HOUR, NOON - HOUR),
            ("10000000000d", None, None),
        ],
    )
    def test_a_lookback_is_read_again_but_never_before_the_start(
        self, lookback: str, start: datetime | None, since: datetime | None
    ) -> None:
        """However far back it goes. The watermark itself does not go back."""
        options = EntityOptions(lookback=Duration.parse(lookback), start=start)
        position = begin("shop", entity(), "upsert", options, checkpoint(watermark=NOON))
        assert position == Position(since=since, watermark=NOON)

    def test_a_read_that_saw_no_key_begins_at_the_start_again(self) -> None:
        options = EntityOptions(start=NOON, lookback=Duration(60))
        assert begin("shop", entity(), "upsert", options, checkpoint()) == Position(since=NOON)

    @pytest.mark.parametrize("incremental", ["cursor", None])
    def test_a_start_means_something_for_since_alone(self, incremental: Incremental) -> None:
        with pytest.raises(ConfigError, match="has a start, but is not read by since; leave `start` out"):
            begin("shop", entity(incremental), "upsert", EntityOptions(start=NOON), None)

    def test_another_connectors_state_is_not_continued(self) -> None:
        with pytest.raises(ConfigError, match="written by the connector 'shop', not 'market'; use another"):
            begin("market", entity(), "upsert", EntityOptions(), checkpoint())

    def test_an_unfinished_read_is_not_continued_in_another_mode(self) -> None:
        """A complete one is."""
        with pytest.raises(
            ConfigError, match="unfinished read in mode 'replace', but the mode is 'upsert' now"
        ):
            begin("shop", entity(), "upsert", EntityOptions(), checkpoint("replace", complete=False))
        position = begin("shop", entity(), "upsert", EntityOptions(), checkpoint("replace", watermark=NOON))
        assert position.since == NOON


class TestExpired:
    """What happens when the source no longer accepts the cursor."""

    POSITION = Position(since=NOON, cursor="gone", watermark=NOON + HOUR, rows=5, pages=2, resumed=True)

    @given(entities)
    def test_behind_rows_that_stay_it_cannot_begin_again(self, what: Entity) -> None:
        assert expired(self.POSITION, "append", what) is None

    @given(entities)
    def test_a_new_generation_begins_again_from_nothing(self, what: Entity) -> None:
        assert expired(self.POSITION, "replace", what) == Position(since=NOON)

    def test_over_the_same_rows_it_begins_again_from_since(self) -> None:
        assert expired(self.POSITION, "upsert", entity()) == attrs.evolve(self.POSITION, cursor=None)
        assert expired(self.POSITION, "upsert", entity("cursor")) == Position(since=NOON)


class TestCheckpoints:
    @given(entities, modes, positions)
    def test_one_that_covers_a_page_goes_on_exactly_behind_it(
        self, what: Entity, mode: Mode, position: Position
    ) -> None:
        """At its cursor; or at the watermark, where records come in its order and may be written again."""
        covering = cover("shop", what, mode, position, NOON)
        by_time = mode == "upsert" and what.ordered and what.incremental == "since"
        if position.cursor is None and not (by_time and position.watermark is not None):
            assert covering is None
            return
        assert covering is not None
        assert not covering.complete
        assert covering.updated == NOON
        again = begin("shop", what, mode, EntityOptions(), covering)
        since = position.since if position.cursor is not None else position.watermark
        assert again == attrs.evolve(position, since=since, resumed=True)

    @pytest.mark.parametrize(
        ("what", "mode", "watermark", "covered"),
        [
            (entity(ordered=True), "upsert", NOON, True),
            (entity(ordered=True), "append", NOON, False),
            (entity(ordered=True), "replace", NOON, False),
            (entity(ordered=False), "upsert", NOON, False),
            (entity("cursor", ordered=True), "upsert", NOON, False),
            (entity(None, ordered=True), "upsert", NOON, False),
            (entity(ordered=True), "upsert", None, False),
        ],
    )
    def test_without_a_cursor_only_what_is_written_over_in_order_is_covered(
        self, what: Entity, mode: Mode, watermark: datetime | None, *, covered: bool
    ) -> None:
        """Anything else would lose or repeat rows."""
        covering = cover("shop", what, mode, Position(since=NOON - HOUR, watermark=watermark), NOON)
        assert (covering is not None) == covered
        assert covering is None or (covering.since, covering.watermark) == (NOON, NOON)

    @given(entities, modes, positions)
    def test_the_last_one_says_that_the_read_has_ended(
        self, what: Entity, mode: Mode, position: Position
    ) -> None:
        """Where the next run goes by the cursor, there must be one, unless there was no page at all."""
        if what.incremental == "cursor" and position.cursor is None and position.pages:
            with pytest.raises(DataError, match="is read by cursor, but its last page carries none"):
                final("shop", what, mode, position, NOON)
            return
        last = final("shop", what, mode, position, NOON)
        assert last.complete
        assert (last.connector, last.entity, last.mode, last.updated) == ("shop", "orders", mode, NOON)
        assert (last.since, last.cursor, last.watermark) == (
            position.since,
            position.cursor,
            position.watermark,
        )
        assert (last.rows, last.pages) == (position.rows, position.pages)
