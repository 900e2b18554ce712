"""Wherever a law is cut short, by its bounds or by a source that fails, a right connector is not called wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import pytest
from shelves import BOOKS, Shelf

from connector_kit.errors import ConnectionFailedError
from connector_kit.records.catalog import Catalog
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.catalog import catalog
from connector_kit.testing.conformance.connector.cursors import cursors
from connector_kit.testing.conformance.connector.lifecycle import lifecycle
from connector_kit.testing.conformance.connector.progress import progress
from connector_kit.testing.conformance.connector.sample import sample
from connector_kit.testing.conformance.connector.shape import shape
from connector_kit.testing.conformance.law import Verdict
from connector_kit.testing.conformance.subject import Subject
from connector_kit.testing.conformance.wire import WireFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page, Record

LookAt: TypeAlias = Callable[[Subject], Awaitable[Verdict]]

LAWS: tuple[LookAt, ...] = (lifecycle, catalog, shape, progress, cursors, sample)


@attrs.define
class Store:
    """A source, and its wire: `failing` says which request fails, from 1, or all from there on."""

    failing: int = 0
    for_good: bool = False
    requests: int = 0
    plan: list[WireFault | None] = attrs.field(factory=list)

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        self.plan = [*faults]

    def ask(self) -> None:
        """Make a request."""
        self.requests += 1
        planned = self.plan.pop(0) if self.plan else None
        fails = self.requests >= self.failing if self.for_good else self.requests == self.failing
        if planned is not None or (self.failing and fails):
            raise ConnectionFailedError("the source is gone; expected an answer; try again")


class Asking(Shelf):
    """Can everything, and asks a store for it."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    def catalog(self) -> Catalog:
        return Catalog([BOOKS, attrs.evolve(BOOKS, name="films")])

    def end(self, cursor: Any) -> int:
        return super().end(cursor) if cursor is None else int(cursor["end"])

    async def connect(self) -> None:
        self.store.ask()
        await super().connect()

    async def discover_schema(self) -> Catalog:
        self.store.ask()
        return await super().discover_schema()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.catalog()[entity]
        end = self.end(cursor)
        for start in range(self.position(cursor), end, self.page_size):
            self.store.ask()
            behind = min(start + self.page_size, end)
            page = self.page(self.rows[start:behind], behind)
            yield attrs.evolve(page, cursor={"after": behind, "end": end})

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        self.catalog()[entity]
        self.store.ask()
        return self.rows[: max(0, limit)]

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        self.catalog()[entity]
        self.store.ask()
        return [{"after": 0, "end": 4}, {"after": 4, "end": 7}] if target > 1 else [{"after": 0, "end": 7}]


async def look_at(law: LookAt, store: Store, bounds: Bounds = Bounds()) -> Verdict:  # noqa: B008 - a frozen value
    return await law(Subject(lambda: Asking(store), bounds=bounds, wire=store))


@pytest.mark.unmeasured
@pytest.mark.anyio
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_the_bounds_of_a_law_are_no_evidence(law: LookAt) -> None:
    whole = await look_at(law, Store())
    assert (whole.outcome, whole.unchecked) == ("held", ())
    for requests in range(1, whole.requests):
        verdict = await look_at(law, Store(), Bounds(requests=requests))
        assert verdict.evidence == (), requests
        assert verdict.unchecked, requests


@pytest.mark.unmeasured
@pytest.mark.anyio
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_a_source_that_fails_in_the_middle_is_no_evidence(law: LookAt, for_good: bool) -> None:  # noqa: FBT001 - a parameter of the test
    store = Store()
    await look_at(law, store)
    for failing in range(1, store.requests + 1):
        verdict = await look_at(law, Store(failing, for_good))
        assert verdict.evidence == (), failing
