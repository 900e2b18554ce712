"""Law 9, errors: what is refused, what fails on the wire, and that no secret shows in whatever is said of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from connector_kit.errors import (
    AuthenticationError,
    ConnectorError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    TimedOutError,
    TransientError,
    UnknownEntityError,
)
from connector_kit.runtime.session import disconnect_surely
from connector_kit.testing.conformance.bounds import NoAnswerError
from connector_kit.testing.conformance.law import Evidence, Findings
from connector_kit.testing.conformance.overheard import SHORTEST, SecretForms, overhearing, texts_of
from connector_kit.testing.conformance.reading import Difference, Reading, SeenPage
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject, Watched
from connector_kit.testing.conformance.wire import (
    Answer,
    CutOff,
    Hold,
    Reset,
    Trickle,
    Wire,
    WireFault,
    WirePlan,
    failing,
    plan_text,
)
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import layers

from .baseline import Baseline, attempted, full_reads, result_or_error
from .record_texts import cursor_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor

__all__ = ["errors"]


_FOREIGN_CURSORS: Final[tuple[Cursor, ...]] = ({"no": "such"}, "garbage", -1, [])
"""No connector makes all of these, and each may come out of a file that somebody has edited."""

_MOST_PLACES: Final = 5  # that show a secret; who mends these looks again


@CONNECTOR_LAWS.law(
    9, "errors", "Errors are ConnectorErrors, classified, hide no fault, and never contain a secret."
)
async def errors(subject: Subject, findings: Findings) -> None:
    """Make a connector raise errors, on the wire, too, and look for secrets in all that shows of it.

    Where there are secrets, logs, warnings and output of the whole process are listened to meanwhile
    (`connector_kit.testing.conformance.overheard`).
    """
    shown = _SecretsShown(subject.secrets)
    try:
        with overhearing(shown.look_at) if shown.any_looked_for else nullcontext():
            await _check_unknown_entity(subject, shown, findings)
            await _check_foreign_cursors(subject, shown, findings)
            await _check_unconnected(subject, shown, findings)
            await _check_what_is_shown(subject, shown, findings)
            await _check_wire_errors(subject, shown.look_at_error, findings)
    finally:  # also where the bounds are reached: what was heard so far is told
        shown.tell(findings)


class _SecretsShown:
    """Looks for secrets in texts, and remembers where it found one and what stood around it."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        self._forms = SecretForms.of(self._secrets)
        self._places: dict[str, str] = {}
        self._errors = 0
        self._texts = 0

    @property
    def any_looked_for(self) -> bool:
        """Whether there is a secret to look for."""
        return bool(self._forms.forms)

    def look_at(self, where: str, text: str) -> None:
        """Look for secrets in a text."""
        self._texts += 1
        excerpt = self._forms.excerpt(text)
        if excerpt is not None:
            self._places.setdefault(where, excerpt)

    def look_at_error(self, error: BaseException) -> None:
        """Look for secrets in all that a traceback of an error would show."""
        self._errors += 1
        for where, text in texts_of(error):
            self.look_at(where, text)

    async def error_of(self, call: Callable[[], Awaitable[object]]) -> Exception | None:
        """Return the error of a call, and look for secrets in it. Raises `EnoughError`, and `NoAnswerError`."""
        error = await result_or_error(call, NoAnswerError)
        if not isinstance(error, Exception):
            return None
        self.look_at_error(error)
        return error

    def tell(self, findings: Findings) -> None:
        """Tell where secrets showed, and what was not looked at."""
        if not self._secrets:
            findings.unchecked("secrets in messages, logs, cursors and output (give secrets=[...])")
            return
        short = sum(len(secret) < SHORTEST for secret in self._secrets)
        if short:
            findings.unchecked(f"{short} secrets of less than {SHORTEST} letters, which stand in any text")
        for where, excerpt in list(self._places.items())[:_MOST_PLACES]:
            findings.broken(
                f"a secret shows in {where}",
                expected="that no message, repr, log line or cursor contains one",
                mend="keep it in a Secret, and make messages of what was asked for, without headers and credentials",
                records=(excerpt,),
            )
        if self._texts and not self._places:
            findings.checked(
                f"no secret in {self._errors} errors, nor in repr, catalog, cursors, logs, warnings and output"
            )


