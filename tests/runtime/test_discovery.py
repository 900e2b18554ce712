"""The catalog of chosen entities, with fields inferred where none are announced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import pytest

from connector_kit import Catalog, Entity, Field, Page, Rate, RateLimited, RateLimiter, Scalar
from connector_kit.errors import RequestRejectedError, UnknownEntityError
from connector_kit.runtime.discovery import discover
from connector_kit.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@attrs.define
class Shelf:
    """A source whose entities have these pages; it counts what is read."""

    pages: dict[str, Sequence[Page] | Exception]
    announced: tuple[Entity, ...] = ()
    reads: list[str] = attrs.field(factory=list[str])

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        known = {entity.name for entity in self.announced}
        return Catalog([*self.announced, *(Entity(name) for name in self.pages if name not in known)])

    async def fetch_data(
        self, entity: str, /, *, since: object = None, cursor: object = None
    ) -> AsyncIterator[Page]:
        pages = self.pages[entity]
        if isinstance(pages, Exception):
            raise pages
        for page in pages:
            self.reads.append(entity)
            yield page


USERS = [Page([{"id": 1, "name": "ann"}, {"id": 2}], cursor=1), Page([{"id": "x"}], cursor=2)]


async def test_fields_are_inferred_from_the_first_page() -> None:
    source = Shelf(
        {"users": USERS}, (Entity("users", primary_key="id", replication_key="at", incremental="since"),)
    )
    found = await discover(source)
    assert found.catalog["users"].fields == (
        Field("id", Scalar.INTEGER, nullable=False),
        Field("name", Scalar.STRING),
        Field("at"),
    )
    assert (found.errors, source.reads) == ({}, ["users"])


async def test_nothing_is_asked_of_what_is_announced_or_not_chosen() -> None:
    source = Shelf({"users": USERS, "orders": USERS, "secret": USERS}, (Entity("orders", [Field("id")]),))
    found = await discover(source, ["users", "orders"])
    assert found.catalog.names == ("users", "orders")
    assert found.left_out == ("secret",)
    assert source.reads == ["users"]


async def test_an_entity_that_cannot_be_read_stops_no_other() -> None:
    refused = RequestRejectedError("no scope")
    found = await discover(Shelf({"users": USERS, "secret": refused}))
    assert found.errors == {"secret": refused}
    assert [len(entity.fields) for entity in found.catalog] == [2, 0]


async def test_first_pages_without_records_are_passed_over_but_not_for_ever() -> None:
    late = Shelf({"users": [Page([], cursor=0), *USERS]})
    assert len((await discover(late)).catalog["users"].fields) == 2
    never = Shelf({"users": [Page([], cursor=number) for number in range(100)]})
    assert (await discover(never)).catalog["users"].fields == ()
    assert len(never.reads) == 3


async def test_an_unknown_entity_is_told() -> None:
    with pytest.raises(UnknownEntityError, match="did you mean 'users'"):
        await discover(Shelf({"users": USERS}), ["user"])


def test_each_sample_takes_a_permit() -> None:
    clock = VirtualClock()
    source = Shelf({f"e{number}": USERS for number in range(6)})
    limited = RateLimited(source, RateLimiter(Rate.parse("2/s"), clock=clock))

    async def found() -> float:
        begun = clock.monotonic_ns()
        assert not (await discover(limited)).errors
        return (clock.monotonic_ns() - begun) / 1e9

    assert clock.run(found) >= 2.0
