"""Law 9, errors: what is refused, what fails on the wire, and that no secret shows in whatever is said of it."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from connector_kit.errors import ConnectorError, TransientError, UnknownEntityError
from connector_kit.runtime.session import disconnect_surely
from connector_kit.testing.conformance.bounds import NoAnswerError
from connector_kit.testing.conformance.overheard import SHORTEST, SecretForms, overhearing, texts_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .baseline import full_reads, result_or_error
from .wire_errors import check_wire_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

__all__ = ["errors"]

FOREIGN_CURSORS: Final[tuple[Cursor, ...]] = ({"no": "such"}, "garbage", -1, [])
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
            await check_wire_errors(subject, shown.look_at_error, findings)
    finally:  # also where the bounds are reached: what was heard so far is told
        shown.tell(findings)


class _SecretsShown:
    """Looks for secrets in texts, and remembers where it findings one and what stood around it."""

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


async def _error_of(call: Callable[[], Awaitable[object]], shown: _SecretsShown) -> Exception | None:
    """Return the error that a call raises, and look for secrets in it. Raises `EnoughError`, and `NoAnswerError`."""
    error = await result_or_error(call, NoAnswerError)
    if not isinstance(error, Exception):
        return None
    shown.look_at_error(error)
    return error


async def _check_unknown_entity(subject: Subject, shown: _SecretsShown, findings: Findings) -> None:
    known = (await subject.catalog()).names
    name = "no_such_entity"
    while name in known:
        name += "_"
    async with subject.connector() as connector:
        error = await _error_of(partial(subject.read, connector, name, pages=1), shown)
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
            for cursor in FOREIGN_CURSORS:
                read = partial(subject.read, connector, entity.name, cursor=cursor, pages=1)
                try:
                    error = await _error_of(read, shown)
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
                    f"{entity.name} with {len(FOREIGN_CURSORS)} cursors that are none of its own"
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
            error = await _error_of(partial(call, connector), shown)
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
            await _error_of(partial(subject.read, connector, entity.name, pages=1), shown)
    for read in await full_reads(subject, findings):
        for page in read.reading.pages:
            shown.look_at(f"the cursor of page {page.number} of {read.name}", page.cursor or "")
