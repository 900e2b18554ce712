"""What a record with thousands of fields costs goes with their number: counted in calls, which no machine changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from connector_kit import Catalog, Entity, Field, infer_fields

if TYPE_CHECKING:
    from collections.abc import Callable


def calls(work: Callable[[], object]) -> int:
    """Count the calls of functions, those of C too, while the work is done."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        del frame, argument
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def wide(size: int) -> list[dict[str, Any]]:
    return [{str(number): 0 for number in range(size)}]


def ragged(size: int) -> list[dict[str, Any]]:
    return [{str((row * 7 + number * 99) % size): 0 for number in range(20)} for row in range(size // 20)]


@pytest.mark.parametrize("records", [wide, ragged])
def test_inferring_twice_as_many_fields_takes_twice_the_work(
    records: Callable[[int], list[dict[str, Any]]],
) -> None:
    small, large = records(400), records(800)
    assert calls(lambda: infer_fields(large)) < 2.5 * calls(lambda: infer_fields(small))


def test_announcing_twice_as_many_fields_takes_twice_the_work() -> None:
    small, large = ([Field(str(number)) for number in range(size)] for size in (400, 800))
    assert calls(lambda: Entity("t", large)) < 2.5 * calls(lambda: Entity("t", small))


def test_a_catalog_of_twice_as_many_entities_takes_twice_the_work() -> None:
    small, large = ([Entity(str(number)) for number in range(size)] for size in (400, 800))
    assert calls(lambda: Catalog(large)) < 2.5 * calls(lambda: Catalog(small))
