"""The law of the catalog: what it names is there, what it does not is refused, and parts are together the whole."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from shelves import BOOKS, Shelf, book, told

from connector_kit.connectors.mock import MockConnector
from connector_kit.errors import (
    ConnectionFailedError,
    PermissionDeniedError,
    RequestRejectedError,
    UnknownEntityError,
)
from connector_kit.records.catalog import Catalog, Entity, Field, ListOf, Scalar, Struct
from connector_kit.records.page import Page
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.catalog import catalog, differences, names_beside
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor

FILMS = attrs.evolve(BOOKS, name="films")


class NoCatalog(Shelf):
    """Gives a list of names."""

    async def discover_schema(self) -> Any:
        return ["books"]


class Varying(Shelf):
    """Gives each time a catalog with another number in the name of a field."""

    numbers = count()

    async def discover_schema(self) -> Catalog:
        field = Field(f"column_{next(self.numbers)}")
        return Catalog([attrs.evolve(BOOKS, fields=(*BOOKS.fields, field))])


class OwnFields(Shelf):
    """Gives with every connector another catalog, and always the same for one."""

    numbers = count()

    def __init__(self) -> None:
        super().__init__()
        self.own = Field(f"column_{next(self.numbers)}")

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(BOOKS, fields=(*BOOKS.fields, self.own))])


class Promising(Shelf):
    """Names what is not there."""

    async def discover_schema(self) -> Catalog:
        return Catalog([BOOKS, FILMS])


class NeedsARight(Shelf):
    """Names what may not be read."""

    def catalog(self) -> Catalog:
        return Catalog([BOOKS, FILMS])

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if entity == "films":
            raise PermissionDeniedError("not for you; expected an administrator; ask one")
        return super().fetch_data(entity, since=since, cursor=cursor)


class TypesAsText(Shelf):
    """Announces types by their names."""

    def catalog(self) -> Catalog:
        struct = Struct((Field("a", ListOf("integer")),))  # type: ignore[arg-type]  # this is what is wrong
        return Catalog([attrs.evolve(BOOKS, fields=(*BOOKS.fields, Field("nested", struct)))])


class Nameless(Shelf):
    """Has an entity without a name."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(BOOKS, name=" ")])


class Reads(Shelf):
    """Looks names up in some way of its own."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return super().fetch_data(self.named(entity), since=since, cursor=cursor)

    def named(self, entity: str) -> str:
        """Look a name up."""
        return entity


class KeyErrors(Reads):
    """Raises what a dict raises."""

    def named(self, entity: str) -> str:
        return {"books": "books"}[entity]


class Rejects(Reads):
    """Raises what a 404 stands for."""

    def named(self, entity: str) -> str:
        if entity != "books":
            raise RequestRejectedError("404; expected 200; look at the path")
        return entity


class AnyCase(Reads):
    """Does not look at the case."""

    def named(self, entity: str) -> str:
        return entity.lower()


class Trims(Reads):
    """Does not look at white space."""

    def named(self, entity: str) -> str:
        return entity.strip()


class EmptyForUnknown(Shelf):
    """Delivers nothing for a name that it does not know."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if entity == "books":
            async for page in super().fetch_data(entity, since=since, cursor=cursor):
                yield page


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "entity", "words"),
    [
        (NoCatalog, None, "discover_schema gave a list"),
        (Varying, None, "another one the second time it is asked: the fields of books were"),
        (OwnFields, None, "another one with every connector: the fields of books were"),
        (Promising, "films", "it is in the catalog and cannot be fetched: UnknownEntityError"),
        (NeedsARight, "films", "it is in the catalog and cannot be fetched: PermissionDeniedError"),
        (TypesAsText, "books", "the type of field nested.a[] is 'integer'"),
        (Nameless, " ", "an entity is called ' '"),
        (KeyErrors, None, "fetch_data(''), which is not in the catalog, raises KeyError: ''"),
        (Rejects, None, "fetch_data(''), which is not in the catalog, raises RequestRejectedError: 404"),
        (AnyCase, None, "fetch_data('BOOKS'), which is not in the catalog, delivers a Page"),
        (Trims, None, "fetch_data(' books'), which is not in the catalog, delivers a Page"),
        (EmptyForUnknown, None, "fetch_data(''), which is not in the catalog, delivers nothing, and ends"),
    ],
)
async def test_a_wrong_catalog_is_found(wrong: type[Shelf], entity: str | None, words: str) -> None:
    verdict = await catalog(wrong)
    assert words in told(verdict)
    assert [each.entity for each in verdict.evidence if words in each.what] == [entity]


@pytest.mark.anyio
async def test_a_catalog_that_changes_once_is_said_to_be_unchecked() -> None:
    class Migrated(Shelf):
        """Gets a new entity after it was asked for the second time."""

        asked = 0

        def catalog(self) -> Catalog:
            return Catalog([BOOKS] if Migrated.asked < 2 else [BOOKS, FILMS])

        async def discover_schema(self) -> Catalog:
            found = self.catalog()
            Migrated.asked += 1
            return found

    verdict = await catalog(Migrated)
    assert verdict.evidence == ()
    assert "whether the catalog stays: the source's own changed meanwhile" in verdict.unchecked


@pytest.mark.anyio
async def test_an_entity_that_fails_for_a_moment_is_said_to_be_unchecked() -> None:
    class Down(Shelf):
        """Fails in every read."""

        def cursor(self, position: int) -> Any:
            raise ConnectionFailedError("gone; expected an answer; try again")

    verdict = await catalog(Down)
    assert verdict.evidence == ()
    assert any("books: the source failed in the middle" in what for what in verdict.unchecked)


