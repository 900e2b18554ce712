"""Parts for tests of wrappers: connectors that can everything or take their time, a limiter and an ear that keep notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
import attrs
import sources
from anyio.lowlevel import checkpoint

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.events import Event
from connector_kit.records.page import Page, Quota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record


@attrs.define(eq=False)
class Able(sources.Shop):
    """A Shop with all the optional methods; `calls` are those that were made of any method."""

    calls: list[str] = attrs.field(factory=list)
    wrong: str = ""

    async def connect(self) -> None:
        self.calls.append("connect")
        await checkpoint()
        self.connected = True

    async def disconnect(self) -> None:
        self.calls.append("disconnect")
        self.connected = False

    async def discover_schema(self) -> Catalog:
        self.calls.append("discover_schema")
        return await sources.Shop.discover_schema(self)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        self.calls.append("get_sample_data")
        await checkpoint()
        return [{"entity": entity, "limit": limit}]

    def validate_config(self) -> None:
        self.calls.append("validate_config")
        if self.wrong:
            raise ConfigError(self.wrong)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        self.calls.append("partition_data")
        await checkpoint()
        return [{"after": 0}, {"after": target}]


@attrs.define(eq=False)
class Slow:
    """Takes `call` seconds for a call, and `pages[i]` seconds for page i and for the end; counts what it has open.

    Its streams are no generators. `closing` seconds pass until one is closed.
    """

    pages: Sequence[float] = (1.0, 1.0, 1.0)
    call: float = 0.0
    closing: float = 0.0
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    opened: int = 0
    closed: int = 0
    asked: int = 0

    async def connect(self) -> None:
        await self.clock.sleep(self.call)

    async def disconnect(self) -> None:
        await self.clock.sleep(self.call)

    async def discover_schema(self) -> Catalog:
        await self.clock.sleep(self.call)
        return await sources.Shop().discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.opened += 1
        return _SlowPages(self, cursor if isinstance(cursor, int) else 0)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        await self.clock.sleep(self.call)
        return []

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        await self.clock.sleep(self.call)
        return [None]


@attrs.define(eq=False)
class _SlowPages:
    slow: Slow
    place: int
    is_open: bool = True

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        self.slow.asked += 1
        await self.slow.clock.sleep(self.slow.pages[self.place])
        self.place += 1
        if self.place == len(self.slow.pages):
            raise StopAsyncIteration
        return Page([{"id": self.place}], self.place)

    async def aclose(self) -> None:
        if self.is_open:
            await self.slow.clock.sleep(self.slow.closing)
            self.is_open = False
            self.slow.closed += 1


@attrs.define(eq=False)
class Turnstile:
    """A limiter that lets one after the other through, every one after `wait` seconds; `granted` are the costs."""

    wait: float = 0.0
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    granted: list[int] = attrs.field(factory=list)
    heard: list[Quota] = attrs.field(factory=list)
    _turn: anyio.Lock = attrs.field(factory=anyio.Lock)

    async def acquire(self, cost: int = 1) -> float:
        async with self._turn:
            await self.clock.sleep(self.wait)
            self.granted.append(cost)
        return self.wait

    def hear(self, quota: Quota, /) -> None:
        self.heard.append(quota)


@attrs.define(eq=False)
class Ear:
    """An observer that keeps what it hears."""

    heard: list[Event] = attrs.field(factory=list)

    def observe(self, event: Event, /) -> None:
        self.heard.append(event)
