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
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, WatchedPages
from connector_kit.testing.conformance.telling import telling

from .baseline import Baseline, result_or_error, retried, smallest
from .resources import Resources, growing, resources_held, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

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
                reads.append(Baseline(subject, entity, reading))
            else:
                findings.unchecked(f"{entity.name}: it has no records")
    for read in reads:
        if await retried(read, partial(_close_early, read, findings), findings, _CLOSED_EARLY):
            await _read_two_at_once(read, read, findings)
    for one, other in pairwise(reads):
        await _read_two_at_once(one, other, findings)
    chosen = smallest(reads)
    if chosen is not None:
        await _close_many(chosen, findings)
        cancelled = f"after reads of {chosen.name} that were cancelled"
        await retried(chosen, partial(_cancel, chosen, cancelled, findings), findings, cancelled)


async def _close_early(read: Baseline, findings: Findings) -> None:
    """Close a read before its first page and after each of the first ones; then read all with the same connector."""
    most = min(_EARLY, len(read.reading.pages))
    async with read.subject.connector() as connector:
        goes_on = [await _goes_on(connector, read.name, pages) for pages in range(most + 1)]
        now = await read.read(connector, pages=read.pages)
    if any(goes_on):
        findings.broken(
            "a read that is closed goes on: asked again, it delivers a page",
            expected="StopAsyncIteration: what is closed has ended",
            mend="let `aclose` end the iterator for good; an async generator does that by itself",
            entity=read.name,
        )
    mend = "keep what a read is at in local variables of fetch_data, not on the connector"
    whole = await _next_is_whole(read, now, read.name, _CLOSED_EARLY, mend, findings)
    if whole and not any(goes_on):
        findings.checked(f"{read.name}: closed after 0 to {most} pages, and twice; then read in full")


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


async def _next_is_whole(
    read: Baseline, now: Reading, what: str, when: str, mend: str, findings: Findings
) -> bool:
    """Compare the next read of the same connector. Return whether it is right."""
    different = read.differing(now)
    if different and await read.confirmed(findings, what):
        findings.broken(
            f"{when}, the next one of the same connector delivers {len(now.records)} records",
            expected=f"the {len(read.reading.records)} of a read by a new connector",
            mend=mend,
            entity=read.name,
            records=different,
        )
    return not different


async def _close_many(read: Baseline, findings: Findings) -> None:
    """Open a read, take a page and close it, over and over, and look whether the process holds more and more."""
    when = f"with {_ROUNDS} reads of {read.name} one after the other, each closed after its first page"
    rounds: list[Resources] = []
    if not await retried(read, partial(_close_in_rounds, read, rounds), findings, when):
        return
    expected = "that closing a read gives back all that it held"
    mend = "give it back in a `finally` around the yield, or with an `async with` there"
    if _gives_back(rounds[_FILLING:], read.name, when, expected, mend, findings):
        findings.checked(f"nothing is left {when}")


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


def _gives_back(
    rounds: list[Resources], entity: str, when: str, expected: str, mend: str, findings: Findings
) -> bool:
    more = growing(rounds) if rounds else {}
    for kind, names in more.items():
        findings.broken(
            f"{when}, there are more and more {kind}: {', '.join(names)}",
            expected=expected,
            mend=mend,
            entity=entity,
        )
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


async def _read_two_at_once(one: Baseline, other: Baseline, findings: Findings) -> None:
    """Read both in turn, then both at the same time, then one to its end after the other was closed early."""
    same = one.name == other.name
    both = f"two reads of {one.name}" if same else f"reads of {one.name} and {other.name}"
    ways = {f"{both} in turn": _in_turn, f"{both} at the same time": _at_the_same_time}
    if same:
        ways[f"a read of {one.name} while another was closed"] = _one_closed
    for way, run in ways.items():
        look = partial(_compare_two, (one, other), way, run, findings)
        if not await retried(one, look, findings, f"with {way}"):
            return  # the others would only take as long, and fail alike


