"""A task group out of which the block's own error comes as it is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import TaskGroup

__all__ = ["task_group"]


@asynccontextmanager
async def task_group() -> AsyncGenerator[TaskGroup]:
    """Open a task group for a block. An error of the block cancels the tasks and is raised outside the group.

    anyio would wrap it in an `ExceptionGroup`. What a task raises still comes in one.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except Exception as error:  # noqa: BLE001 - raised below, outside the group
            failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
