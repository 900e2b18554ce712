"""Single faults on the wire: each has to surface as the error of its class, with nothing lost before or after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from connector_kit.errors import (
    AuthenticationError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    TransientError,
)
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.reading import Reading, SeenPage
from connector_kit.testing.conformance.wire import Hold, Reset, Trickle, WireFault, plan_text
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import layers

from .identity import cursor_of
from .readings import full_reads
from .steady import QuietRead, attempted
from .wire_judgements import SURFACES, Attempt, Problem, class_of, differs, hidden, misdelivered, misread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.protocols import Connector
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject
    from connector_kit.testing.conformance.wire import Wire

    from .secrets_shown import SecretsShown

__all__ = ["look_at_wire_errors"]

FIRST_REQUESTS: Final = 3
"""At which requests of a read faults are made."""

MOST_PAGES: Final = 8
"""How far such a read goes."""

MOST_ENTITIES: Final = 2

_HOLD_SECONDS: Final = 1.0
_RESETS: Final = 5


async def look_at_wire_errors(subject: Subject, shown: SecretsShown, found: Findings) -> None:
    """Make each kind of fault at each of the first requests."""
    if not subject.bounds.faults:
        found.unchecked("errors on the wire (faults are turned off)")
        return
    if subject.wire is None:
        found.unchecked("errors on the wire (give wire=...)")
        return
    if any(isinstance(layer, Retrying) for layer in layers(subject.factory())):
        found.unchecked(
            "errors on the wire: there is a Retrying in the stack, which mends them; give the bare connector"
        )
        return
    look = _Look(subject, subject.wire, shown, found)
    await look.at_opening()
    reads = [QuietRead(entity, reading) for entity, reading in await full_reads(subject, found)]
    reads.sort(key=lambda read: -len(read.reading.pages))
    for read in reads[:MOST_ENTITIES]:
        await look.at_read(read)
    if left := [read.name for read in reads[MOST_ENTITIES:]]:
        found.unchecked(
            f"errors on the wire in reads of {', '.join(left)} (looked at in those of the longest)"
        )


class _Look:
    """The reads under single faults, on a wire, and which problems were told already: one of a kind is enough."""

    def __init__(self, subject: Subject, wire: Wire, shown: SecretsShown, found: Findings) -> None:
        self._subject = subject
        self._wire = wire
        self._shown = shown
        self._found = found
        self._told: set[tuple[str, str]] = set()
        self._held = False

    async def at_opening(self) -> None:
        """Let the first request of connecting and asking for the catalog fail."""
        usual = await self._open(())
        if not usual.requests:
            self._found.unchecked("errors on the wire in connect and discover_schema: they make no request")
            return
        told = len(self._told)
        for fault, kind in SURFACES:
            attempt = await self._open([fault])
            if kind in (AuthenticationError, PermissionDeniedError) and isinstance(
                attempt.error, AuthenticationError | PermissionDeniedError
            ):
                continue  # who asks for a token may be refused in either way
            problem = misread(fault, kind, attempt.error) or hidden(fault, attempt, usual)
            if problem is not None:
                self._tell(attrs.evolve(problem, what=f"connect, discover_schema: {problem.what}"), (fault,))
        if len(self._told) == told:
            self._found.checked(
                f"{len(SURFACES)} faults on the wire at the first request of connect, discover_schema"
            )

    async def at_read(self, read: QuietRead) -> None:
        """Let each of the first requests of a read fail in each way."""
        usual = await self._read(read, ())
        requests = min(usual.requests, FIRST_REQUESTS)
        if usual.error is not None or not requests:
            why = (
                "it makes no request on the wire"
                if usual.error is None
                else "its source failed in the middle"
            )
            self._found.unchecked(f"errors on the wire in a read of {read.name}: {why}")
            return
        told, tried = len(self._told), 0
        kinds: list[WireFault] = [*(fault for fault, _ in SURFACES), Trickle()]
        faults = [(fault, place) for fault in kinds for place in range(requests)]
        if not self._held:  # once: where the client waits long, this takes its time
            self._held = True
            faults.append((Hold(min(_HOLD_SECONDS, 0.8 * self._subject.bounds.call_seconds)), requests - 1))
        for fault, place in faults:
            problem, attempt = await self._problem(read, fault, place, usual)
            tried += 1
            if problem is None or (problem.kind, plan_text((fault,))) in self._told:
                continue
            if not await read.still_the_same(self._subject):
                self._found.unchecked(
                    f"errors on the wire in reads of {read.name}: the source changed meanwhile"
                )
                return
            failed = None if attempt is None or attempt.error is None else len(attempt.reading.pages) + 1
            self._tell(problem, (*[None] * place, fault), read.name, failed)
        if len(self._told) == told:
            self._found.checked(
                f"{tried} single faults on the wire at the first {requests} requests of {read.name}"
            )

    async def _problem(
        self, read: QuietRead, fault: WireFault, place: int, usual: Attempt
    ) -> tuple[Problem | None, Attempt | None]:
        plan = (*[None] * place, fault)
        async with self._subject.connector() as connector:
            try:
                attempt = await self._read_with(connector, read, plan)
            except NoAnswerError as hang:
                return Problem(
                    "hang", str(hang), "an answer or an error", "set a time limit in the client"
                ), None
            problem = (
                misread(fault, class_of(fault), attempt.error)
                or misdelivered(read, attempt)
                or hidden(fault, attempt, usual)
            )
            if problem is None and isinstance(attempt.error, TransientError):
                problem = await self._after(connector, read, attempt)
        if problem is not None and problem.kind == "hidden" and isinstance(fault, Reset):
            again = await self._read(read, (*[None] * place, *[fault] * _RESETS))
            if again.error is not None and again.requests <= place + 2:
                return None, attempt  # a client may open a stale connection anew, once
        return problem, attempt

    async def _after(self, connector: Connector, read: QuietRead, attempt: Attempt) -> Problem | None:
        """Go on with the same connector after an error, where that is possible."""
        before = attempt.reading
        cursor = cursor_of(before.pages[-1]) if before.pages else None
        if before.pages and cursor is None:
            return None

        async def go_on() -> Reading:
            return await self._subject.read(connector, read.entity.name, cursor=cursor, pages=MOST_PAGES)

        try:
            got = await attempted(go_on)
        except (
            CursorExpiredError,
            RateLimitError,
        ):  # answers: start again, or wait as long as the source has said
            return None
        seen = (
            differs(read, [*before.records, *got.records], ended=got.ended)
            if isinstance(got, Reading)
            else got
        )
        if seen is None:
            return None
        return Problem(
            "after",
            f"going on after {type(attempt.error).__name__} with the same connector: {seen.what}",
            "what followed",
            "leave nothing behind in the connector when a request fails",
            seen.records,
        )

    async def _open(self, plan: Sequence[WireFault | None]) -> Attempt:
        before = self._wire.requests
        error: Exception | None = None
        self._wire.fail(plan)
        try:
            async with self._subject.connector() as connector:
                await connector.discover_schema()
        except (EnoughError, NoAnswerError):
            raise
        except Exception as raised:  # noqa: BLE001 - whatever an author's connector raises is judged, not passed on
            self._shown.look_at_error(raised)
            error = raised
        finally:
            self._wire.fail(())
        return Attempt(Reading((), ended=False), error, self._wire.requests - before)

    async def _read(self, read: QuietRead, plan: Sequence[WireFault | None]) -> Attempt:
        async with self._subject.connector() as connector:
            return await self._read_with(connector, read, plan)

    async def _read_with(
        self, connector: Connector, read: QuietRead, plan: Sequence[WireFault | None]
    ) -> Attempt:
        seen: list[SeenPage] = []
        error: Exception | None = None
        ended = False
        before = self._wire.requests
        self._wire.fail(plan)
        try:
            stream = connector.fetch_data(read.entity.name)
            ended = await self._subject.read_into(seen, stream, MOST_PAGES)
        except (EnoughError, NoAnswerError):
            raise
        except Exception as raised:  # noqa: BLE001 - whatever an author's connector raises is judged, not passed on
            self._shown.look_at_error(raised)
            error = raised
        finally:
            self._wire.fail(())
        return Attempt(Reading(tuple(seen), ended), error, self._wire.requests - before)

    def _tell(
        self,
        problem: Problem,
        plan: tuple[WireFault | None, ...],
        entity: str | None = None,
        page: int | None = None,
    ) -> None:
        self._told.add((problem.kind, plan_text(plan[-1:])))
        self._found.broken(
            problem.what,
            expected=problem.expected,
            mend=problem.mend,
            entity=entity,
            page=page,
            records=problem.records,
            plan=plan_text(plan),
        )
