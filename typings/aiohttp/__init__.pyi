# What the benchmarks use of aiohttp, which is not installed beside the package.

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

class ClientTimeout:
    def __init__(self, total: float | None = None) -> None: ...

class ClientResponse:
    async def read(self) -> bytes: ...

class ClientSession:
    def __init__(self, *, timeout: ClientTimeout = ..., raise_for_status: bool = False) -> None: ...
    def get(
        self, url: str, *, params: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ClientResponse]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
