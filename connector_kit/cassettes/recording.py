"""`Recording`: writes what a connector answers to a cassette, for `Replaying` to play back without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import attrs

from connector_kit.capabilities import partitions, sample
from connector_kit.config.problems import secrets_in
from connector_kit.protocols import Connector
from connector_kit.redaction import Secret
from connector_kit.wrappers.stack.layers import innermost
from connector_kit.wrappers.wrapper import NOT_OPEN, WrappedPages, Wrapper

from .cassette import check_path, write
from .recorded_calls import CallRecorder, RecordedRequest
from .redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Recording"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def _as_tuple(redact: str | Secret | Iterable[str | Secret]) -> tuple[str | Secret, ...]:
    return (redact,) if isinstance(redact, str | Secret) else tuple(redact)


@attrs.frozen(repr=False)
class Recording(Wrapper[C]):
    """Keeps every request and its answer, errors included, and writes them to the file `path` at each disconnect.

    The file depends on what was asked and answered alone, not on when: it can be kept in a repository. What was there
    before, by the same connector, is replaced in one step. Until then the answers are held in memory, as text.

    Secrets are written as `****` wherever they occur: those in the `config` of the connector that everything is around
    and those in `redact`, which besides has the names of fields whose values are hidden, at any depth.

    Put it around Translating, so that the errors on the cassette are the kit's: an exception that is neither the
    kit's nor Python's own is replayed as a `ReplayedError`.
    """

    path: Path = attrs.field(converter=Path)
    redact: tuple[str | Secret, ...] = attrs.field(default=(), converter=_as_tuple, kw_only=True, repr=False)
    _redaction: Redaction = attrs.field(init=False, repr=False, eq=False)
    _calls: list[CallRecorder] = attrs.field(factory=list[CallRecorder], init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        config = getattr(innermost(self.inner), "config", None)
        secrets = secrets_in([config, *(each for each in self.redact if isinstance(each, Secret))])
        fields = [each for each in self.redact if isinstance(each, str)]
        object.__setattr__(self, "_redaction", Redaction(fields, secrets))
        super().__attrs_post_init__()

    async def connect(self) -> None:
        """Connect. Raises `CassetteError` first where the path holds something else than this connector's cassette."""
        await anyio.to_thread.run_sync(check_path, self.path, self._name)
        await super().connect()

    async def disconnect(self) -> None:
        """Disconnect, and write the cassette, even where disconnecting fails."""
        try:
            await self._call("disconnect", None, self.inner.disconnect)
        finally:
            with anyio.CancelScope(shield=True):  # for as long as the writing of one file takes
                await anyio.to_thread.run_sync(self.save)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page; each is recorded before it is handed on."""
        return _RecordedPages(self, entity, since, cursor)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample, and record it; where it comes from a read, that one is not recorded besides."""
        request = RecordedRequest("get_sample_data", entity, limit=limit)
        return await self._record(request, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector validate its configuration, and record what it says."""
        recorder = self.recorder(RecordedRequest("validate_config"))
        try:
            super().validate_config()
        except Exception as error:
            recorder.failed(error)
            self.keep(recorder)
            raise
        recorder.returned(None)
        self.keep(recorder)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return the partitions, and record them."""
        request = RecordedRequest("partition_data", entity, since, target=target)
        return await self._record(request, lambda: partitions(self.inner, entity, since=since, target=target))

    def save(self) -> None:
        """Write the cassette now; streams that are open are recorded up to here. Blocks while the file is written."""
        if any(recorder.request.operation != "disconnect" for recorder in self._calls):
            write(self.path, self._name, self._calls)

    def recorder(self, request: RecordedRequest) -> CallRecorder:
        """Return what records the answer to a request."""
        return CallRecorder(request, self._redaction)

    def keep(self, recorder: CallRecorder) -> None:
        """Add a call to the cassette."""
        self._calls.append(recorder)

    @property
    def _name(self) -> str:
        return type(innermost(self.inner)).__name__

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        return await self._record(RecordedRequest(operation, entity), call)

    async def _record(self, request: RecordedRequest, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call and record how it ends. One that is cancelled has no answer and leaves no trace."""
        recorder = self.recorder(request)
        try:
            result = await call()
        except Exception as error:
            recorder.failed(error)
            self.keep(recorder)
            raise
        recorder.returned(result)
        self.keep(recorder)
        return result


class _RecordedPages(WrappedPages):
    """The inner stream, each page recorded. It is opened when the first page is asked for, to record if that fails."""

    __slots__ = ("_cursor", "_entity", "_recorder", "_since", "_wrapper")

    def __init__(self, wrapper: Recording[C], entity: str, since: datetime | None, cursor: Cursor) -> None:
        super().__init__(NOT_OPEN)
        self._wrapper = wrapper
        self._entity = entity
        self._since = since
        self._cursor = cursor
        self._recorder = wrapper.recorder(RecordedRequest("fetch_data", entity, since, cursor))

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        try:
            if self._inner is NOT_OPEN:
                self._wrapper.keep(self._recorder)
                self._inner = self._wrapper.inner.fetch_data(
                    self._entity, since=self._since, cursor=self._cursor
                )
            page = await self._inner.__anext__()
            self._recorder.page(page)
        except StopAsyncIteration:
            self._ended = True
            self._recorder.ended()
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._recorder.failed(error)
            await self._break()
            raise
        return page
