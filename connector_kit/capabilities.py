"""The optional methods of a connector, with the default for an object that lacks one, and the closing of streams.

A wrapper around a connector that lacks `get_sample_data` gives the `first_records` of its own `fetch_data`, so that they
pass its limits and retries like any other read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import anyio

from .protocols import SupportsPartitions, SupportsSample, SupportsValidation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from .protocols import Connector
    from .records.page import Cursor, Record

__all__ = ["close_broken_stream", "close_stream", "first_records", "partitions", "sample", "validate"]

CLOSING_SECONDS = 5.0
"""How long the closing of a broken stream may hold up what comes after it."""


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> None: ...


async def close_stream(stream: AsyncIterator[object]) -> None:
    """Release what a stream holds. An iterator without `aclose` holds nothing that could be released."""
    if isinstance(stream, _Closable):
        await stream.aclose()


async def close_broken_stream(stream: AsyncIterator[object]) -> None:
    """Close a stream that has failed: even when cancelled, for a bounded time, and without a second error."""
    with anyio.move_on_after(CLOSING_SECONDS, shield=True):
        with suppress(Exception):  # the fault that broke the stream is on its way; another one adds nothing
            await close_stream(stream)


async def sample(connector: Connector, entity: str, /, limit: int = 10) -> Sequence[Record]:
    """Return at most `limit` records: by `get_sample_data`, or else from the first pages of `fetch_data`."""
    if isinstance(connector, SupportsSample):
        return await connector.get_sample_data(entity, limit) if limit > 0 else []
    return await first_records(connector, entity, limit)


async def first_records(connector: Connector, entity: str, /, limit: int) -> Sequence[Record]:
    """Return the first `limit` records of a read, and close it."""
    found: list[Record] = []
    if limit < 1:
        return found
    stream = connector.fetch_data(entity)
    try:
        async for page in stream:
            found.extend(page.records[: limit - len(found)])
            if len(found) >= limit:
                break
    except BaseException:
        await close_broken_stream(stream)
        raise
    await close_stream(stream)
    return found


def validate(connector: Connector, /) -> None:
    """Raise `ConfigError` where the connector can tell that its configuration is wrong."""
    if isinstance(connector, SupportsValidation):
        connector.validate_config()


async def partitions(
    connector: Connector, entity: str, /, *, since: datetime | None = None, target: int
) -> Sequence[Cursor]:
    """Return starting cursors for about `target` parts of a read; `[None]`, the whole, where it cannot be divided."""
    if isinstance(connector, SupportsPartitions):
        return await connector.partition_data(entity, since=since, target=target)
    return [None]
