"""`Replaying`: a connector that answers from a cassette, as the one that was recorded did."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anyio.lowlevel import checkpoint

from connector_kit.records.page import Cursor

from .cassette import Cassette, read
from .errors import NotRecordedError
from .recorded_calls import Closed, Ended, Failed, RecordedCall, RecordedRequest, Returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Page, Record

__all__ = ["Replaying"]

_NAMED = 5
"""How many recorded requests a NotRecordedError names."""


@attrs.frozen
class Replaying:
    """Delivers the pages, cursors, quotas and errors that `Recording` wrote to the file `path`.

    The n-th request of a kind gets the n-th answer that was recorded to it, and the last one from then on. A read may
    also begin at any cursor that was delivered. What was not recorded raises `NotRecordedError`; only connect,
    disconnect and validate_config, which have nothing to answer, succeed then.

    The file is read when the object is made: `CassetteError` says what is wrong with it. With `connector`, the name of
    a connector's class, it has to be that one's cassette.
    """

    path: Path = attrs.field(converter=Path)
    connector: str | None = attrs.field(default=None, kw_only=True)
    cassette: Cassette = attrs.field(init=False, repr=False)
    _player: Player = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        cassette = read(self.path, self.connector)
        object.__setattr__(self, "cassette", cassette)
        object.__setattr__(self, "_player", Player(cassette, self.path))

    async def connect(self) -> None:
        """Raise what was raised; nothing is connected."""
        await checkpoint()
        self._lifecycle("connect")

    async def disconnect(self) -> None:
        """Raise what was raised; nothing was connected."""
        self._lifecycle("disconnect")

    async def discover_schema(self) -> Catalog:
        """Return the recorded catalog."""
        await checkpoint()
        catalog: Catalog = self._answer(RecordedRequest("discover_schema"))
        return catalog

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read the recorded pages."""
        return _ReplayedPages(self._player, RecordedRequest("fetch_data", entity, since, cursor))

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return the recorded sample with this limit."""
        await checkpoint()
        records: Sequence[Record] = self._answer(RecordedRequest("get_sample_data", entity, limit=limit))
        return records

    def validate_config(self) -> None:
        """Raise what was raised."""
        self._lifecycle("validate_config")

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return the recorded partitions for this target."""
        await checkpoint()
        cursors: Sequence[Cursor] = self._answer(
            RecordedRequest("partition_data", entity, since, target=target)
        )
        return cursors

    def _lifecycle(self, operation: str) -> None:
        recorded = self._player.recorded(RecordedRequest(operation))
        if recorded is not None and isinstance(recorded.outcome, Failed):
            raise recorded.outcome.error()

    def _answer(self, request: RecordedRequest) -> Any:
        outcome = self._player.answer(request).outcome
        if isinstance(outcome, Failed):
            raise outcome.error()
        if not isinstance(outcome, Returned):
            raise self._player.missing(request, "was recorded without an answer")
        return outcome.value


class _ReplayedPages:
    """A recorded read. It is chosen when its first page is asked for: that is when it was recorded."""

    __slots__ = ("_ended", "_player", "_read", "_request")

    def __init__(self, player: Player, request: RecordedRequest) -> None:
        self._player = player
        self._request = request
        self._read: _Playback | None = None
        self._ended = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        self._ended = True  # until there is a page: an error, a cancellation and the end all end it
        if self._read is None:
            self._read = _Playback(self._player, self._player.answer(self._request))
        await checkpoint()
        page = self._read.next_page()
        if page is None:
            raise StopAsyncIteration
        self._ended = False
        return page

    async def aclose(self) -> None:
        self._ended = True


