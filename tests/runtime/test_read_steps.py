"""Which pages are stored together: all that are there, but none without a checkpoint that could have one."""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.page import Page
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read, Step, steps

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode

FIELDS = (Field("id", Scalar.INTEGER), Field("at", Scalar.STRING))
modes: st.SearchStrategy[Mode] = st.sampled_from(["append", "upsert", "replace"])
entities = st.builds(
    lambda incremental, ordered: Entity(
        "orders", FIELDS, "id", "at", ordered=ordered, incremental=incremental
    ),
    st.sampled_from(["since", "cursor", None]),
    st.booleans(),
)


@st.composite
def reads(draw: st.DrawFn) -> list[Page]:
    """Draw pages, of which some carry a cursor, and records, of which some have a replication key."""
    pages = []
    for number in range(draw(st.integers(1, 6))):
        times = draw(st.lists(st.none() | st.integers(10, 59), max_size=3))
        records: list[dict[str, Any]] = [
            {"id": place, "at": None if minute is None else f"2024-01-01T00:{minute}:00Z"}
            for place, minute in enumerate(times)
        ]
        pages.append(Page(records, cursor=number if draw(st.booleans()) else None))
    return pages


def stepwise(entity: Entity, mode: Mode, pages: list[Page]) -> list[Step]:
    return list(steps(Read("shop", entity, mode), pages))


def reads_behind(entity: Entity, mode: Mode, pages: list[Page]) -> list[Read]:
    """Return the read behind each page, as if each were a step of its own."""
    read, behind = Read("shop", entity, mode), list[Read]()
    for page in pages:
        read, _ = read.advance(page)
        behind.append(read)
    return behind


@given(entities, modes, reads())
def test_they_are_the_pages_in_order_and_lead_where_each_would_have_led(
    entity: Entity, mode: Mode, pages: list[Page]
) -> None:
    taken = stepwise(entity, mode, pages)
    assert [part for step in taken for part in step.parts] == [page.records for page in pages]
    ends = accumulate(len(step.parts) for step in taken)
    behind = reads_behind(entity, mode, pages)
    assert [step.read for step in taken] == [behind[end - 1] for end in ends]


@given(entities, modes, reads())
def test_no_page_waits_for_a_checkpoint_that_could_have_one(
    entity: Entity, mode: Mode, pages: list[Page]
) -> None:
    """A step that no checkpoint covers has no page in it from which the read could go on; there are two at most."""
    taken = stepwise(entity, mode, pages)
    behind = iter(reads_behind(entity, mode, pages))
    for step in taken:
        inside = [each.coverable for each in islice(behind, len(step.parts))]
        assert step.read.coverable or not any(inside)
    assert len(taken) <= 2


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_pages_before_one_that_cannot_be_written_come_first(bad: int) -> None:
    """Then what is wrong with it is raised."""
    entity = Entity("orders", FIELDS, "id")
    pages = [Page([{"id": number}], cursor=number) for number in range(3)]
    pages[bad] = Page([{"id": bad, "colour": "red"}], cursor=bad)
    taken = steps(Read("shop", entity, "replace", EntityOptions(new_fields="freeze")), pages)
    if bad:
        assert next(taken).parts == [page.records for page in pages[:bad]]
    with pytest.raises(SchemaMismatchError, match="new field: colour"):
        next(taken)


def test_so_do_those_that_no_checkpoint_covers() -> None:
    entity = Entity("orders", FIELDS, "id")
    pages = [Page([{"id": 0}], cursor=0), Page([{"id": 1}]), Page([{"id": 2, "colour": "red"}], cursor=2)]
    taken = steps(Read("shop", entity, "replace", EntityOptions(new_fields="freeze")), pages)
    assert [next(taken).parts for _ in range(2)] == [[[{"id": 0}]], [[{"id": 1}]]]
    with pytest.raises(SchemaMismatchError, match="new field: colour"):
        next(taken)
