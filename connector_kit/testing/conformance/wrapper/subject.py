"""The wrapper under examination: put around connectors of the kit's, in a thread and an event loop in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, TypeVarTuple

import anyio
import attrs

from connector_kit.capabilities import close_broken_stream, close_stream
from connector_kit.limiters.rates import Rate
from connector_kit.protocols import Connector, FullConnector
from connector_kit.testing.conformance.isolation import in_thread
from connector_kit.testing.conformance.law import Examined, Findings, Laws
from connector_kit.testing.conformance.reading import SeenPage
from connector_kit.testing.conformance.telling import members_of
from connector_kit.testing.virtual_clock import VirtualClock

from .content import Content, varied_content
from .inner import AbleInner, Fails, Inner, no_fault

if TYPE_CHECKING:
    from connector_kit.records.page import Page

__all__ = ["WRAPPER_LAWS", "Around", "Outcome", "WrapperSubject", "call", "error_of", "read_out"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

Around: TypeAlias = Callable[[Connector], FullConnector | AbstractAsyncContextManager[FullConnector]]
"""Puts the wrapper around a connector: `lambda inner: Retrying(inner, policy)`.

It is called inside of a running event loop, and may give an async context manager where the wrapper needs a block
(a task group, say).
"""


class _StoppedError(BaseException):
    """What ran was stopped from another thread, since nothing happened any more. No Exception: no law judges it."""


@attrs.frozen
class Outcome:
    """What a read came to: its pages, and the error that ended it, if one did."""

    pages: tuple[SeenPage, ...]
    error: Exception | None = None

    @property
    def records(self) -> tuple[str, ...]:
        """All records in their order, as text."""
        return tuple(record for page in self.pages for record in page.records)


async def read_out(stream: AsyncIterator[Page]) -> Outcome:
    """Read to the end or to the first error, and close the stream."""
    seen: list[SeenPage] = []
    try:
        async for page in stream:
            seen.append(SeenPage.of(len(seen) + 1, page))
        await close_stream(stream)
    except BaseException as error:
        await close_broken_stream(stream)
        if isinstance(error, Exception):
            return Outcome(tuple(seen), error)
        raise
    return Outcome(tuple(seen))


async def error_of(call: Awaitable[object]) -> Exception | None:
    """Return the error that comes out of a call; None where none does."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - whatever comes out of an author's wrapper is judged, not passed on
        return error
    return None


async def call(wrapper: FullConnector, operation: str, entity: str) -> None:
    """Call a method by its name, and read to the end where it is `fetch_data`."""
    match operation:
        case "fetch_data":
            outcome = await read_out(wrapper.fetch_data(entity))
            if outcome.error is not None:
                raise outcome.error
        case "connect":
            await wrapper.connect()
        case "discover_schema":
            await wrapper.discover_schema()
        case "get_sample_data":
            await wrapper.get_sample_data(entity, 1000)
        case _:
            await wrapper.partition_data(entity, target=2)


