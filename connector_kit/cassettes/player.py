"""Which of the recorded answers is given to a request. Pure but for the count of what was asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import attrs

from connector_kit.records.page import Cursor

from .errors import NotRecordedError
from .recorded_calls import Closed, Ended, Failed, Request, Take

if TYPE_CHECKING:
    from pathlib import Path

    from connector_kit.records.page import Page

    from .cassette import Cassette

__all__ = ["Player", "Reel"]

_NAMED = 5


class Player:
    """Gives to the n-th request of a kind the n-th answer that was recorded, and the last one from then on.

    A read at a cursor that was delivered but not asked for gets what followed that page.
    """

    def __init__(self, cassette: Cassette, path: Path) -> None:
        self._path = path
        self._takes: defaultdict[str, list[Take]] = defaultdict(list)
        self._asked: Counter[str] = Counter()
        for take in cassette.takes:
            self._takes[take.request.key].append(take)
        self._reads: defaultdict[str, list[Take]] = defaultdict(list)
        for take in cassette.takes:
            self._reads[attrs.evolve(take.request, cursor=None).key].append(take)

    def recorded(self, request: Request) -> Take | None:
        """Give the next answer to exactly this request; None where there is none."""
        key = request.key
        takes = self._takes.get(key)
        if takes is None:
            return None
        number = min(self._asked[key], len(takes) - 1)
        self._asked[key] += 1
        return takes[number]

    def answer(self, request: Request) -> Take:
        """Give the next answer to a request. Raises `NotRecordedError`."""
        take = self.recorded(request) or self.longest(request, -1)
        if take is None:
            raise self.missing(request, "was not recorded")
        return take

    def longest(self, request: Request, beyond: int) -> Take | None:
        """Give the answer that tells most of a read: to its end, else to an error, else with the most pages.

        None where no answer tells what comes after the first `beyond` pages.
        """
        if request.operation != "fetch_data":
            return None
        found = list(self._takes.get(request.key, ()))
        if request.cursor is not None:
            reads = self._reads.get(attrs.evolve(request, cursor=None).key, ())
            found += [rest for take in reads if (rest := take.after(request.cursor)) is not None]
        telling = [
            take for take in found if len(take.pages) + (not isinstance(take.outcome, Closed)) > beyond
        ]
        return max(telling, key=_tells, default=None)

    def missing(self, request: Request, what: str) -> NotRecordedError:
        """Make the error that says what there is instead."""
        alike = [
            take.request
            for takes in self._takes.values()
            for take in takes[:1]
            if take.request.operation == request.operation
        ]
        named = "; ".join(_named(each) for each in alike[:_NAMED]) or f"no {request.operation}"
        more = f"; and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
        error = NotRecordedError(
            f"{_named(request)} {what}; the cassette {self._path} has {named}{more}; record it anew, making this "
            f"request of Recording(connector, {str(self._path)!r})"
        )
        error.locate(operation=request.operation, entity=request.entity, cursor=request.cursor)
        return error


@attrs.define(eq=False)
class Reel:
    """Plays a read back, page by page."""

    _player: Player
    _take: Take
    _place: int = attrs.field(default=0, init=False)
    _last: Cursor = attrs.field(default=None, init=False)

    def next_page(self) -> Page | None:
        """Give the next page, None at the end. Raises the recorded error, and `NotRecordedError` after what there is."""
        if self._place == len(self._take.pages) and isinstance(self._take.outcome, Closed):
            self._go_on()
        if self._place < len(self._take.pages):
            page = self._take.pages[self._place]
            self._place += 1
            self._last = page.cursor
            return page
        if isinstance(self._take.outcome, Failed):
            raise self._take.outcome.error()
        return None

    def _go_on(self) -> None:
        """Change over to another answer that tells what came after the place where this read was closed."""
        request = self._take.request
        longer = self._player.longest(request, self._place)
        if longer is not None:
            self._take = longer
            return
        if self._place and self._last is not None:
            longer = self._player.longest(attrs.evolve(request, cursor=self._last), 0)
        if longer is None:
            raise self._player.missing(
                request, f"was recorded up to page {self._place}, where the read was closed"
            )
        self._take, self._place = longer, 0


def _tells(take: Take) -> tuple[int, int]:
    return 2 if isinstance(take.outcome, Ended) else 1 if isinstance(take.outcome, Failed) else 0, len(
        take.pages
    )


def _named(request: Request) -> str:
    told = request.told()
    arguments = [
        f"{name}={value!r}"[:80] for name, value in told.items() if name not in ("operation", "entity")
    ]
    return (
        f"{request.operation}({', '.join([*([repr(request.entity)] if request.entity else []), *arguments])})"
    )