async def _check_unknown_entity(subject: Subject, shown: _SecretsShown, findings: Findings) -> None:
    known = (await subject.catalog()).names
    name = "no_such_entity"
    while name in known:
        name += "_"
    async with subject.connector() as connector:
        error = await shown.error_of(partial(subject.read, connector, name, pages=1))
    match error:
        case UnknownEntityError() if name in str(error):
            findings.checked("an unknown entity is refused and named")
            return
        case UnknownEntityError():
            what = f"does not name it: {error}"
        case TransientError():
            findings.unchecked(f"an unknown entity: {type(error).__name__}: {error}")
            return
        case None:
            what = "raised nothing"
        case _:
            what = f"raised {type(error).__name__}: {error}"
    findings.broken(
        f"fetch_data({name!r}) {what}",
        expected=f"an UnknownEntityError that names {name!r}",
        mend="look the name up in the catalog, as in catalog[name], which raises the right error",
    )


async def _check_foreign_cursors(subject: Subject, shown: _SecretsShown, findings: Findings) -> None:
    for entity in await subject.entities():
        async with subject.connector() as connector:
            for cursor in _FOREIGN_CURSORS:
                read = partial(subject.read, connector, entity.name, cursor=cursor, pages=1)
                try:
                    error = await shown.error_of(read)
                except NoAnswerError as hang:
                    what, error = str(hang), hang
                else:
                    what = f"raised {type(error).__name__}: {error}"
                if error is not None and not isinstance(error, ConnectorError):
                    findings.broken(
                        f"fetch_data with the cursor {cursor!r}: {what}",
                        expected="a ConnectorError, or pages",
                        mend="look at the shape of a cursor first; raise CursorExpiredError for one that is none of yours",
                        entity=entity.name,
                    )
                    break  # the others would show the same once more
            else:
                findings.checked(
                    f"{entity.name} with {len(_FOREIGN_CURSORS)} cursors that are none of its own"
                )


async def _check_unconnected(subject: Subject, shown: _SecretsShown, findings: Findings) -> None:
    entity = (await subject.entities())[0].name
    calls: dict[str, Callable[[Watched], Awaitable[object]]] = {
        "discover_schema": lambda connector: connector.discover_schema(),
        f"fetch_data({entity!r})": lambda connector: subject.read(connector, entity, pages=1),
    }
    right = True
    for name, call in calls.items():
        connector = subject.make()
        try:
            error = await shown.error_of(partial(call, connector))
        finally:
            with suppress(Exception):  # what is wrong with disconnecting is the law of the lifecycle's to say
                await disconnect_surely(connector)
        if error is not None and not isinstance(error, ConnectorError):
            right = False
            findings.broken(
                f"{name} without connect raised {type(error).__name__}: {error}",
                expected="a ConnectorError that says so, or an answer",
                mend='raise RequestRejectedError("not connected; expected connect() first; ...") where there is no client',
            )
    if right:
        findings.checked("what comes without connect")


async def _check_what_is_shown(subject: Subject, shown: _SecretsShown, findings: Findings) -> None:
    """Look for secrets in what shows of a connector when nothing is wrong: its repr, its catalog, its cursors."""
    if not shown.any_looked_for:
        return
    async with subject.connector() as connector:
        shown.look_at("repr(connector)", repr(connector.inner))
        shown.look_at("str(connector)", str(connector.inner))
        shown.look_at("the catalog", repr(await connector.discover_schema()))
        for entity in await subject.entities():  # once more, so that it is heard what a read logs
            await shown.error_of(partial(subject.read, connector, entity.name, pages=1))
    for read in await full_reads(subject, findings):
        for page in read.reading.pages:
            shown.look_at(f"the cursor of page {page.number} of {read.name}", page.cursor or "")


_FIRST_REQUESTS: Final = 3  # of a read, at which faults are made
_MOST_PAGES: Final = 8  # of such a read
_MOST_ENTITIES: Final = 2
_RETRY_AFTER: Final = 2.0  # seconds; no default that somebody would write instead of reading the header
_HOLD_SECONDS: Final = 1.0
_RESETS: Final = 5

_SURFACES: Final[tuple[tuple[WireFault, type[ConnectorError]], ...]] = (
    (Answer(429, retry_after=_RETRY_AFTER), RateLimitError),
    (Answer(500), TransientError),
    (Answer(503), TransientError),
    (CutOff(), TransientError),
    (Reset(), TransientError),
    (Answer(401), AuthenticationError),
    (Answer(403), PermissionDeniedError),
)
"""What each fault has to surface as."""


@attrs.frozen
class _Attempt:
    """What came of a call: the pages before its error or its end, and how many requests passed the wire."""

    reading: Reading
    error: Exception | None
    requests: int


