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
from connector_kit.runtime.boundary import Boundary
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read, choose_mode, default_mode

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
states = st.fixed_dictionaries(
    {
        "since": times,
        "cursor": cursors,
        "watermark": times,
        "rows": st.integers(0, 99),
        "pages": st.integers(0, 99),
    }
)
"""Where a read is."""


def read(what: Entity, mode: Mode = "upsert", options: EntityOptions | None = None, **state: Any) -> Read:
    """Return a read of the shop's orders."""
    return Read("shop", what, mode, options or EntityOptions(), **state)


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
        assert read(entity()).begin(None) == read(entity())
        options = EntityOptions(start=NOON)
        assert read(entity(), "upsert", options).begin(None) == read(entity(), "upsert", options, since=NOON)

    @given(entities, modes, states)
    def test_an_unfinished_read_goes_on_exactly_where_it_was(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """With its counts, whatever the options say by now."""
        last = checkpoint(mode, **state, complete=False)
        options = EntityOptions() if mode == "append" else EntityOptions(lookback=Duration(60))
        assert read(what, mode, options).begin(last) == read(what, mode, options, **state, resumed=True)

    @given(entities, modes, states)
    def test_after_a_complete_read_comes_what_is_new(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """From the watermark, from the last cursor, or all of it; the counts begin anew."""
        last = checkpoint(mode, **state)
        expected: dict[str, Any] = {}
        if mode != "replace" and what.incremental == "since":
            expected = {"since": state["watermark"], "watermark": state["watermark"]}
            if mode == "append" and state["watermark"] is not None:
                last = attrs.evolve(last, stored={"f00d": 2})
                expected["boundary"] = Boundary({"f00d": 2}, {"f00d": 2})
        if mode != "replace" and what.incremental == "cursor":
            expected = {"cursor": state["cursor"], "watermark": state["watermark"]}
        assert read(what, mode).begin(last) == read(what, mode, **expected)

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
        begun = read(entity(), "upsert", options).begin(checkpoint(watermark=NOON))
        assert begun == read(entity(), "upsert", options, since=since, watermark=NOON)

    def test_a_read_that_saw_no_key_begins_at_the_start_again(self) -> None:
        options = EntityOptions(start=NOON, lookback=Duration(60))
        begun = read(entity(), "upsert", options).begin(checkpoint())
        assert begun == read(entity(), "upsert", options, since=NOON)

    @pytest.mark.parametrize("incremental", ["cursor", None])
    def test_a_start_means_something_for_since_alone(self, incremental: Incremental) -> None:
        with pytest.raises(ConfigError, match="has a start, but is not read by since; leave `start` out"):
            read(entity(incremental), "upsert", EntityOptions(start=NOON)).begin(None)

    @pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
    def test_what_another_connector_has_written_is_refused(self, mode: Mode) -> None:
        with pytest.raises(ConfigError, match="written by the connector 'shop', not 'market'; use another"):
            Read("market", entity(), mode).refuse_owner(checkpoint(), "orders")

    def test_and_what_another_entity_has(self) -> None:
        people = attrs.evolve(entity(), name="people")
        with pytest.raises(ConfigError, match=r"'orders' .* was written by entity 'orders', not 'people'"):
            Read("shop", people, "upsert").refuse_owner(checkpoint(), "orders")

    def test_an_unfinished_read_is_not_continued_in_another_mode(self) -> None:
        """A complete one is."""
        with pytest.raises(
            ConfigError, match="unfinished read in mode 'replace', but the mode is 'upsert' now"
        ):
            read(entity()).begin(checkpoint("replace", complete=False))
        assert read(entity()).begin(checkpoint("replace", watermark=NOON)).since == NOON


class TestWithoutCursor:
    """What happens when the source no longer accepts the cursor."""

    @staticmethod
    def expired(what: Entity, mode: Mode) -> Read:
        return read(
            what, mode, since=NOON, cursor="gone", watermark=NOON + HOUR, rows=5, pages=2, resumed=True
        )

    @given(entities)
    def test_behind_rows_that_stay_it_cannot_begin_again(self, what: Entity) -> None:
        assert self.expired(what, "append").without_cursor() is None

    @given(entities)
    def test_a_new_generation_begins_again_from_nothing(self, what: Entity) -> None:
        assert self.expired(what, "replace").without_cursor() == read(what, "replace", since=NOON)

    def test_over_the_same_rows_it_begins_again_from_since(self) -> None:
        by_since, by_cursor = self.expired(entity(), "upsert"), self.expired(entity("cursor"), "upsert")
        assert by_since.without_cursor() == attrs.evolve(by_since, cursor=None)
        assert by_cursor.without_cursor() == read(entity("cursor"), since=NOON)


class TestCheckpoints:
    @given(entities, modes, states)
    def test_one_that_covers_a_page_goes_on_exactly_behind_it(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """At its cursor; or at the watermark, where records come in its order and may be written again."""
        before = read(what, mode, **state)
        covering = before.cover(NOON)
        by_time = mode == "upsert" and what.ordered and what.incremental == "since"
        if state["cursor"] is None and not (by_time and state["watermark"] is not None):
            assert covering is None
            return
        assert covering is not None
        assert not covering.complete
        assert covering.updated == NOON
        again = read(what, mode).begin(covering)
        since = state["since"] if state["cursor"] is not None else state["watermark"]
        assert again == attrs.evolve(before, since=since, resumed=True)

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
        covering = read(what, mode, since=NOON - HOUR, watermark=watermark).cover(NOON)
        assert (covering is not None) == covered
        assert covering is None or (covering.since, covering.watermark) == (NOON, NOON)

    @given(entities, modes, states)
    def test_the_last_one_says_that_the_read_has_ended(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """Where the next run goes by the cursor, there must be one, unless there was no page at all."""
        if what.incremental == "cursor" and state["cursor"] is None and state["pages"]:
            with pytest.raises(DataError, match="is read by cursor, but its last page carries none"):
                read(what, mode, **state).finish(NOON)
            return
        last = read(what, mode, **state).finish(NOON)
        assert last.complete
        assert (last.connector, last.entity, last.mode, last.updated) == ("shop", "orders", mode, NOON)
        assert (last.since, last.cursor, last.watermark) == (
            state["since"],
            state["cursor"],
            state["watermark"],
        )
        assert (last.rows, last.pages) == (state["rows"], state["pages"])
