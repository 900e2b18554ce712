"""What an appending run leaves out at the boundary between two reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, DataError
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint
from connector_kit.records.page import Page
from connector_kit.runtime.boundary import MAX_FINGERPRINTS
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read, choose_mode

NOON, ONE = datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 13, tzinfo=UTC)
VISITS = Entity("visits", replication_key="at", incremental="since")


def visit(at: datetime, name: str = "Ada") -> dict[str, Any]:
    return {"at": at.isoformat(), "name": name}


def begun(checkpoint: Checkpoint | None = None) -> Read:
    """Return a read of the visits at its beginning."""
    return Read("shop", VISITS, "append").begin(checkpoint)


def after_page(read: Read, *records: dict[str, Any]) -> tuple[Read, list[Any]]:
    """Return the read behind one page, and what is written of it."""
    read, written = read.advance(Page(records, {"page": read.pages}))
    return read, list(written)


def ended(read: Read) -> Checkpoint:
    """End the read, and send its checkpoint through text."""
    return Checkpoint.from_json(read.finish(NOON).to_json())


def test_what_was_stored_at_the_watermark_is_left_out_and_what_is_new_beside_it_is_not() -> None:
    first, _ = after_page(begun(), visit(NOON), visit(ONE), visit(ONE, "Bea"))
    second, written = after_page(begun(ended(first)), visit(ONE, "Bea"), visit(ONE, "Cleo"), visit(ONE))
    assert written == [visit(ONE, "Cleo")]
    third, written = after_page(begun(ended(second)), visit(ONE), visit(ONE, "Bea"), visit(ONE, "Cleo"))
    assert written == []
    assert ended(third).stored == ended(second).stored


def test_records_that_are_quite_the_same_are_counted() -> None:
    """Two were stored, three are there now: one is new."""
    first, _ = after_page(begun(), visit(ONE), visit(ONE))
    _, written = after_page(begun(ended(first)), visit(ONE), visit(ONE), visit(ONE))
    assert written == [visit(ONE)]


def test_a_changed_record_is_a_new_one() -> None:
    """A log keeps every version."""
    first, _ = after_page(begun(), visit(ONE))
    _, written = after_page(begun(ended(first)), visit(ONE, "Ada L."))
    assert written == [visit(ONE, "Ada L.")]


def test_a_read_that_goes_on_in_another_run_knows_what_is_still_to_come_again() -> None:
    first, _ = after_page(begun(), visit(ONE), visit(ONE, "Bea"))
    second, written = after_page(begun(ended(first)), visit(ONE))
    assert written == []
    checkpoint = Checkpoint(
        "shop", "visits", "append", second.since, second.cursor, second.watermark,
        seen=second.boundary.seen, stored=second.boundary.stored,
    )  # fmt: skip
    _, written = after_page(
        begun(Checkpoint.from_json(checkpoint.to_json())), visit(ONE, "Bea"), visit(ONE, "New")
    )
    assert written == [visit(ONE, "New")]


def test_a_boundary_too_large_to_hold_is_an_error_only_where_it_is_the_last() -> None:
    crowd = [visit(NOON, f"no. {number}") for number in range(MAX_FINGERPRINTS + 1)]
    crowded, _ = after_page(begun(), *crowd)
    assert len(crowded.boundary.stored) == 1
    still, _ = after_page(crowded, visit(NOON))
    with pytest.raises(DataError, match="more than 1000 records of entity 'visits' share its latest 'at'"):
        ended(still)
    later, _ = after_page(still, visit(ONE))
    assert len(ended(later).stored) == 1


def test_append_is_refused_where_it_would_repeat_rows() -> None:
    """A full read, a lookback, and a border that another mode did not keep."""
    with pytest.raises(ConfigError, match="it is read in full by every run"):
        choose_mode(Entity("visits"), "append", frozenset({"append"}))
    with pytest.raises(ConfigError, match="has a lookback, but mode 'append'"):
        Read("shop", VISITS, "append", EntityOptions(lookback=Duration(1))).begin(None)
    with pytest.raises(ConfigError, match="last written in mode 'replace'"):
        begun(Checkpoint("shop", "visits", "replace", watermark=NOON, complete=True))
