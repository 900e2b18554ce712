"""Where a read begins, what its checkpoints say, and which combinations are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, DataError
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint, FingerprintLog, Mode
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read, choose_mode, default_mode

if TYPE_CHECKING:
    from connector_kit.records.catalog import Incremental
    from connector_kit.records.page import Cursor

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = NOON + 24 * HOUR
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


def checkpoint(mode: Mode = "upsert", what: Entity | None = None, **changes: Any) -> Checkpoint:
    """Make a complete checkpoint of the shop's orders, with the log that it needs."""
    what = what or entity()
    log = (
        FingerprintLog(0, b"connector-kit 1\n") if mode != "upsert" and what.incremental == "since" else None
    )
    made = Checkpoint("shop", "orders", mode, complete=True, began=NOON - HOUR, log=log or FingerprintLog())
    made = attrs.evolve(made, reading=what.incremental or "full", replication_key=what.replication_key)
    return attrs.evolve(made, **changes)


def possible(what: Entity, mode: Mode) -> bool:
    """Whether a mode keeps every row once, whatever the destination can do."""
    return {"upsert": bool(what.primary_key), "append": what.incremental is not None, "replace": True}[mode]


class TestMode:
    @pytest.mark.parametrize(
        ("what", "can", "expected"),
        [
            (entity(), ALL, "upsert"),
            (entity("cursor"), ALL, "upsert"),
            (entity(None), ALL, "replace"),
            (entity(None), ALL - {"replace"}, "upsert"),
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
        begun = read(entity()).begin(None, NOON)
        assert (begun.since, begun.cursor, begun.watermark, begun.began) == (None, None, None, NOON)
        options = EntityOptions(start=NOON - HOUR)
        assert read(entity(), "upsert", options).begin(None, NOON).since == NOON - HOUR

    @given(entities, modes, states)
    def test_an_unfinished_read_goes_on_exactly_where_it_was(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """With its counts and the moment it began, whatever the options say by now."""
        last = checkpoint(mode, what, **state, complete=False)
        options = EntityOptions() if mode == "append" else EntityOptions(lookback=Duration(60))
        begun = read(what, mode, options).begin(last, NOON)
        assert begun.resumed
        assert begun.began == last.began
        assert {name: getattr(begun, name) for name in state} == state

    @given(entities, modes, states)
    def test_after_a_complete_read_comes_what_is_new(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """From the watermark, from the last cursor, or all of it; the counts begin anew."""
        begun = read(what, mode).begin(checkpoint(mode, what, **state), NOON)
        expected: dict[str, Any] = {"since": None, "cursor": None, "watermark": None, "rows": 0, "pages": 0}
        if mode != "replace" and what.incremental == "since":
            expected |= {"since": state["watermark"], "watermark": state["watermark"]}
        if mode != "replace" and what.incremental == "cursor":
            expected |= {"cursor": state["cursor"], "watermark": state["watermark"]}
        assert {name: getattr(begun, name) for name in expected} == expected
        assert (begun.began, begun.resumed) == (NOON, False)

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
        last = checkpoint(watermark=NOON, began=NOW)
        begun = read(entity(), "upsert", options).begin(last, NOW)
        assert (begun.since, begun.watermark) == (since, NOON)

    def test_a_lookback_goes_by_the_moment_the_last_read_began(self) -> None:
        """What was committed late meanwhile is late by the clock of then: later keys, of an ordered read, do not count."""
        options, last = EntityOptions(lookback=Duration.parse("1h")), checkpoint(watermark=NOON, began=NOON)
        begun = read(entity(ordered=True), "upsert", options).begin(last, NOW)
        assert begun.since == NOON - HOUR - timedelta(minutes=5)

    def test_a_read_that_saw_no_key_begins_at_the_start_again(self) -> None:
        options = EntityOptions(start=NOON, lookback=Duration(60))
        begun = read(entity(), "upsert", options).begin(checkpoint(), NOON)
        assert (begun.since, begun.watermark) == (NOON, None)

    @pytest.mark.parametrize("incremental", ["cursor", None])
    def test_a_start_means_something_for_since_alone(self, incremental: Incremental) -> None:
        with pytest.raises(ConfigError, match="has a start, but is not read by since; leave `start` out"):
            read(entity(incremental), "upsert", EntityOptions(start=NOON)).begin(None, NOON)

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
            read(entity()).begin(checkpoint("replace", complete=False), NOON)
        assert read(entity()).begin(checkpoint("replace", watermark=NOON), NOON).since == NOON


class TestBelongs:
    """A cursor and a watermark belong to a revision, a replication key and a way of reading."""

    CHANGES: ClassVar[list[tuple[Entity, str]]] = [
        (attrs.evolve(entity(), revision="v2"), "what decides which records it has"),
        (attrs.evolve(entity(), replication_key="on"), "its replication key was 'at' and now it is 'on'"),
        (entity("cursor"), "it was read by 'since' and now it is by 'cursor'"),
    ]

    @pytest.mark.parametrize(("what", "reason"), CHANGES)
    @pytest.mark.parametrize("complete", [True, False])
    def test_where_one_changed_an_upsert_begins_anew_and_says_so(
        self, what: Entity, reason: str, *, complete: bool
    ) -> None:
        last = checkpoint(watermark=NOON, since=NOON, cursor=7, rows=3, complete=complete)
        begun = read(what, "upsert").begin(last, NOW)
        assert (begun.since, begun.cursor, begun.watermark, begun.rows) == (None, None, None, 0)
        assert (begun.began, begun.resumed) == (NOW, False)
        (note,) = begun.notes
        assert note.startswith(f"begun anew from the start, since {reason}")

    @pytest.mark.parametrize(("what", "reason"), CHANGES)
    def test_so_does_an_unfinished_replace(self, what: Entity, reason: str) -> None:
        begun = read(what, "replace").begin(checkpoint("replace", cursor=7, complete=False), NOW)
        assert (begun.cursor, begun.resumed) == (None, False)
        assert reason in begun.notes[0]

    @pytest.mark.parametrize(("what", "reason"), CHANGES)
    @pytest.mark.parametrize("complete", [True, False])
    def test_an_append_is_refused_with_the_way_out(
        self, what: Entity, reason: str, *, complete: bool
    ) -> None:
        last = checkpoint("append", watermark=NOON, cursor=7, complete=complete)
        with pytest.raises(
            ConfigError, match=f"cannot be appended to: {reason}.*; .* run once with mode 'replace'"
        ):
            read(what, "append").begin(last, NOW)

    @pytest.mark.parametrize("what", [entity(None), attrs.evolve(entity(None), revision="v2")])
    def test_what_is_read_in_full_anyway_has_nothing_to_begin_anew(self, what: Entity) -> None:
        assert read(what, "upsert").begin(checkpoint(watermark=NOON), NOW).notes == ()
        assert read(what, "replace").begin(checkpoint("replace"), NOW).notes == ()

    @given(entities, modes, states)
    def test_a_checkpoint_says_what_it_belongs_to(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        what = attrs.evolve(what, revision="v2")
        made = attrs.evolve(read(what, mode).begin(None, NOW), **{**state, "cursor": 1}).finish(NOW)
        assert (made.revision, made.replication_key, made.began) == ("v2", "at", NOW)
        assert made.reading == (what.incremental or "full")

    @pytest.mark.parametrize("mode", ["upsert", "append"])
    def test_one_of_an_earlier_version_is_refused_with_the_way_out(self, mode: Mode) -> None:
        last = Checkpoint("shop", "orders", mode, watermark=NOON, complete=True)
        with pytest.raises(
            ConfigError, match=r"by an earlier version; .* run once with mode 'replace', or reset"
        ):
            read(entity(), mode).begin(last, NOW)

    def test_a_replace_needs_none(self) -> None:
        last = Checkpoint("shop", "orders", "replace", cursor=7)
        begun = read(entity(), "replace").begin(last, NOW)
        assert (begun.cursor, begun.resumed) == (None, False)
        assert "an earlier version has made the checkpoint" in begun.notes[0]


class TestAge:
    """An unfinished replace that is continued after long would mix old rows and new ones."""

    @pytest.mark.parametrize(("age", "resumed"), [("59m", False), ("61m", True)])
    def test_one_that_is_too_old_begins_anew(self, age: str, *, resumed: bool) -> None:
        options = EntityOptions(generation_max_age=Duration.parse(age))
        last = checkpoint("replace", cursor=7, complete=False, began=NOW - HOUR)
        begun = read(entity(), "replace", options).begin(last, NOW)
        assert (begun.resumed, begun.cursor is not None) == (resumed, resumed)
        assert resumed or "older than 59m (generation_max_age)" in begun.notes[0]

    @pytest.mark.parametrize("mode", ["upsert", "append"])
    def test_other_modes_have_no_generation(self, mode: Mode) -> None:
        last = checkpoint(mode, cursor=7, complete=False, began=NOW - 1_000 * HOUR)
        assert read(entity(), mode).begin(last, NOW).resumed


class TestWithoutCursor:
    """What happens when the source no longer accepts the cursor."""

    @staticmethod
    def expired(what: Entity, mode: Mode) -> Read:
        return read(
            what, mode, since=NOON, cursor="gone", watermark=NOON + HOUR, rows=5, pages=2, resumed=True
        )

    @given(entities)
    def test_behind_rows_that_stay_it_cannot_begin_again(self, what: Entity) -> None:
        assert self.expired(what, "append").without_cursor(NOON) is None

    @given(entities)
    def test_a_new_generation_begins_again_from_nothing(self, what: Entity) -> None:
        anew = self.expired(what, "replace").without_cursor(NOON)
        assert anew is not None
        assert (anew.since, anew.cursor, anew.rows, anew.began) == (NOON, None, 0, NOON)

    def test_over_the_same_rows_it_begins_again_from_since(self) -> None:
        by_since, by_cursor = self.expired(entity(), "upsert"), self.expired(entity("cursor"), "upsert")
        assert by_since.without_cursor(NOON) == attrs.evolve(by_since, cursor=None)
        assert by_cursor.without_cursor(NOON) == read(entity("cursor"), since=NOON, began=NOON)


class TestCheckpoints:
    @given(entities, modes, states)
    def test_one_that_covers_a_page_goes_on_exactly_behind_it(
        self, what: Entity, mode: Mode, state: dict[str, Any]
    ) -> None:
        """At its cursor; or at the watermark, where records come in its order and may be written again."""
        before = attrs.evolve(read(what, mode).begin(None, NOON), **state)
        covering = before.cover(NOON)
        by_time = mode == "upsert" and what.ordered and what.incremental == "since"
        if state["cursor"] is None and not (by_time and state["watermark"] is not None):
            assert covering is None
            return
        assert covering is not None
        assert not covering.complete
        assert covering.updated == NOON
        again = read(what, mode).begin(covering, NOON)
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