async def _check_wire_errors(
    subject: Subject, look_at_error: Callable[[Exception], None], findings: Findings
) -> None:
    """Make each kind of fault at each of the first requests; `look_at_error` gets each error that is raised."""
    wire = subject.wire
    if not subject.bounds.faults:
        findings.unchecked("errors on the wire (faults are turned off)")
    elif wire is None:
        findings.unchecked("errors on the wire (give wire=...)")
    elif any(isinstance(layer, Retrying) for layer in layers(subject.factory())):
        findings.unchecked(
            "errors on the wire: there is a Retrying in the stack, which mends them; give the bare connector"
        )
    else:
        faults = _SingleFaults(subject, wire, look_at_error, findings)
        await faults.check_opening()
        reads = await full_reads(subject, findings)
        reads.sort(key=lambda read: -len(read.reading.pages))
        for read in reads[:_MOST_ENTITIES]:
            await faults.check_read(read)
        if left := [read.name for read in reads[_MOST_ENTITIES:]]:
            findings.unchecked(
                f"errors on the wire in reads of {', '.join(left)} (looked at in those of the longest)"
            )


@attrs.define(eq=False)
class _SingleFaults:
    """Calls under single faults, and which evidence was told already: one of a kind is enough."""

    _subject: Subject
    _wire: Wire
    _look_at_error: Callable[[Exception], None]
    _findings: Findings
    _told: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]], init=False)
    _held: bool = attrs.field(default=False, init=False)

    async def check_opening(self) -> None:
        """Let the first request of connecting and asking for the catalog fail."""
        calls = "connect, discover_schema"
        usual = await self._attempt((), self._open)
        if not usual.requests:
            self._findings.unchecked(
                "errors on the wire in connect and discover_schema: they make no request"
            )
            return
        told = len(self._told)
        for fault, kind in _SURFACES:
            attempt = await self._attempt([fault], self._open)
            refusal = AuthenticationError | PermissionDeniedError
            if kind in (AuthenticationError, PermissionDeniedError) and isinstance(attempt.error, refusal):
                continue  # who asks for a token may be refused in either way
            if evidence := _misread(fault, kind, attempt.error) or _hidden(fault, attempt, usual):
                self._tell(attrs.evolve(evidence, what=f"{calls}: {evidence.what}"), (fault,))
        if len(self._told) == told:
            self._findings.checked(f"{len(_SURFACES)} faults on the wire at the first request of {calls}")

    async def check_read(self, read: Baseline) -> None:
        """Let each of the first requests of a read fail in each way."""
        usual = await self._read(read, ())
        requests = min(usual.requests, _FIRST_REQUESTS)
        if usual.error is not None or not requests:
            why = "its source failed in the middle" if usual.error else "it makes no request on the wire"
            self._findings.unchecked(f"errors on the wire in a read of {read.name}: {why}")
            return
        told = len(self._told)
        kinds: list[WireFault] = [*(fault for fault, _ in _SURFACES), Trickle()]
        faults = [(fault, place) for fault in kinds for place in range(requests)]
        if not self._held:  # once: where the client waits long, this takes its time
            self._held = True
            faults.append((Hold(min(_HOLD_SECONDS, 0.8 * self._subject.bounds.call_seconds)), requests - 1))
        for fault, place in faults:
            evidence = await self._evidence(read, fault, place, usual)
            if evidence is None or (evidence.expected, plan_text((fault,))) in self._told:
                continue
            if not await read.confirmed(f"errors on the wire in reads of {read.name}", in_order=True):
                return
            self._tell(attrs.evolve(evidence, entity=read.name), (*[None] * place, fault))
        if len(self._told) == told:
            self._findings.checked(
                f"{len(faults)} single faults on the wire at the first {requests} requests of {read.name}"
            )

    async def _evidence(
        self, read: Baseline, fault: WireFault, place: int, usual: _Attempt
    ) -> Evidence | None:
        async with self._subject.connector() as connector:
            try:
                attempt = await self._read_with(connector, read, (*[None] * place, fault))
            except NoAnswerError as hang:
                return Evidence(str(hang), "an answer or an error", "set a time limit in the client")
            evidence = _misread(fault, _class_of(fault), attempt.error) or _misdelivered(read, attempt)
            if evidence is None and isinstance(attempt.error, TransientError):
                evidence = await _misdelivered_after(connector, read, attempt)
        if evidence is None and (evidence := _hidden(fault, attempt, usual)) and isinstance(fault, Reset):
            again = await self._read(read, (*[None] * place, *[fault] * _RESETS))
            if again.error is not None and again.requests <= place + 2:
                return None  # a client may open a stale connection anew, once
        page = None if attempt.error is None else len(attempt.reading.pages) + 1
        return evidence and attrs.evolve(evidence, page=page)

    async def _open(self, _: list[SeenPage]) -> bool:
        async with self._subject.connector() as connector:
            await connector.discover_schema()
        return False

    async def _read(self, read: Baseline, plan: WirePlan) -> _Attempt:
        async with self._subject.connector() as connector:
            return await self._read_with(connector, read, plan)

    async def _read_with(self, connector: Connector, read: Baseline, plan: WirePlan) -> _Attempt:
        async def read_into(seen: list[SeenPage]) -> bool:
            return await self._subject.read_into(seen, connector.fetch_data(read.name), _MOST_PAGES)

        return await self._attempt(plan, read_into)

    async def _attempt(
        self, plan: Sequence[WireFault | None], call: Callable[[list[SeenPage]], Awaitable[bool]]
    ) -> _Attempt:
        seen: list[SeenPage] = []
        before = self._wire.requests
        with failing(self._wire, plan):
            ended = await result_or_error(partial(call, seen), NoAnswerError)
        error = ended if isinstance(ended, Exception) else None
        if error is not None:
            self._look_at_error(error)
        return _Attempt(Reading(tuple(seen), ended is True), error, self._wire.requests - before)

    def _tell(self, evidence: Evidence, plan: WirePlan) -> None:
        self._told.add((evidence.expected, plan_text(plan[-1:])))
        self._findings.broken(**attrs.asdict(attrs.evolve(evidence, plan=plan_text(plan))))