async def _compare_two(
    reads: tuple[Baseline, Baseline],
    way: str,
    run: Callable[[_OpenRead, _OpenRead], Awaitable[None]],
    findings: Findings,
) -> None:
    async with reads[0].subject.connector() as connector, AsyncExitStack() as streams:
        one, other = [_opened(connector, read, streams) for read in reads]
        await run(one, other)
        right = _is_unchanged(one, way, findings) and _is_unchanged(other, way, findings)
    if right and await _is_as_alone(one, way, findings) and await _is_as_alone(other, way, findings):
        findings.checked(f"{way}: each delivers what it does alone")


def _opened(connector: Watched, read: Baseline, streams: AsyncExitStack) -> _OpenRead:
    stream = connector.fetch_data(read.name)
    streams.push_async_callback(close_broken_stream, stream)
    most = min(_PAGES_AT_ONCE, len(read.reading.pages) + 1)  # one more: the end belongs to a read
    return _OpenRead(read, stream, most)


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


def _is_unchanged(read: _OpenRead, way: str, findings: Findings) -> bool:
    """Compare the pages with what they were when they came."""
    if read.error is not None:
        raise read.error
    changed = next((page for page in read.seen if not page.still()), None)
    if changed is not None:
        findings.broken(
            f"{way}: a page that had been delivered was changed afterwards",
            expected="pages that stay what they are",
            mend=_LOCAL,
            entity=read.alone.name,
            page=changed.number,
            records=changed.records,
        )
    return changed is None


async def _is_as_alone(read: _OpenRead, way: str, findings: Findings) -> bool:
    """Compare what was delivered with an undisturbed read."""
    different = read.alone.differing(Reading(tuple(read.seen), read.ended))
    if different and await read.alone.confirmed(findings, way):
        findings.broken(
            f"{way}: one delivers other records than it does alone",
            expected="that each read delivers what it does alone",
            mend=_LOCAL,
            entity=read.alone.name,
            records=different,
        )
    return not different


async def _cancel(read: Baseline, when: str, findings: Findings) -> None:
    """Cancel reads at the first, a middle and the last page, then read all with the same connector."""
    right = True
    moments = _moments(len(read.reading.pages))
    async with read.subject.connector() as connector:
        delivered: list[int] = []  # at the first page, after how many turns
        for page, turns in moments:
            interrupted = await _interrupt(connector, read, page, turns, findings)
            if interrupted.delivered:
                delivered += [turns] if page == 1 else []
                right = _passes_on(interrupted, read.name, page, findings) and right
        rounds: list[Resources] = [resources_held()]
        for _ in range(_CANCELLED_ROUNDS if delivered else 0):
            await _interrupt(connector, read, 1, delivered[-1], findings)
            rounds.append(await settled(rounds[-1]))
        now = await read.read(connector, pages=read.pages)
    expected = "that a cancelled read gives back all that it held"
    mend = "give it back in a `finally`, or with an `async with`, which a cancellation passes, too"
    right = _gives_back(rounds[1:], read.name, when, expected, mend, findings) and right
    mend = "give back in a `finally` what a request has taken, and leave no half-read answer behind"
    if await _next_is_whole(read, now, when, when, mend, findings) and right:
        findings.checked(f"{read.name}: cancelled at {len(moments)} moments, then read in full")


