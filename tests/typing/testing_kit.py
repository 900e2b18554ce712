"""The testing kit as its users write it. Never run: type checkers read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from hypothesis.strategies import SearchStrategy

from connector_kit import Catalog, Cursor, Entity, Page, Retry, Retrying
from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.testing import (
    Bounds,
    DestinationFixture,
    HttpProxy,
    LawReport,
    MemoryDestination,
    Subject,
    Verdict,
    VirtualClock,
    Wire,
    check_connector,
    check_destination,
    check_wrapper,
    connector_laws,
    laws,
    strategies,
    wrapper_laws,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit import Connector, FullConnector, Record


def make() -> MockConnector:
    """A factory may say more of what it makes than that it is a connector."""
    return MockConnector(MockConfig(size=10))


def around(inner: Connector) -> FullConnector:
    return Retrying(inner, Retry(attempts=5))


class MemoryFixture:
    """Where a destination writes to, read back by the author's own means."""

    def __init__(self) -> None:
        self.made = MemoryDestination()

    def destination(self) -> MemoryDestination:
        return self.made

    def rows(self, entity: str, /) -> Sequence[Record]:
        return self.made.rows(entity)


async def checks(wire: Wire) -> None:
    """Three kinds of subjects, one kind of report; a class is a factory, too."""
    assert_type(await check_connector(make, bounds=Bounds(requests=500), wire=wire), LawReport)
    assert_type(await check_connector(MockConnector, laws=["resume"], secrets=["t0ken"]), LawReport)
    assert_type(await check_wrapper(around, retries=True, rate="10/s"), LawReport)
    assert_type(await check_destination(MemoryFixture), LawReport)
    assert_type(await laws.resume(make), Verdict)
    assert_type(await laws.since(Subject(make, bounds=Bounds(entities=["orders"]))), Verdict)
    fixture: DestinationFixture = MemoryFixture()
    del fixture


TestMock = connector_laws(make, secrets=["t0ken"])
TestByFixture = connector_laws("shop_factory", wire="proxy")
TestRetrying = wrapper_laws(around, retries=True)


def drawn(entity: Entity) -> None:
    """Strategies say what they draw."""
    assert_type(strategies.catalogs(), SearchStrategy[Catalog])
    assert_type(strategies.entities(), SearchStrategy[Entity])
    assert_type(strategies.records(entity), SearchStrategy[dict[str, Any]])
    assert_type(strategies.pages(entity), SearchStrategy[Page])
    assert_type(strategies.reads(entity), SearchStrategy[tuple[Page, ...]])
    assert_type(strategies.cursors(), SearchStrategy[Cursor])


def in_virtual_time(virtual_clock: VirtualClock) -> None:
    """A run gives what its function gives."""

    async def day() -> float:
        await virtual_clock.sleep(86_400)
        return 1.0

    assert_type(virtual_clock.run(day), float)
    with HttpProxy("https://example.org/v1") as proxy:
        assert_type(proxy.url, str)
        wire: Wire = proxy
    del wire
