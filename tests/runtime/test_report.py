"""What a run did, as values and as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest

from connector_kit.errors import AuthenticationError
from connector_kit.runtime.report import EntityReport, Report

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
GOOD = EntityReport(
    "orders",
    "upsert",
    "complete",
    resumed=True,
    rows=10,
    pages=4,
    retries=2,
    faults={"TimedOutError": 2},
    rejected=7,
    rejections=("record 0: id: is missing",),
    fetching=1.23456,
    watermark=NOON,
)
BAD = EntityReport(
    "users", "replace", "failed", rows=3, retries=1, error=AuthenticationError("the token has expired")
)
REPORT = Report("shop", NOON, 12.34567, (GOOD, BAD))


def test_adds_up_its_entities() -> None:
    assert (REPORT.rows, REPORT.retries, REPORT.rejected) == (13, 3, 7)
    assert (REPORT.failed, REPORT.complete) == ((BAD,), False)


@pytest.mark.parametrize(
    ("entities", "complete"),
    [((), True), ((GOOD,), True), ((GOOD, attrs.evolve(GOOD, status="stopped")), False), ((BAD,), False)],
)
def test_is_complete_where_every_entity_is(entities: tuple[EntityReport, ...], complete: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    assert Report("shop", NOON, 1.0, entities).complete == complete


def test_as_json() -> None:
    """Times as text, seconds to the millisecond, errors as class and message; nothing else is lost."""
    values = REPORT.to_dict()
    assert json.loads(json.dumps(values)) == values
    orders, users = values.pop("entities")
    assert values == {
        "connector": "shop",
        "run_id": "",
        "started": "2024-01-01T12:00:00+00:00",
        "seconds": 12.346,
        "rows": 13,
        "retries": 3,
        "rejected": 7,
        "bad_records": 0,
        "stopped": False,
        "complete": False,
        "left_out": [],
    }
    assert orders == {
        "entity": "orders",
        "mode": "upsert",
        "status": "complete",
        "resumed": True,
        "rows": 10,
        "pages": 4,
        "retries": 2,
        "faults": {"TimedOutError": 2},
        "rejected": 7,
        "rejections": ["record 0: id: is missing"],
        "fetching": 1.235,
        "limited": 0.0,
        "backing_off": 0.0,
        "writing": 0.0,
        "watermark": "2024-01-01T12:00:00+00:00",
        "error": None,
        "duplicates": 0,
        "bad_records": 0,
        "bad_record_reasons": [],
        "unusable_keys": 0,
        "held_back": None,
        "notes": [],
    }
    assert users["watermark"] is None
    assert users["error"] == {"class": "AuthenticationError", "message": "the token has expired"}
