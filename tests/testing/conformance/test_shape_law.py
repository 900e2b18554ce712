"""The law of shape: it names every way in which records do not fit, and nothing that is right."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from shelves import BOOKS, START, Shelf, book, told

from connector_kit.connectors.mock import MockConnector
from connector_kit.records.catalog import Catalog, Entity, Field, ListOf, Scalar, Struct
from connector_kit.records.page import Page
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.shape import misfits, shape
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from connector_kit.records.page import Cursor, Record

pytestmark = pytest.mark.anyio


def shelf(**changed: Any) -> Shelf:
    """Make a shelf whose fifth book is changed."""
    return Shelf([{**book(number), **(changed if number == 4 else {})} for number in range(7)])


class OneDict(Shelf):
    """Fills one dict anew for every page."""

    def __init__(self) -> None:
        super().__init__()
        self.record: dict[str, Any] = {}

    page_size = 1

    def page(self, records: Sequence[Record], position: int) -> Page:
        self.record.update(records[0])
        return Page([self.record], self.cursor(position))


class Clears(Shelf):
    """Empties the list of the last page."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []

    def page(self, records: Sequence[Record], position: int) -> Page:
        self.records.clear()
        self.records.extend(records)
        return Page(self.records, self.cursor(position))


class OnceOnly(Shelf):
    """Gives a generator."""

    def page(self, records: Sequence[Record], position: int) -> Page:
        def once() -> Iterator[Record]:
            yield from records

        return Page(once(), self.cursor(position))  # type: ignore[arg-type]  # this is what is wrong


class Deque(Shelf):
    """Gives a sequence that cannot be cut."""

    def page(self, records: Sequence[Record], position: int) -> Page:
        return Page(deque(records), self.cursor(position))


class Values(Shelf):
    """Gives the values of a dict, which have no places."""

    def page(self, records: Sequence[Record], position: int) -> Page:
        return Page({record["id"]: record for record in records}.values(), self.cursor(position))  # type: ignore[arg-type]  # this is what is wrong


class OneTooFarBack(Shelf):
    """Begins every page with the last record of the one before."""

    def page(self, records: Sequence[Record], position: int) -> Page:
        first = self.rows.index(records[0])
        return super().page([*self.rows[max(0, first - 1) : first], *records], position)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (OneDict, "are not what they were when it came"),
        (Clears, "are not what they were when it came"),
        (OnceOnly, "are a generator"),
        (Deque, "are a deque"),
        (Values, "are a dict_values"),
    ],
)
async def test_records_that_do_not_stay_are_found(wrong: type[Shelf], words: str) -> None:
    verdict = await shape(wrong)
    assert words in verdict.evidence[0].what
    assert (verdict.outcome, verdict.evidence[0].entity, verdict.evidence[0].page) == ("broken", "books", 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"title": 4}, "title: 4 does not fit"),
        ({"id": None}, "id: is None and is not nullable"),
        ({"seen_at": datetime(2024, 1, 1)}, "seen_at: 2024-01-01T00:00:00 has no time zone"),  # noqa: DTZ001 - it is what is wrong
        ({"more": {"at": [START.replace(tzinfo=None)]}}, "more.at[0]: 2024-01-01T00:00:00 has no time zone"),
        ({"more": object()}, "more: a object is no value that a destination can keep"),
        ({"more": [{"deep": iter("ab")}]}, "more: a str_ascii_iterator is no value"),
        ({3: "three"}, "the name 3 of a field is no text"),
        ({"id": 3}, "the primary key id=3 comes twice, first on page 2"),
    ],
)
async def test_a_record_that_does_not_fit_is_found_where_it_is(changed: dict[Any, Any], words: str) -> None:
    rows = [{**book(number), **(changed if number == 4 else {})} for number in range(7)]
    verdict = await shape(lambda: Shelf(rows))
    assert words in verdict.evidence[0].what
    assert (verdict.evidence[0].entity, verdict.evidence[0].page) == ("books", 2)
    assert verdict.evidence[0].records


class Rows(Shelf):
    """Gives rows as a database driver has them."""

    def page(self, records: Sequence[Record], position: int) -> Page:
        return Page([[*record.values()] for record in records], self.cursor(position))  # type: ignore[misc]  # this is what is wrong


async def test_a_record_that_is_no_mapping_is_found() -> None:
    verdict = await shape(Rows)
    assert "is no record" in verdict.evidence[0].what
    assert "write dict(zip(names, row))" in verdict.evidence[0].what
    assert verdict.evidence[0].page == 1