async def _misdelivered_after(connector: Connector, read: Baseline, attempt: _Attempt) -> Evidence | None:
    """Go on with the same connector after an error, where that is possible. Return what is wrong with the records."""
    before = attempt.reading
    cursor = cursor_of(before.pages[-1]) if before.pages else None
    if before.pages and cursor is None:
        return None
    try:
        got = await attempted(partial(read.read, connector, cursor=cursor, pages=_MOST_PAGES))
    except (
        CursorExpiredError,
        RateLimitError,
    ):  # answers: start again, or wait as long as the source has said
        return None
    if isinstance(got, Difference):
        differs: Difference | None = got
    else:
        differs = read.difference([*before.records, *got.records], ended=got.ended)
    if differs is None:
        return None
    what = f"going on after {type(attempt.error).__name__} with the same connector: {differs.what}"
    mend = "leave nothing behind in the connector when a request fails"
    return Evidence(what, "what followed", mend, records=differs.records)


def _class_of(fault: WireFault) -> type[ConnectorError]:
    """Return what a fault has to surface as, where it surfaces at all: a slow answer is one, if somebody waits for it."""
    slow = TimedOutError if isinstance(fault, Trickle) else TransientError
    return next((kind for known, kind in _SURFACES if known == fault), slow)


def _misread(fault: WireFault, kind: type[ConnectorError], error: Exception | None) -> Evidence | None:
    """Return what is wrong with the class of an error, or with the time to wait that it tells."""
    if error is None:
        return None
    what = f"{plan_text((fault,))[1:-1]} on the wire surfaced as {type(error).__name__}: {error}"
    if not isinstance(error, kind):
        return Evidence(what, kind.__name__, "give each of the client's errors its class (`Translating`)")
    wait = error.retry_after if isinstance(error, RateLimitError) else None
    if isinstance(fault, Answer) and fault.status == 429 and (wait is None or abs(wait - _RETRY_AFTER) > 1):  # noqa: PLR2004 - Too Many Requests
        expected = f"retry_after={_RETRY_AFTER:g}, as the source said"
        return Evidence(f"{what}, with retry_after={wait}", expected, "read the header Retry-After")
    return None


def _misdelivered(read: Baseline, attempt: _Attempt) -> Evidence | None:
    """Return what is wrong with the records before an error, or those of a read that ended without one."""
    differs = read.difference(attempt.reading.records, ended=attempt.reading.ended)
    if differs is None:
        return None
    how = "the read went on as if nothing had happened" if attempt.error is None else "before the error came"
    return Evidence(
        f"with a fault on the wire {how}: {differs.what}",
        "an error, and nothing but the records of the undisturbed read before it",
        "do not take a fault for an end, nor leave out or repeat a page: raise",
        records=differs.records,
    )


def _hidden(fault: WireFault, attempt: _Attempt, usual: _Attempt) -> Evidence | None:
    """Return evidence that a request was made again without a word.

    A refused token may be renewed. A fault without an error and without a further request was met by one that nothing
    depends on.
    """
    mended = isinstance(fault, Trickle) or fault == Answer(401)
    if attempt.error is not None or mended or attempt.requests <= usual.requests:
        return None
    return Evidence(
        f"{plan_text((fault,))[1:-1]} on the wire did not surface, and {attempt.requests} requests were made instead of "
        f"{usual.requests}: the connector tries again by itself",
        "an error at the first fault",
        "turn the client's own retries off; retries, limits and budgets around the connector do not hear of them",
    )
