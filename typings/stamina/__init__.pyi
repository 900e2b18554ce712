# What the benchmarks use of stamina, which is not installed beside the package.

from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")

def retry(
    *, on: type[Exception], attempts: int | None = 10
) -> Callable[[Callable[[], Awaitable[_T]]], Callable[[], Awaitable[_T]]]: ...