class Nested(Shelf):
    """Has its key in a record within the record, and begins each page with the last key of the one before."""

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("books", primary_key="sys.id")])

    def page(self, records: Sequence[Record], position: int) -> Page:
        return Page([{"sys": {"id": record["id"] // 2}} for record in records], self.cursor(position))


async def test_a_key_in_nested_records_that_comes_twice_is_found() -> None:
    verdict = await shape(Nested)
    assert "the primary key sys.id=0 comes twice" in verdict.evidence[0].what


async def test_a_page_that_begins_one_too_far_back_is_found() -> None:
    verdict = await shape(OneTooFarBack)
    assert "id=2 comes twice, first on page 1" in told(verdict)


async def test_what_is_wrong_with_many_records_is_told_once() -> None:
    verdict = await shape(lambda: Shelf([{**book(number), "title": 1} for number in range(50)]))
    (evidence,) = verdict.evidence
    assert evidence.what == "title: 1 does not fit; expected string (and 49 more like this)"
    assert len(evidence.records) == 5


async def test_a_key_that_comes_twice_once_is_no_evidence() -> None:
    """The source changed during the read: another one has it once."""
    made: list[Shelf] = []

    def factory() -> Shelf:
        made.append(shelf(id=3) if len(made) == 1 else shelf())
        return made[-1]

    verdict = await shape(factory)
    assert verdict.evidence == ()
    assert any("the source changed meanwhile" in what for what in verdict.unchecked)


BY_SINCE = attrs.evolve(BOOKS, replication_key="seen_at", incremental="since")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "seen_at: no value"),
        (17, "the replication key 'seen_at' is 17"),
    ],
)
async def test_a_replication_key_that_no_read_can_go_by_is_found(value: Any, words: str) -> None:
    class BySince(Shelf):
        """Is read by since."""

        def catalog(self) -> Catalog:
            return Catalog([attrs.evolve(BY_SINCE, fields=())])

    verdict = await shape(lambda: BySince([{**book(1), "seen_at": value}]))
    assert words in told(verdict)
    fine = await shape(lambda: BySince([book(1), {**book(2), "seen_at": "2024-01-01 00:00:00"}]))
    assert fine.evidence == ()


async def test_unannounced_fields_entities_without_fields_and_without_keys_pass_and_are_said() -> None:
    class Unknown(Shelf):
        """Announces nothing of one entity, and not all of the other."""

        def catalog(self) -> Catalog:
            return Catalog([Entity("books"), attrs.evolve(BOOKS, name="more")])

    verdict = await shape(lambda: Unknown([{**book(1), "extra": 1}]))
    assert verdict.outcome == "held"
    assert verdict.unchecked == (
        "whether the records of books fit its fields: the catalog announces none",
        "whether the records of books are unique: the catalog announces no primary key",
        "fields of more that the catalog does not announce: extra",
    )


async def test_an_entity_without_records_is_unchecked() -> None:
    verdict = await shape(lambda: Shelf([]))
    assert (verdict.outcome, verdict.unchecked) == (
        "unchecked",
        ("the records of books: a full read delivered none",),
    )


async def test_an_entity_that_cannot_be_read_is_left_to_the_catalog() -> None:
    class Broken(Shelf):
        """Fails in every read."""

        def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            raise KeyError(entity)

    verdict = await shape(Broken)
    assert verdict.unchecked == ("books, which could not be read: KeyError: 'books' (see catalog)",)


async def test_what_is_no_page_is_left_to_progress() -> None:
    class Lists(Shelf):
        """Gives the records without a page."""

        def page(self, records: Sequence[Record], position: int) -> Page:
            return records  # type: ignore[return-value]  # this is what is wrong

    verdict = await shape(Lists)
    assert verdict.unchecked == ("books: page 1 is no Page: a list came (see progress)",)


async def test_the_bounds_end_it_with_what_was_seen() -> None:
    verdict = await shape(Subject(Shelf, bounds=Bounds(requests=5)))
    assert "6 records of books fit its fields" in verdict.checked


async def test_the_mock_passes() -> None:
    verdict = await shape(MockConnector)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())


def test_awkward_right_records_have_no_misfits() -> None:
    entity = Entity(
        "odd",
        fields=(
            Field("id", Scalar.INTEGER, nullable=False),
            Field("at", Scalar.DATETIME),
            Field("price", Scalar.DECIMAL),
            Field("raw", Scalar.BINARY),
            Field("lines", ListOf(Struct((Field("sku", Scalar.STRING),)))),
        ),
        primary_key=("id",),
        replication_key="at",
    )
    record = {
        "id": 2**70,
        "at": "2024-01-01T00:00:00",
        "price": Decimal("1.10"),
        "raw": b"\xff",
        "lines": [{"sku": "a", "more": None}, None],
        "any": {
            "tags": {"a", "b"},
            "pair": (1, float("nan")),
            "more": MappingProxyType({"list": deque([1])}),
        },
    }
    assert list(misfits(entity, record)) == []
    assert list(misfits(entity, {"id": 1})) == []
