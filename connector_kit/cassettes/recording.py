"""`Recording`: writes what a connector answers to a cassette, for `Replaying` to play back without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.to_thread
import attrs

from connector_kit.capabilities import close_broken_stream, close_stream, partitions, sample, validate
from connector_kit.config.scrub import secrets_in
from connector_kit.protocols import Connector
from connector_kit.redaction import Secret
from connector_kit.wrappers.stack.layers import innermost, outline

from .cassette import check_place, write
from .recorded_calls import Request, Taking
from .redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Recording"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def _several(given: str | Secret | Iterable[str | Secret]) -> tuple[str | Secret, ...]:
    return (given,) if isinstance(given, str | Secret) else tuple(given)


@attrs.define(eq=False)
class _Tape:
    """What was recorded so far, and what must not be seen in it."""

    redaction: Redaction
    takings: list[Taking] = attrs.field(factory=list)

    def start(self, request: Request) -> Taking:
        return Taking(request, self.redaction)


@attrs.frozen
class Recording(Generic[C]):
    """Keeps every request and its answer, errors included, and writes them to the file `path` at each disconnect.

    The file depends on what was asked and answered alone, not on when: it can be kept in a repository. What was there
    before, by the same connector, is replaced in one step. Until then the answers are held in memory, as text.

    Secrets are written as `****` wherever they occur: those in the `config` of the connector that everything is around
    and those in `redact`, which besides has the names of fields whose values are hidden, at any depth.

    Put it around Translating, so that the errors on the cassette are the kit's: an exception that is neither the
    kit's nor Python's own is replayed as a `ReplayedError`.
    """

    inner: C
    path: Path = attrs.field(converter=Path)
    redact: tuple[str | Secret, ...] = attrs.field(default=(), converter=_several, kw_only=True, repr=False)
    _tape: _Tape = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        config = getattr(innermost(self.inner), "config", None)
        secrets = secrets_in([config, *(each for each in self.redact if isinstance(each, Secret))])
        fields = [each for each in self.redact if isinstance(each, str)]
        object.__setattr__(self, "_tape", _Tape(Redaction(fields, secrets)))

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect. Raises `CassetteError` first where the path holds something else than this connector's cassette."""
        await anyio.to_thread.run_sync(check_place, self.path, self._name)
        await self._call(Request("connect"), self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect, and write the cassette, even where disconnecting fails."""
        try:
            await self._call(Request("disconnect"), self.inner.disconnect)
        finally:
            with anyio.CancelScope(shield=True):  # for as long as the writing of one file takes
                await anyio.to_thread.run_sync(self.save)

    async def discover_schema(self) -> Catalog:
        """Give the catalog, and record it."""
        return await self._call(Request("discover_schema"), self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page; each is recorded before it is handed on."""
        return _RecordedPages(self, Request("fetch_data", entity, since, cursor))

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, and record it; where it comes from a read, that one is not recorded besides."""
        request = Request("get_sample_data", entity, limit=limit)
        return await self._call(request, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration, and record what it says."""
        taking = self._tape.start(Request("validate_config"))
        try:
            validate(self.inner)
        except Exception as error:
            self.keep(taking)
            taking.failed(error)
            raise
        self.keep(taking)
        taking.returned(None)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, and record them."""
        request = Request("partition_data", entity, since, target=target)
        return await self._call(request, lambda: partitions(self.inner, entity, since=since, target=target))

    def save(self) -> None:
        """Write the cassette now; streams that are open are recorded up to here. Blocks while the file is written."""
        takings = self._tape.takings
        if any(taking.request.operation != "disconnect" for taking in takings):
            write(self.path, self._name, takings)

    def start(self, request: Request) -> Taking:
        """Begin to record the answer to a request."""
        return self._tape.start(request)

    def keep(self, taking: Taking) -> None:
        """Let an answer be on the cassette."""
        self._tape.takings.append(taking)

    @property
    def _name(self) -> str:
        return type(innermost(self.inner)).__name__

    async def _call(self, request: Request, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call and record how it ends. One that is cancelled has no answer and leaves no trace."""
        taking = self.start(request)
        try:
            result = await call()
        except Exception as error:
            taking.failed(error)
            self.keep(taking)
            raise
        taking.returned(_listed(result))
        self.keep(taking)
        return result


def _listed(result: Any) -> Any:
    """Give a tuple of records or cursors as a list: which kind of sequence they came in says nothing."""
    return list(result) if isinstance(result, tuple) else result


class _RecordedPages:
    """The inner stream, each page recorded. It is opened when the first page is asked for, to record if that fails."""

    __slots__ = ("_over", "_pages", "_request", "_taking", "_wrapper")

    def __init__(self, wrapper: Recording[C], request: Request) -> None:
        self._wrapper = wrapper
        self._request = request
        self._pages: AsyncIterator[Page] | None = None
        self._taking = wrapper.start(request)
        self._over = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._over:
            raise StopAsyncIteration
        self._over = (
            True  # until there is a page: an error, a cancellation and the end are all the last of it
        )
        try:
            if self._pages is None:
                self._wrapper.keep(self._taking)
                self._pages = self._open()
            page = await self._pages.__anext__()
            self._taking.page(page)
        except StopAsyncIteration:
            self._taking.ended()
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._taking.failed(error)
            if self._pages is not None:
                await close_broken_stream(self._pages)
            raise
        self._over = False
        return page

    def _open(self) -> AsyncIterator[Page]:
        asked = self._request
        return self._wrapper.inner.fetch_data(asked.entity or "", since=asked.since, cursor=asked.cursor)

    async def aclose(self) -> None:
        self._over = True
        if self._pages is not None:
            await close_stream(self._pages)
