"""The watermark: how far replication keys have come, and which moments it must not pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.records.catalog import Entity
from connector_kit.records.page import Page
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read
from connector_kit.runtime.watermark import instant_of, refuse_sampled_keys

if TYPE_CHECKING:
    from connector_kit.records.catalog import Incremental
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Record

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOOSE = Entity("orders", primary_key="id", replication_key="at", incremental="since")
ORDERED = attrs.evolve(LOOSE, ordered=True)
modes: st.SearchStrategy[Mode] = st.sampled_from(["append", "upsert", "replace"])
keys = st.datetimes(NOON.replace(tzinfo=None) - DAY, NOON.replace(tzinfo=None) + DAY, timezones=st.just(UTC))


def behind(
    entity: Entity,
    *pages: list[Any],
    mode: Mode = "upsert",
    before: datetime | None = None,
    tolerance: str = "5m",
) -> Read:
    """Return a read that began at noon, behind pages of records with these keys."""
    options = EntityOptions(clock_tolerance=Duration.parse(tolerance))
    read = attrs.evolve(Read("shop", entity, mode, options).begin(None, NOON), watermark=before)
    for page in pages:
        read, _ = read.advance(Page([{"id": number, "at": key} for number, key in enumerate(page)], "go on"))
    return read


class TestBounds:
    @given(st.none() | keys, st.lists(st.lists(st.none() | keys, max_size=5), max_size=3), modes)
    def test_out_of_order_it_stays_before_the_beginning(
        self, before: datetime | None, pages: list[list[datetime | None]], mode: Mode
    ) -> None:
        """By the tolerance. It is the largest key, never less than before; keys of the future do not count."""
        usable = [key for page in pages for key in page if key is not None and key <= NOON + 5 * MINUTE]
        allowed = [min(key, NOON - 5 * MINUTE) for key in usable]
        expected = max([*allowed, *([before] if before else [])], default=None)
        assert behind(LOOSE, *pages, before=before, mode=mode).watermark == expected

    @given(st.none() | keys, st.lists(st.none() | keys, max_size=12), st.integers(1, 5), modes)
    def test_in_order_it_is_the_largest_key_that_is_no_later_than_the_beginning(
        self, before: datetime | None, drawn: list[datetime | None], size: int, mode: Mode
    ) -> None:
        """And the tolerance. Records without a key may stand anywhere among those that come in order."""
        in_order = iter(sorted(key for key in drawn if key is not None))
        ordered = [None if key is None else next(in_order) for key in drawn]
        pages = [ordered[first : first + size] for first in range(0, len(ordered), size)]
        allowed = [key for key in drawn if key is not None and key <= NOON + 5 * MINUTE]
        expected = max([*allowed, *([before] if before else [])], default=None)
        assert behind(ORDERED, *pages, before=before, mode=mode).watermark == expected

    @pytest.mark.parametrize("entity", [LOOSE, ORDERED])
    def test_one_record_of_the_year_2099_does_not_hide_those_that_come(self, entity: Entity) -> None:
        """The report has what was not believed."""
        far = datetime(2099, 1, 1, tzinfo=UTC)
        read = behind(entity, [NOON - HOUR, far])
        assert read.watermark == NOON - HOUR
        assert read.held_back == far

    def test_the_tolerance_is_an_option(self) -> None:
        assert behind(LOOSE, [NOON], tolerance="1h").watermark == NOON - HOUR
        assert behind(ORDERED, [NOON + HOUR], tolerance="1h").watermark == NOON + HOUR
        assert behind(LOOSE, [NOON], tolerance="1000000d").watermark == datetime.min.replace(tzinfo=UTC)

    def test_what_was_not_held_back_is_not_reported(self) -> None:
        assert behind(LOOSE, [NOON - HOUR]).held_back is None
        assert behind(LOOSE, [NOON]).held_back == NOON

    def test_the_beginning_is_that_of_the_first_run(self) -> None:
        """A read that goes on a day later left behind what has changed since it began."""
        checkpoint = behind(LOOSE, [NOON - HOUR]).cover(NOON)
        assert checkpoint is not None
        again = Read("shop", LOOSE, "upsert").begin(checkpoint, NOON + DAY)
        again, _ = again.advance(Page([{"id": 1, "at": NOON + 3 * MINUTE}]))
        assert again.finish(NOON + DAY).watermark == NOON - 5 * MINUTE


class TestKeys:
    def test_what_is_no_time_does_not_move_it_and_is_counted(self) -> None:
        """In a page of an ordered entity, where it comes last; else in any place."""
        for entity in (LOOSE, ORDERED):
            read = behind(entity, [NOON - HOUR, "0000-00-00"], [None, ""])
            assert (read.watermark, read.keys.unusable) == (NOON - HOUR, 3)
        assert behind(LOOSE, ["", NOON - HOUR]).keys.unusable == 1

    def test_of_an_ordered_entity_only_the_last_record_is_looked_at(self) -> None:
        """Unless it lacks the key, or lies in the future."""
        read = behind(ORDERED, ["not looked at", NOON - HOUR])
        assert (read.watermark, read.keys.unusable) == (NOON - HOUR, 0)

    def test_a_time_without_a_zone_is_noted_once(self) -> None:
        read = behind(LOOSE, ["2024-01-01 10:00:00"], ["2024-01-01 10:30:00"])
        assert read.watermark == NOON - HOUR * 1.5
        assert len(read.notes) == 1
        assert "'at' names no time zone, so its times are taken to be in UTC" in read.notes[0]

    def test_a_declared_zone_is_that_of_the_keys(self) -> None:
        berlin = attrs.evolve(LOOSE, replication_zone="Europe/Berlin")
        read = behind(berlin, ["2024-01-01 10:00:00"])
        assert (read.watermark, read.notes) == (NOON - 3 * HOUR, ())

    def test_a_key_may_be_a_path(self) -> None:
        nested = attrs.evolve(LOOSE, replication_key="sys.at")
        read, _ = behind(nested).advance(Page([{"id": 1, "sys": {"at": NOON - HOUR}}]))
        assert read.watermark == NOON - HOUR

    @pytest.mark.parametrize("incremental", ["cursor", None])
    def test_an_entity_that_is_not_read_by_since_has_none(self, incremental: Incremental) -> None:
        read = behind(attrs.evolve(LOOSE, incremental=incremental), ["not looked at"], before=NOON)
        assert (read.watermark, read.keys.unusable) == (NOON, 0)


class TestRefusal:
    """What `check` says before the first sync: no record of a sample has a key that is a time."""

    def test_keys_that_are_counts_are_refused_with_the_way_out(self) -> None:
        with pytest.raises(
            ConfigError, match=r"first 2 records the replication key 'at' is a time \(one is 7\)"
        ):
            refuse_sampled_keys(LOOSE, [{"at": 7}, {"at": None}])
        with pytest.raises(ConfigError, match=r"first 1 record the replication key 'at' .* \(one is None\)"):
            refuse_sampled_keys(LOOSE, [{}])

    @pytest.mark.parametrize("records", [[], [{"at": None}, {"at": NOON}], [{"at": 1_700_000_000}]])
    def test_one_that_is_a_time_is_enough(self, records: list[Record]) -> None:
        refuse_sampled_keys(LOOSE, records)

    @pytest.mark.parametrize("incremental", ["cursor", None])
    def test_an_entity_that_is_not_read_by_since_needs_none(self, incremental: Incremental) -> None:
        refuse_sampled_keys(attrs.evolve(LOOSE, incremental=incremental), [{"at": 7}])


class TestInstantOf:
    """The key of one record, for the laws: what is no time is an error there."""

    @pytest.mark.parametrize("value", [7, "yesterday", b"2024-01-01", True])
    def test_a_key_that_is_no_time_is_refused(self, value: Any) -> None:
        with pytest.raises(SchemaMismatchError, match=r"the replication key 'at' is .*, expected a time"):
            instant_of(LOOSE, {"at": value})

    @pytest.mark.parametrize("record", [{}, {"at": None}])
    def test_one_that_is_missing_is_none(self, record: Record) -> None:
        assert instant_of(LOOSE, record) is None
        assert instant_of(Entity("orders"), {"at": NOON}) is None
        assert instant_of(LOOSE, {"at": NOON.isoformat()}) == NOON
