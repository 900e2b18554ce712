"""What is free: the protocol of books, several as one, and the books that rates ask for.

A book decides and keeps count; it never waits. Who gets what is free is the matter of the `queue`, and the two meet in
the `gate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .calendar_window import CalendarWindow
from .gcra import Gcra
from .rate import Rate
from .windows import SlidingLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector_kit.clock import Clock

    from .calendar_rate import CalendarRate
    from .count_file import CountFile
    from .rate import Rates

__all__ = ["Book", "Books", "book_of"]

_EXACT = 10_000
_GRAINS = 1_000


class Book(Protocol):
    """The permits under a rate: which are free, and who has taken how many.

    Moments are integer nanoseconds of a monotonic clock; those given to one book never go back. Nothing here waits:
    `take`, and `ready_at` followed by `commit` with no await between, are one decision.
    """

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once; no cost above it is asked for."""
        ...

    def ready_at(self, now: int, cost: int, /) -> int:
        """Give the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        ...

    def commit(self, now: int, cost: int, /) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        ...

    def take(self, now: int, cost: int, /) -> bool:
        """Take `cost` permits if they are free."""
        ...

    def in_use(self, now: int, /) -> bool:
        """Whether anything taken still counts, so that an empty book in place of this one would say otherwise."""
        ...

    def earliest(self, now: int, permits: int, not_before: int, /) -> int:
        """Give a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        `permits` may be above `cost_limit`. A bound from below, as sharp as can be had without simulating.
        """
        ...


class Books:
    """Several books as one: what all have free, taken from all or none."""

    __slots__ = ("_books", "cost_limit")

    def __init__(self, books: Sequence[Book]) -> None:
        self._books = tuple(books)
        self.cost_limit = min(book.cost_limit for book in books)

    def ready_at(self, now: int, cost: int, /) -> int:
        """Give the earliest moment at which every book has `cost` permits free."""
        latest = now
        for book in self._books:
            latest = max(latest, book.ready_at(now, cost))
        return latest

    def commit(self, now: int, cost: int, /) -> None:
        """Take `cost` permits from every book. Only the first may fail to, so that then none has given any."""
        for book in self._books:
            book.commit(now, cost)

    def take(self, now: int, cost: int, /) -> bool:
        """Take `cost` permits from every book, or none."""
        for book in self._books:
            if book.ready_at(now, cost) > now:
                return False
        for book in self._books:
            book.commit(now, cost)
        return True

    def in_use(self, now: int, /) -> bool:
        """Whether anything taken still counts in any book."""
        return any(book.in_use(now) for book in self._books)

    def earliest(self, now: int, permits: int, not_before: int, /) -> int:
        """Give the latest of the books' bounds."""
        return max(book.earliest(now, permits, not_before) for book in self._books)


def book_of(rates: Rates, clock: Clock, file: CountFile | None = None, extra: Iterable[Book] = ()) -> Book:
    """Make the book that keeps to all of `rates`, and to the books in `extra`.

    A hard window that another one implies is left out: it would hold nothing up and cost memory. `file` keeps the
    counts of the calendar.
    """
    implied = {id(dead.rate) for dead in rates.dead() if isinstance(dead.because, Rate)}
    by_calendar: dict[str, CalendarRate] = {}
    books: list[Book] = []
    for rate in rates:
        if isinstance(rate, Rate):
            if id(rate) not in implied:
                books.append(_book_of(rate))
        elif rate.calendar not in by_calendar or rate.limit < by_calendar[rate.calendar].limit:
            by_calendar[rate.calendar] = rate
    calendars = [_calendar_book(rate, clock, file) for rate in by_calendar.values()]
    # The calendars come first: storing their counts may fail, and then no permit may be taken anywhere.
    every = [*calendars, *books, *extra]
    return every[0] if len(every) == 1 else Books(every)


def _book_of(rate: Rate) -> Book:
    if rate.burst is not None:
        return Gcra(rate.burst, rate.interval_ns)
    # Above 10,000 permits, one entry for each would be megabytes: what is granted within a thousandth of the window
    # shares one.
    grain = rate.per.ns // _GRAINS if rate.limit > _EXACT else 0
    return SlidingLog(rate.limit, rate.per.ns, grain)


def _calendar_book(rate: CalendarRate, clock: Clock, file: CountFile | None) -> Book:
    if file is None:
        return CalendarWindow(rate, clock.now)
    return CalendarWindow(rate, clock.now, file.counts(rate.calendar), file.save)
