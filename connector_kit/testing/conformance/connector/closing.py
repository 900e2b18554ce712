"""Law 8: closing a read early releases what it held, the next one works, and two at once do not disturb each other."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeGuard

import anyio
import attrs
from anyio.lowlevel import checkpoint

from connector_kit.capabilities import close_broken_stream, close_stream
from connector_kit.testing.conformance.reading import Reading, SeenPage
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject, Watched, WatchedPages
from connector_kit.testing.conformance.telling import telling

from .baseline import Baseline, result_or_error, retried, smallest
from .resources import Resources, growing, resources_held, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings

__all__ = ["Interrupted", "closing"]

_EARLY: Final = 3  # pages, after each of which a read is closed
_CLOSED_EARLY: Final = "after reads that were closed early"

_PAGES_AT_ONCE: Final = 10
_LOCAL: Final = "keep what a read is at in local variables of fetch_data, and make each page's records anew"

_ROUNDS: Final = 20  # a pool has ten places, as a rule: one that leaks runs dry
_EVERY: Final = 4  # rounds, there is a look at what the process holds
_FILLING: Final = 2  # looks, until pools and caches are full

_TURNS: Final = (1, 2, 3, 5, 8, 13, 40)
"""After how many turns of the event loop a read is cancelled; a request to a server is under way at the last ones."""
_LATER_TURNS: Final = (2, 5)  # the same for later pages, each of which costs all those before it
_CANCELLED_PAGES: Final = 5
_CANCELLED_ROUNDS: Final = 6  # of the same, to see whether the process holds more after each
_CANCELLED: Final = "that the cancellation comes out, and nothing else"
_MEND_CANCELLED: Final = (
    "let it pass: no `except BaseException`, no bare `except`, no `return` or `yield` in a `finally`"
)


@CONNECTOR_LAWS.law(
    8,
    "closing",
    "Closing early releases what the stream held; the next fetch works. Two fetches at once do not disturb each other.",
)
async def closing(subject: Subject, findings: Findings) -> None:
    """Close reads early, cancel them, and read two at once, of one entity and of different ones."""
    reads: list[Baseline] = []
    for entity in await subject.entities():
        with telling(findings, entity.name):
            reading = await subject.full_read(entity.name)
            if reading.records:
                reads.append(Baseline(subject, findings, entity, reading))
            else:
                findings.unchecked(f"{entity.name}: it has no records")
    for read in reads:
        if await retried(read, partial(_close_early, read), _CLOSED_EARLY):
            await _read_two_at_once(read, read)
    for one, other in pairwise(reads):
        await _read_two_at_once(one, other)
    chosen = smallest(reads)
    if chosen is not None:
        await _close_many(chosen)
        cancelled = f"after reads of {chosen.name} that were cancelled"
        await retried(chosen, partial(_cancel, chosen, cancelled), cancelled)


async def _close_early(read: Baseline) -> None:
    """Close a read before its first page and after each of the first ones; then read all with the same connector."""
    most = min(_EARLY, len(read.reading.pages))
    async with read.subject.connector() as connector:
        goes_on = [await _goes_on(connector, read.name, pages) for pages in range(most + 1)]
        now = await read.read(connector, pages=read.pages)
    if any(goes_on):
        read.broken(
            "a read that is closed goes on: asked again, it delivers a page",
            "StopAsyncIteration: what is closed has ended",
            "let `aclose` end the iterator for good; an async generator does that by itself",
        )
    mend = "keep what a read is at in local variables of fetch_data, not on the connector"
    if await _next_is_whole(read, now, read.name, _CLOSED_EARLY, mend) and not any(goes_on):
        read.findings.checked(f"{read.name}: closed after 0 to {most} pages, and twice; then read in full")


async def _goes_on(connector: Watched, entity: str, pages: int) -> bool:
    """Read so many pages and close the read twice. Return whether it goes on nevertheless."""
    stream = connector.fetch_data(entity)
    try:
        await stream.skip(pages)
        await stream.aclose()
        await stream.aclose()
        return stream.closable and not isinstance(await result_or_error(stream.__anext__), Exception)
    finally:
        await close_broken_stream(stream)


async def _next_is_whole(read: Baseline, now: Reading, what: str, when: str, mend: str) -> bool:
    """Compare the next read of the same connector. Return whether it is right."""
    different = read.differing(now)
    if different and await read.confirmed(what):
        read.broken(
            f"{when}, the next one of the same connector delivers {len(now.records)} records",
            f"the {len(read.reading.records)} of a read by a new connector",
            mend,
            different,
        )
    return not different


async def _close_many(read: Baseline) -> None:
    """Open a read, take a page and close it, over and over, and look whether the process holds more and more."""
    when = f"with {_ROUNDS} reads of {read.name} one after the other, each closed after its first page"
    rounds: list[Resources] = []
    if not await retried(read, partial(_close_in_rounds, read, rounds), when):
        return
    expected = "that closing a read gives back all that it held"
    mend = "give it back in a `finally` around the yield, or with an `async with` there"
    if _gives_back(read, rounds[_FILLING:], when, expected, mend):
        read.findings.checked(f"nothing is left {when}")


async def _close_in_rounds(read: Baseline, rounds: list[Resources]) -> None:
    rounds.clear()
    kept: list[AsyncIterator[Page]] = []  # nothing is given back by being thrown away
    async with read.subject.connector() as connector:
        before = resources_held()
        for number in range(1, _ROUNDS + 1):
            stream = connector.fetch_data(read.name)
            kept.append(stream)
            try:
                await stream.skip(1)
                await stream.aclose()
            finally:
                await close_broken_stream(stream)
            if number % _EVERY == 0:
                before = await settled(before)
                rounds.append(before)


def _gives_back(read: Baseline, rounds: list[Resources], when: str, expected: str, mend: str) -> bool:
    more = growing(rounds) if rounds else {}
    for kind, names in more.items():
        read.broken(f"{when}, there are more and more {kind}: {', '.join(names)}", expected, mend)
    return not more


@attrs.define(eq=False)
class _OpenRead:
    """One of two reads at once: what it should deliver, and what it has delivered so far."""

    alone: Baseline
    stream: WatchedPages
    most: int
    seen: list[SeenPage] = attrs.field(factory=list[SeenPage])
    ended: bool = False
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.ended or len(self.seen) >= self.most

    async def step(self) -> None:
        """Read a page."""
        try:
            page = await self.stream.__anext__()
        except StopAsyncIteration:
            self.ended = True
        else:
            self.seen.append(SeenPage.of(len(self.seen) + 1, page))

    async def rest(self) -> None:
        """Read what is left; what is raised is kept, so that it comes out alone and not as a part of a group."""
        try:
            while not self.done:
                await self.step()
        except Exception as error:  # noqa: BLE001 - raised again when both have ended
            self.error = error


async def _read_two_at_once(one: Baseline, other: Baseline) -> None:
    """Read both in turn, then both at the same time, then one to its end after the other was closed early."""
    same = one.name == other.name
    both = f"two reads of {one.name}" if same else f"reads of {one.name} and {other.name}"
    ways = {f"{both} in turn": _in_turn, f"{both} at the same time": _at_the_same_time}
    if same:
        ways[f"a read of {one.name} while another was closed"] = _one_closed
    for way, run in ways.items():
        if not await retried(one, partial(_compare_two, one, other, way, run), f"with {way}"):
            return  # the others would only take as long, and fail alike


async def _compare_two(
    one: Baseline, other: Baseline, way: str, run: Callable[[_OpenRead, _OpenRead], Awaitable[None]]
) -> None:
    async with one.subject.connector() as connector, AsyncExitStack() as streams:
        reads: list[_OpenRead] = []
        for read in (one, other):
            stream = connector.fetch_data(read.name)
            streams.push_async_callback(close_broken_stream, stream)
            most = min(_PAGES_AT_ONCE, len(read.reading.pages) + 1)  # one more: the end belongs to a read
            reads.append(_OpenRead(read, stream, most))
        await run(*reads)
        right = all(_is_unchanged(read, way) for read in reads)
    if right and await _is_as_alone(reads[0], way) and await _is_as_alone(reads[1], way):
        one.findings.checked(f"{way}: each delivers what it does alone")


async def _in_turn(one: _OpenRead, other: _OpenRead) -> None:
    while not (one.done and other.done):
        for each in (one, other):
            if not each.done:
                await each.step()


async def _at_the_same_time(one: _OpenRead, other: _OpenRead) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.rest)
        tasks.start_soon(other.rest)


async def _one_closed(one: _OpenRead, other: _OpenRead) -> None:
    await one.step()
    await other.step()
    await close_stream(other.stream)
    other.most = len(other.seen)
    await one.rest()


def _is_unchanged(read: _OpenRead, way: str) -> bool:
    """Compare the pages with what they were when they came."""
    if read.error is not None:
        raise read.error
    changed = next((page for page in read.seen if not page.still()), None)
    if changed is not None:
        read.alone.broken(
            f"{way}: a page that had been delivered was changed afterwards",
            "pages that stay what they are",
            _LOCAL,
            changed.records,
            page=changed.number,
        )
    return changed is None


async def _is_as_alone(read: _OpenRead, way: str) -> bool:
    """Compare what was delivered with an undisturbed read."""
    different = read.alone.differing(Reading(tuple(read.seen), read.ended))
    if different and await read.alone.confirmed(way):
        what = f"{way}: one delivers other records than it does alone"
        read.alone.broken(what, "that each read delivers what it does alone", _LOCAL, different)
    return not different


async def _cancel(read: Baseline, when: str) -> None:
    """Cancel reads at the first, a middle and the last page, then read all with the same connector."""
    right = True
    last = min(len(read.reading.pages), _CANCELLED_PAGES)
    moments = [(1, turns) for turns in _TURNS]
    moments += [(page, turns) for page in sorted({(last + 1) // 2, last} - {1}) for turns in _LATER_TURNS]
    async with read.subject.connector() as connector:
        delivered: list[int] = []  # at the first page, after how many turns
        for page, turns in moments:
            interrupted = await _interrupt(connector, read, page, turns)
            if interrupted.delivered:
                delivered += [turns] if page == 1 else []
                right = _passes_on(interrupted, read, page) and right
        rounds: list[Resources] = [resources_held()]
        for _ in range(_CANCELLED_ROUNDS if delivered else 0):
            await _interrupt(connector, read, 1, delivered[-1])
            rounds.append(await settled(rounds[-1]))
        now = await read.read(connector, pages=read.pages)
    expected = "that a cancelled read gives back all that it held"
    mend = "give it back in a `finally`, or with an `async with`, which a cancellation passes, too"
    right = _gives_back(read, rounds[1:], when, expected, mend) and right
    mend = "give back in a `finally` what a request has taken, and leave no half-read answer behind"
    if await _next_is_whole(read, now, when, when, mend) and right:
        read.findings.checked(f"{read.name}: cancelled at {len(moments)} moments, then read in full")


async def _interrupt(connector: Watched, read: Baseline, page: int, turns: int) -> Interrupted:
    """Cancel a read while it waits for a page, if it still waits then."""
    stream = connector.fetch_data(read.name)
    limit = read.subject.bounds.call_seconds * 0.75  # whoever isolates this abandons it a little after those
    try:
        await stream.skip(page - 1)
        interrupted = Interrupted(stream)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupted.ask)
            if await interrupted.cancel(turns=turns):
                with anyio.move_on_after(limit):
                    await interrupted.over.wait()
                if not interrupted.answer and interrupted.delivered:
                    what = f"cancelled while it waits for a page, a read does not end within {limit:g} s"
                    read.broken(what, _CANCELLED, _MEND_CANCELLED, page=page)
    finally:
        await close_broken_stream(stream)
    if interrupted.answer == "error" and interrupted.error is not None and not interrupted.cancelled:
        raise interrupted.error
    return interrupted


def _passes_on(interrupted: Interrupted, read: Baseline, page: int) -> bool:
    """Return whether a cancellation that reached the connector came out again."""
    if interrupted.answer == "cancelled":
        return True
    error = interrupted.error
    came = {"page": "a page", "end": "the end of the read", "error": f"{type(error).__name__}: {error}"}
    what = "the cancellation is swallowed: cancelled while it waits for a page, a read answers with"
    answer = came.get(interrupted.answer, "nothing")
    read.broken(f"{what} {answer}", _CANCELLED, _MEND_CANCELLED, page=page)
    return False


Interruption: TypeAlias = Literal["", "cancelled", "page", "end", "error"]


class Interrupted:
    """Asks for a page and is cancelled meanwhile; `answer` is what came, empty as long as nothing did.

    A page that comes all the same is no fault by itself: it may have been there already, or be fetched where nothing
    can be interrupted, in a thread or behind a shield. Only where the cancellation was raised inside of the connector,
    which `delivered` tells, must it come out again.
    """

    def __init__(self, stream: AsyncIterator[Page]) -> None:
        self._stream = stream
        self._scope = anyio.CancelScope()
        self.over = anyio.Event()
        self.answer: Interruption = ""
        self.error: BaseException | None = None
        self.delivered = False

    async def ask(self) -> None:
        """Ask for the page; returns when there is an answer of any kind."""
        cancelled = anyio.get_cancelled_exc_class()
        try:
            with self._scope:
                try:
                    await self
                except BaseException as error:
                    self.answer, self.error = _kind(error, cancelled), error
                    if not isinstance(error, Exception):
                        raise
                else:
                    self.answer = "page"
        finally:
            self.over.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled before there was an answer."""
        return self._scope.cancel_called

    async def cancel(self, *, turns: int) -> bool:
        """Cancel it after so many turns of the event loop; return whether there was something left to cancel."""
        for _ in range(turns):
            await checkpoint()
        if self.answer:
            return False
        self._scope.cancel()
        return True

    def __await__(self) -> Generator[Any, Any, Page]:
        """Await the page, and pass on by hand what the event loop sends, in order to see it."""
        waiting = _next_page(self._stream).__await__()
        try:
            wanted = next(waiting)
            while True:
                try:
                    answer = yield wanted
                except BaseException as error:  # noqa: BLE001 - passed on; asyncio raises a cancellation like this
                    self._look_for_cancellation(error)
                    wanted = waiting.throw(error)
                else:
                    self._look_for_cancellation(getattr(answer, "error", None))  # trio sends it as an outcome
                    wanted = waiting.send(answer)
        except StopIteration as end:
            page: Page = end.value
            return page

    def _look_for_cancellation(self, error: object) -> None:
        if self.cancelled and isinstance(error, anyio.get_cancelled_exc_class()):
            self.delivered = True


async def _next_page(stream: AsyncIterator[Page]) -> Page:
    return await stream.__anext__()  # which may be awaited without having `send` and `throw`


def _kind(error: BaseException, cancelled: type[BaseException]) -> Interruption:
    if isinstance(error, StopAsyncIteration):
        return "end"
    if isinstance(error, cancelled) or (_is_group(error) and error.split(cancelled)[1] is None):
        return "cancelled"
    return "error"


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)