@pytest.mark.anyio
async def test_unknown_names_may_be_refused_at_the_call() -> None:
    class AtTheCall(Shelf):
        """Looks the name up at once."""

        def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            if entity != "books":
                raise UnknownEntityError(f"no entity {entity!r}; expected books; name it")
            return super().fetch_data(entity, since=since, cursor=cursor)

    verdict = await catalog(AtTheCall)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())


class Parted(Shelf):
    """Can be divided: its cursors know where they end."""

    page_size = 2

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Any = None
    ) -> AsyncIterator[Page]:
        self.catalog()[entity]
        begin, end = (0, len(self.rows)) if cursor is None else cursor
        for start in range(begin, end, self.page_size):
            behind = min(start + self.page_size, end)
            yield Page(self.rows[start:behind], self.rest(behind, end))

    def rest(self, begin: int, end: int) -> Any:
        """Make the cursor of what is left of a part."""
        return [begin, end]

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        self.catalog()[entity]
        size = max(1, -(-len(self.rows) // target))
        ends = [min(start + size, len(self.rows)) for start in range(0, len(self.rows), size)]
        return [self.part(end - size if end % size == 0 else end // size * size, end) for end in ends]

    def part(self, begin: int, end: int) -> Any:
        """Make the cursor of a part."""
        return [begin, end]


class Overlapping(Parted):
    """Its parts begin too early."""

    def part(self, begin: int, end: int) -> Any:
        return [max(0, begin - 1), end]


class Gaping(Parted):
    """Its parts end too early."""

    def part(self, begin: int, end: int) -> Any:
        return [begin, end - 1]


class NoEnds(Parted):
    """Inside a part, its cursors forget the end."""

    def rest(self, begin: int, end: int) -> Any:
        return [begin, len(self.rows)]


class Tuples(Parted):
    """Its parts are no JSON values."""

    def part(self, begin: int, end: int) -> Any:
        return begin, end


class PartsOfAnything(Parted):
    """Divides what there is not."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await super().partition_data("books", since=since, target=target)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "entity", "words"),
    [
        (Overlapping, "books", "3 partitions have 9 records together, a full read has 7; 2 records"),
        (Gaping, "books", "1 partitions have 6 records together, a full read has 7; 1 records"),
        (NoEnds, "books", "going on inside a partition delivers 5 records, 1 followed"),
        (Tuples, "books", "the partition (0, 7) comes back from JSON text as [0, 7]"),
        (PartsOfAnything, None, "partition_data(''), which is not in the catalog, gives 2 partitions"),
    ],
)
async def test_wrong_partitions_are_found(wrong: type[Shelf], entity: str | None, words: str) -> None:
    verdict = await catalog(wrong)
    assert words in told(verdict)
    assert verdict.evidence[0].entity == entity


@pytest.mark.anyio
async def test_right_partitions_pass() -> None:
    verdict = await catalog(Parted)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())
    assert "3 partitions of books are together one full read" in verdict.checked
    assert "a read goes on inside a partition of books" in verdict.checked


@pytest.mark.anyio
async def test_what_cannot_be_told_of_partitions_is_said() -> None:
    rows = [book(number) for number in range(30)]
    long = await catalog(Subject(lambda: Parted(rows), bounds=Bounds(pages=3)))
    assert long.unchecked == ("the partitions of books: a full read did not come to its end",)
    small = await catalog(lambda: Parted([book(1)]))
    assert "going on inside a partition of books: none has a cursor" in small.unchecked[0]


@pytest.mark.anyio
@pytest.mark.parametrize("wrong", [Gaping, NoEnds])
async def test_partitions_of_a_source_that_changes_are_no_evidence(wrong: type[Parted]) -> None:
    numbers = count(7)
    verdict = await catalog(lambda: wrong([book(number) for number in range(next(numbers))]))
    assert verdict.evidence == ()
    assert any("the source changed meanwhile" in what for what in verdict.unchecked)


@pytest.mark.anyio
async def test_the_mock_passes() -> None:
    assert (await catalog(MockConnector)).outcome == "held"


def test_names_beside_a_catalog_are_not_in_it() -> None:
    assert names_beside(("orders", "ORDERS", "order")) == [
        "",
        "no_such_entity",
        "orders_",
        " orders",
        "orders/1",
    ]
    assert "x" not in names_beside(("x",))
    assert "entity_" in names_beside(())


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Catalog([BOOKS]), ""),
        (Catalog([attrs.evolve(BOOKS, fields=BOOKS.fields[::-1])]), ""),
        (Catalog([]), "books is gone"),
        (Catalog([BOOKS, FILMS]), "films is new"),
        (
            Catalog([attrs.evolve(BOOKS, fields=BOOKS.fields[:1])]),
            "the fields of books were id, title, seen_at",
        ),
        (Catalog([attrs.evolve(BOOKS, primary_key=())]), "primary_key of books was ('id',) and is ()"),
        (Catalog([attrs.evolve(BOOKS, incremental=None)]), "incremental of books was 'cursor' and is None"),
    ],
)
def test_two_catalogs_differ_in_what_is_said_of_them(other: Catalog, words: str) -> None:
    assert differences(Catalog([BOOKS]), other).startswith(words)
    assert bool(differences(Catalog([BOOKS]), other)) == bool(words)
    assert differences(Catalog([Entity("a", [Field("x", Scalar.STRING)])]), Catalog([Entity("a")]))