@attrs.define(eq=False)
class WrapperSubject(Examined):
    """A wrapper, and what it claims.

    retries: it makes good for a transient fault of each request, so that a read comes to its end.
    reads_records: to look into each record is its job, so that its work may grow with them.
    rate: it lets no more requests through than this.
    content: what the connectors inside deliver.
    clock: the virtual clock that the wrapper goes by, where it takes one; the event loop goes by it in any case.
    """

    around: Around
    retries: bool = attrs.field(default=False, kw_only=True)
    reads_records: bool = attrs.field(default=False, kw_only=True)
    rate: Rate | None = attrs.field(default=None, kw_only=True)
    content: Content = attrs.field(factory=varied_content, kw_only=True)
    clock: VirtualClock = attrs.field(factory=VirtualClock, kw_only=True)
    backend: str = attrs.field(default="asyncio", kw_only=True)
    doing: str = attrs.field(default="putting it around a connector", init=False)
    """What is looked at now: named where the wrapper hangs."""
    hung: bool = attrs.field(default=False, init=False)
    """Whether a law ended because nothing happened any more."""
    beats: int = attrs.field(default=0, init=False)
    """Grows while something happens besides requests to the connectors inside."""
    _stop: Callable[[], object] | None = attrs.field(default=None, init=False)
    _inners: list[Inner] = attrs.field(factory=list[Inner], init=False)

    @classmethod
    def of(cls, wrapper: Around | WrapperSubject) -> WrapperSubject:
        """Return a subject for what a law was called with."""
        return wrapper if isinstance(wrapper, WrapperSubject) else cls(wrapper)

    @property
    def requests(self) -> int:
        """How many requests reached the connectors inside."""
        return sum(len(inner.requests) for inner in self._inners)

    def inner(self, *, wait: float = 0.0, fails: Fails = no_fault) -> Inner:
        """Make a connector with the four methods to put inside."""
        self._inners.append(Inner(self.content, self.clock, wait, fails))
        return self._inners[-1]

    def able_inner(self, *, wait: float = 0.0, fails: Fails = no_fault, wrong: str = "") -> AbleInner:
        """Make a connector with all seven methods to put inside."""
        made = AbleInner(self.content, self.clock, wait, fails, wrong=wrong)
        self._inners.append(made)
        return made

    async def bare(self, entity: str) -> Outcome:
        """Read an entity from a connector without the wrapper."""
        return await read_out(self.inner().fetch_data(entity))

    @asynccontextmanager
    async def wrapped(self, inner: Connector) -> AsyncGenerator[FullConnector]:
        """Yield the wrapper around a connector."""
        made = self.around(inner)
        if isinstance(made, Connector):
            yield made
        else:
            async with made as wrapper:
                yield wrapper

    def run(self, body: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
        """Run an async function in an event loop of its own whose time is virtual, and return its result."""
        self.beats += 1

        async def main() -> T:
            with anyio.CancelScope() as scope:
                self._stop = partial(_thread_safe(self.backend), scope.cancel)
                return await body(*args)
            raise _StoppedError

        try:
            return self.clock.run(main, backend=self.backend)
        finally:
            self._stop = None

    def stop(self) -> None:
        """Cancel what runs; to be called from another thread."""
        stop = self._stop
        if stop is not None:
            with suppress(RuntimeError):  # its event loop has just been closed
                stop()

    async def run_law(self, look: Callable[[], Awaitable[None] | None], /) -> None:
        """Run a law in a thread of its own, with event loops of its own; a wrapper that hangs is left behind."""
        findings = self.findings
        assert findings is not None, "whoever runs a law has made them"
        error = await self.in_thread(look)
        if self.hung:
            findings.broken(
                f"it hangs: nothing has happened for {self.bounds.call_seconds:g} s while {self.doing}",
                expected="an answer, an error, or the end of a cancellation",
                mend="look for a wait that nothing ends, for a shielded one, and for a loop that catches its cancellation",
            )
        elif error is not None:
            findings.broken(
                f"{type(error).__name__} came out while {self.doing}: {_text_of(error)}",
                expected="nothing but what the inner connector gives or raises",
            )

    def tell(self, error: Exception, _findings: Findings, /) -> None:
        """Raise the error: what comes out of a wrapper is told where the law runs."""
        raise error

    async def in_thread(self, function: Callable[[], object]) -> BaseException | None:
        """Run a function in a thread and return what it raised; it `hung` where nothing happens any more.

        Something happens where an event loop is started or a request reaches a connector inside.
        """
        raised: list[BaseException] = []

        def run() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - the thread ends here; whatever came is told
                raised.append(error)

        self.hung = not await in_thread(
            run,
            signs_of_life=lambda: (self.beats, self.requests),
            silence_limit=self.bounds.call_seconds,
            stop=self.stop,
        )
        return raised[0] if raised else None


WRAPPER_LAWS: Final[Laws[WrapperSubject, Around]] = Laws(
    "a wrapper",
    WrapperSubject.of,
    "connector_kit.testing.conformance.wrapper",
    "bounded cancellation errors methods overhead reads",
)


def _thread_safe(backend: str) -> Callable[[Callable[[], object]], object]:
    """Return what lets the running event loop call a function, from whatever thread."""
    if backend == "trio":
        from trio.lowlevel import current_trio_token  # noqa: PLC0415 - trio is no core dependency

        return current_trio_token().run_sync_soon
    return asyncio.get_running_loop().call_soon_threadsafe


def _text_of(error: BaseException) -> str:
    """Return an error's text; of a group, those of its members."""
    if not (members := members_of(error)):
        return str(error)
    return ", ".join(f"{type(each).__name__}: {_text_of(each)}" for each in members)
