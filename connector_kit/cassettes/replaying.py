"""`Replaying`: a connector that answers from a cassette, as the one that was recorded did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anyio.lowlevel import checkpoint

from .cassette import Cassette, read
from .player import Player, Reel
from .recorded_calls import Failed, Request, Returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Replaying"]


@attrs.frozen
class Replaying:
    """Gives the pages, cursors, quotas and errors that `Recording` wrote to the file `path`.

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
        """Give the recorded catalog."""
        await checkpoint()
        catalog: Catalog = self._answer(Request("discover_schema"))
        return catalog

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read the recorded pages."""
        return _ReplayedPages(self._player, Request("fetch_data", entity, since, cursor))

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give the recorded sample with this limit."""
        await checkpoint()
        records: Sequence[Record] = self._answer(Request("get_sample_data", entity, limit=limit))
        return records

    def validate_config(self) -> None:
        """Raise what was raised."""
        self._lifecycle("validate_config")

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the recorded partitions for this target."""
        await checkpoint()
        cursors: Sequence[Cursor] = self._answer(Request("partition_data", entity, since, target=target))
        return cursors

    def _lifecycle(self, operation: str) -> None:
        take = self._player.recorded(Request(operation))
        if take is not None and isinstance(take.outcome, Failed):
            raise take.outcome.error()

    def _answer(self, request: Request) -> Any:
        outcome = self._player.answer(request).outcome
        if isinstance(outcome, Failed):
            raise outcome.error()
        if not isinstance(outcome, Returned):
            raise self._player.missing(request, "was recorded without an answer")
        return outcome.value


class _ReplayedPages:
    """A recorded read. Which one it is, is decided when its first page is asked for, as it was recorded then."""

    __slots__ = ("_over", "_player", "_reel", "_request")

    def __init__(self, player: Player, request: Request) -> None:
        self._player = player
        self._request = request
        self._reel: Reel | None = None
        self._over = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._over:
            raise StopAsyncIteration
        self._over = (
            True  # until there is a page: an error, a cancellation and the end are all the last of it
        )
        if self._reel is None:
            self._reel = Reel(self._player, self._player.answer(self._request))
        await checkpoint()
        page = self._reel.next_page()
        if page is None:
            raise StopAsyncIteration
        self._over = False
        return page

    async def aclose(self) -> None:
        self._over = True
