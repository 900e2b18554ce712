"""Cancels a call at an await of its own choosing."""

from __future__ import annotations

from types import coroutine
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

__all__ = ["cancelled_at"]


async def cancelled_at(step: int, call: Coroutine[Any, Any, object]) -> bool:
    """Carry out a call and cancel it where it waits for the time number `step` (the first is 1).

    Say whether it waited so often; if not, it has come to its end. On asyncio and on trio.
    """
    with anyio.CancelScope() as scope:
        return await _stepped(step, call, scope)
    return True


@coroutine
def _stepped(
    step: int, call: Coroutine[Any, Any, object], scope: anyio.CancelScope
) -> Generator[Any, Any, bool]:
    """Hand on what the call waits for, as `await` does, and count."""
    waits = 0
    answer: Any = None
    failure: BaseException | None = None
    while True:
        try:
            waited_for = call.send(answer) if failure is None else call.throw(failure)
        except StopIteration:
            return waits >= step
        waits += 1
        if waits == step:
            scope.cancel()
        answer, failure = None, None
        try:
            answer = yield waited_for
        except BaseException as error:  # noqa: BLE001 - handed on to the call, cancellation above all
            failure = error
