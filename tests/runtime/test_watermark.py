"""The watermark: the largest replication key, as a point in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.catalog import Entity
from connector_kit.runtime.watermark import as_instant, watermark_of

if TYPE_CHECKING:
    from connector_kit.records.page import Record

LOOSE = Entity("orders", replication_key="at", incremental="since")
ORDERED = Entity("orders", replication_key="at", incremental="since", ordered=True)
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=zones)  # noqa: DTZ001 - the zone is drawn


@given(instants)
def test_an_instant_is_the_same_as_text(instant: datetime) -> None:
    """In any zone; what is given back is in UTC."""
    assert as_instant(instant) == as_instant(instant.isoformat()) == instant
    assert as_instant(instant).tzinfo is UTC
    naive = instant.replace(tzinfo=None)
    assert as_instant(naive) == as_instant(naive.isoformat()) == naive.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["2024-01-01T12:00:00Z", "2024-01-01 12:00:00", "2024-01-01T14:00:00+02:00"])
def test_iso_text_of_all_kinds_is_read(text: str) -> None:
    assert as_instant(text) == NOON


@given(st.none() | instants, st.lists(st.none() | instants, max_size=8), st.booleans())
def test_is_the_largest_of_all(so_far: datetime | None, keys: list[datetime | None], text: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """Whatever the order; records without the key do not count."""
    records = [{"at": key.isoformat() if key and text else key} for key in keys]
    known = [key for key in (so_far, *keys) if key is not None]
    assert watermark_of(LOOSE, [*records, {}], so_far) == max(known, default=None)


@given(st.none() | instants, st.lists(st.none() | instants, max_size=8))
def test_of_an_ordered_entity_only_the_last_record_is_looked_at(
    so_far: datetime | None, keys: list[datetime | None]
) -> None:
    """Unless it lacks the key; the result is that of looking at all."""
    ordered = sorted(key for key in keys if key is not None)
    records: list[Record] = [*({"at": key} for key in ordered), *([{}] * (len(keys) - len(ordered)))]
    assert watermark_of(ORDERED, records, so_far) == watermark_of(LOOSE, records, so_far)
    spoilt: list[Record] = [{"at": "not looked at"}, {"at": NOON}]
    assert watermark_of(ORDERED, spoilt, None) == NOON


@pytest.mark.parametrize(
    "entity",
    [
        Entity("orders"),
        Entity("orders", replication_key="at"),
        Entity("orders", replication_key="at", incremental="cursor"),
    ],
)
def test_an_entity_that_is_not_read_by_since_has_none(entity: Entity) -> None:
    assert watermark_of(entity, [{"at": "not looked at"}], None) is None
    assert watermark_of(entity, [{"at": "not looked at"}], NOON) == NOON


@pytest.mark.parametrize(
    "value", [1_704_110_400, "yesterday", b"2024-01-01", date(2024, 1, 1), "0001-01-01T00:00:00+01:00", True]
)
def test_a_key_that_is_no_time_is_refused(value: Any) -> None:
    """Also one that is before the first moment there is in UTC."""
    with pytest.raises(
        SchemaMismatchError, match=r"the replication key 'at' is .*, expected a datetime or its ISO"
    ):
        watermark_of(LOOSE, [{"at": value}], None)


def test_an_empty_page_changes_nothing() -> None:
    assert watermark_of(ORDERED, [], NOON) == NOON