def _moments(pages: int) -> list[tuple[int, int]]:
    """Return the moments: at which page, the first is 1, and after how many turns of the event loop."""
    last = min(pages, _CANCELLED_PAGES)
    later = sorted({(last + 1) // 2, last} - {1})
    return [(1, turns) for turns in _TURNS] + [(page, turns) for page in later for turns in _LATER_TURNS]


async def _interrupt(
    connector: Watched, read: Baseline, page: int, turns: int, findings: Findings
) -> Interrupted:
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
                    await interrupted.over()
                if not interrupted.answer and interrupted.delivered:
                    what = f"cancelled while it waits for a page, a read does not end within {limit:g} s"
                    findings.broken(
                        what, expected=_CANCELLED, mend=_MEND_CANCELLED, entity=read.name, page=page
                    )
    finally:
        await close_broken_stream(stream)
    if interrupted.answer == "error" and interrupted.error is not None and not interrupted.cancelled:
        raise interrupted.error
    return interrupted


def _passes_on(interrupted: Interrupted, entity: str, page: int, findings: Findings) -> bool:
    """Return whether a cancellation that reached the connector came out again."""
    if interrupted.answer == "cancelled":
        return True
    error = interrupted.error
    came = {"page": "a page", "end": "the end of the read", "error": f"{type(error).__name__}: {error}"}
    findings.broken(
        "the cancellation is swallowed: cancelled while it waits for a page, a read answers with "
        f"{came.get(interrupted.answer, 'nothing')}",
        expected=_CANCELLED,
        mend=_MEND_CANCELLED,
        entity=entity,
        page=page,
    )
    return False


Interruption: TypeAlias = Literal["", "cancelled", "page", "end", "error"]


class Interrupted:
    """Asks for a page and is cancelled meanwhile; knows whether the cancellation got as far as the connector.

    `answer` is what came: empty as long as nothing did.
    A page that comes all the same is no fault by itself: it may have been there already, or be fetched where nothing
    can be interrupted, in a thread or behind a shield. Only where the cancellation was raised inside of the connector,
    which `delivered` tells, must it come out again.
    """

    def __init__(self, stream: AsyncIterator[Page]) -> None:
        self._stream = stream
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()
        self.answer: Interruption = ""
        self.error: BaseException | None = None
        self.delivered = False

    async def ask(self) -> None:
        """Ask for the page; returns when there is an answer of any kind."""
        cancelled = anyio.get_cancelled_exc_class()
        try:
            with self._scope:
                try:
                    await _Observed(self._stream, self)
                except BaseException as error:
                    self.answer, self.error = _kind(error, cancelled), error
                    if not isinstance(error, Exception):
                        raise
                else:
                    self.answer = "page"
        finally:
            self._over.set()

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

    async def over(self) -> None:
        """Wait until there is an answer."""
        await self._over.wait()

    def see(self, error: object) -> None:
        """Take note of what the event loop raises where the connector waits."""
        if self.cancelled and isinstance(error, anyio.get_cancelled_exc_class()):
            self.delivered = True


def _kind(error: BaseException, cancelled: type[BaseException]) -> Interruption:
    if isinstance(error, StopAsyncIteration):
        return "end"
    if isinstance(error, cancelled):
        return "cancelled"
    if _is_group(error) and error.split(cancelled)[1] is None:
        return "cancelled"
    return "error"


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


class _Observed:
    """Awaits a page, and passes what the event loop sends through by hand, in order to see it."""

    def __init__(self, stream: AsyncIterator[Page], observer: Interrupted) -> None:
        self._stream = stream
        self._observer = observer

    def __await__(self) -> Generator[Any, Any, Page]:
        waiting = _generator(self._stream.__anext__())
        try:
            wanted = next(waiting)
            while True:
                try:
                    answer = yield wanted
                except BaseException as error:  # noqa: BLE001 - passed on; asyncio raises a cancellation like this
                    self._observer.see(error)
                    wanted = waiting.throw(error)
                else:
                    self._observer.see(getattr(answer, "error", None))  # trio sends it as an outcome
                    wanted = waiting.send(answer)
        except StopIteration as end:
            page: Page = end.value
            return page


async def _awaited(awaitable: Awaitable[Page]) -> Page:
    return await awaitable


def _generator(awaitable: Awaitable[Page]) -> Generator[Any, Any, Page]:
    """Return what `await` would step through: of an iterator it may be one without `send` and `throw`."""
    return _awaited(awaitable).__await__()
