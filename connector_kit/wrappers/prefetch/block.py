"""A connector that reads ahead for the length of a block, whose end ends the reading."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio

from connector_kit.protocols import Connector

from .wrapper import Prefetching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["prefetching"]

C = TypeVar("C", bound=Connector)


@asynccontextmanager
async def prefetching(connector: C, /, *, pages: int = 1) -> AsyncIterator[Prefetching[C]]:
    """Fetch up to `pages` pages ahead of whoever reads from the connector that this gives.

    At the end of the block all reads that are left end, their streams closed. What the block raises comes out as it is.

    >>> async with prefetching(connector) as source:  # doctest: +SKIP
    ...     async for page in source.fetch_data("orders"):
    ...         await write(page)
    """
    fault: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield Prefetching(connector, tasks, pages)
        except Exception as error:  # noqa: BLE001 - raised below, outside the task group, which would wrap it
            fault = error
        tasks.cancel_scope.cancel()
    if fault is not None:
        raise fault
