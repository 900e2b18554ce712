"""Every wrapper that is shipped keeps the laws of wrappers. A new one joins by its line in stacks.py."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import pytest
from stacks import PAGE_SIZE, WRAPPERS, Records, Wrapper, bench

from connector_kit.blocking.paged import Paged
from connector_kit.cassettes.recording import Recording
from connector_kit.protocols import Connector, FullConnector
from connector_kit.testing.conformance.checks import check_wrapper
from connector_kit.testing.conformance.wrapper.content import plain_content, varied_content
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record


@attrs.frozen
class AbleRecords:
    """The records of a connector one by one, and its optional methods, which `Records` of the table leaves out."""

    inner: FullConnector

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        return await self.inner.discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Record]:
        return Records(self.inner).fetch_data(entity, since=since, cursor=cursor)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return await self.inner.get_sample_data(entity, limit)

    def validate_config(self) -> None:
        self.inner.validate_config()

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await self.inner.partition_data(entity, since=since, target=target)


def paged(inner: Connector) -> FullConnector:
    """Take a connector's pages apart and gather them again."""
    records = AbleRecords(inner) if isinstance(inner, FullConnector) else Records(inner)
    return Paged(records, PAGE_SIZE, cursor_of=lambda record: {"after": record["id"] + 1})


READS_RECORDS = {Paged, Recording, Validating}
MAKES_PAGES = {Paged}
"""Whose pages are its own: no page of the inner connector's goes through it."""


@pytest.mark.unmeasured
@pytest.mark.anyio
@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda each: each.cls.__name__)
async def test_it_keeps_the_laws(wrapper: Wrapper, anyio_backend: str, tmp_path: Path) -> None:
    clock = VirtualClock()

    @asynccontextmanager
    async def around(inner: Connector) -> AsyncIterator[FullConnector]:
        async with bench(tmp_path, clock) as made:
            yield paged(inner) if wrapper.cls is Paged else wrapper.around(inner, made)

    report = await check_wrapper(
        around,
        clock=clock,
        backend=anyio_backend,
        retries=wrapper.cls is Retrying,
        reads_records=wrapper.cls in READS_RECORDS,
        rate="1/s" if wrapper.cls is RateLimited else None,
        content=plain_content(PAGE_SIZE) if wrapper.cls in MAKES_PAGES else varied_content(),
    )
    report.require()