class Player:
    """Answers the n-th request of a kind with the n-th answer that was recorded, and the last one from then on.

    A read at a cursor that was delivered but not asked for gets what followed that page.
    """

    def __init__(self, cassette: Cassette, path: Path) -> None:
        self._path = path
        self._calls: defaultdict[str, list[RecordedCall]] = defaultdict(list)
        self._times_requested: Counter[str] = Counter()
        for recorded in cassette.calls:
            self._calls[recorded.request.key].append(recorded)
        self._reads: defaultdict[str, list[RecordedCall]] = defaultdict(list)
        for recorded in cassette.calls:
            self._reads[attrs.evolve(recorded.request, cursor=None).key].append(recorded)

    def recorded(self, request: RecordedRequest) -> RecordedCall | None:
        """Return the next answer to exactly this request; None where there is none."""
        key = request.key
        calls = self._calls.get(key)
        if calls is None:
            return None
        number = min(self._times_requested[key], len(calls) - 1)
        self._times_requested[key] += 1
        return calls[number]

    def answer(self, request: RecordedRequest) -> RecordedCall:
        """Return the next answer to a request. Raises `NotRecordedError`."""
        recorded = self.recorded(request) or self.longest(request, -1)
        if recorded is None:
            raise self.missing(request, "was not recorded")
        return recorded

    def longest(self, request: RecordedRequest, beyond: int) -> RecordedCall | None:
        """Return the longest recording of a read: one to its end, else to an error, else with the most pages.

        None where no recording goes beyond the first `beyond` pages.
        """
        if request.operation != "fetch_data":
            return None
        found = list(self._calls.get(request.key, ()))
        if request.cursor is not None:
            reads = self._reads.get(attrs.evolve(request, cursor=None).key, ())
            found += [rest for recorded in reads if (rest := recorded.after(request.cursor)) is not None]
        longer = [
            recorded
            for recorded in found
            if len(recorded.pages) + (not isinstance(recorded.outcome, Closed)) > beyond
        ]
        return max(longer, key=_completeness, default=None)

    def missing(self, request: RecordedRequest, what: str) -> NotRecordedError:
        """Return the error for a request without an answer; it names the requests that were recorded."""
        same_operation = [
            recorded.request
            for calls in self._calls.values()
            for recorded in calls[:1]
            if recorded.request.operation == request.operation
        ]
        named = "; ".join(_as_call(each) for each in same_operation[:_NAMED]) or f"no {request.operation}"
        more = f"; and {len(same_operation) - _NAMED} more" if len(same_operation) > _NAMED else ""
        return NotRecordedError(
            f"{_as_call(request)} {what}; the cassette {self._path} has {named}{more}; record it anew, making this "
            f"request of Recording(connector, {str(self._path)!r})"
        ).locate(operation=request.operation, entity=request.entity, cursor=request.cursor)


@attrs.define(eq=False)
class _Playback:
    """Plays a recorded read back, page by page."""

    _player: Player
    _recorded: RecordedCall
    _position: int = attrs.field(default=0, init=False)
    _last: Cursor = attrs.field(default=None, init=False)

    def next_page(self) -> Page | None:
        """Return the next page, None at the end. Raises the recorded error, and `NotRecordedError` where the recording stops."""
        if self._position == len(self._recorded.pages) and isinstance(self._recorded.outcome, Closed):
            self._go_on()
        if self._position < len(self._recorded.pages):
            page = self._recorded.pages[self._position]
            self._position += 1
            self._last = page.cursor
            return page
        if isinstance(self._recorded.outcome, Failed):
            raise self._recorded.outcome.error()
        return None

    def _go_on(self) -> None:
        """Continue with another recording, which has the pages after the one where this read was closed."""
        request = self._recorded.request
        longer = self._player.longest(request, self._position)
        if longer is not None:
            self._recorded = longer
            return
        if self._position and self._last is not None:
            longer = self._player.longest(attrs.evolve(request, cursor=self._last), 0)
        if longer is None:
            raise self._player.missing(
                request, f"was recorded up to page {self._position}, where the read was closed"
            )
        self._recorded, self._position = longer, 0


def _completeness(recorded: RecordedCall) -> tuple[int, int]:
    outcome = recorded.outcome
    return 2 if isinstance(outcome, Ended) else 1 if isinstance(outcome, Failed) else 0, len(recorded.pages)


def _as_call(request: RecordedRequest) -> str:
    parts = request.to_json()
    arguments = [
        f"{name}={value!r}"[:80] for name, value in parts.items() if name not in ("operation", "entity")
    ]
    return (
        f"{request.operation}({', '.join([*([repr(request.entity)] if request.entity else []), *arguments])})"
    )
