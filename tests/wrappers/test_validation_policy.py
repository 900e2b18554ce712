"""What is said of a record that does not fit what the catalog announced."""

from __future__ import annotations

from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.wrappers.validation.policy import Announced, Rejected

LINES = Announced(
    Entity(
        "lines",
        [Field("order", Scalar.INTEGER), Field("line", Scalar.INTEGER)],
        primary_key=("order", "line"),
    )
)


def rejected(*records: object) -> tuple[Rejected, ...]:
    found = LINES.sort_out(records)  # type: ignore[arg-type]  # some are no records
    assert found is not None
    return found.rejected


def test_a_record_is_told_by_its_place_and_its_whole_key() -> None:
    fitting = {"order": 7, "line": 1}
    (told,) = rejected(fitting, {"order": 7, "line": "x"})
    assert (told.entity, told.index, told.key) == ("lines", 1, "order=7, line='x'")
    assert str(told) == f"record 1 (order=7, line='x'): {'; '.join(told.reasons)}"
    found = LINES.sort_out([fitting, {}])
    assert found is not None
    assert found.fitting == [fitting]


def test_a_part_of_the_key_that_is_none_or_missing_is_a_reason_each() -> None:
    (told,) = rejected({"order": None})
    assert told.reasons == (
        "order: is None; expected a value, since it is in the primary key",
        "line: is missing; expected a value, since it is in the primary key",
    )


def test_what_is_no_record_is_shown() -> None:
    (told,) = rejected(3)
    assert (told.key, told.reasons) == ("", ("3 is no record; expected a mapping of field name to value",))


def test_all_that_fit_are_nothing_to_sort_out() -> None:
    assert LINES.sort_out([{"order": 1, "line": 2}]) is None
