"""Law 9, errors: what is refused, what fails on the wire, and that no secret shows in whatever is said of it."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final

from connector_kit.errors import ConnectorError, TransientError, UnknownEntityError
from connector_kit.runtime.session import disconnect_surely
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.overheard import overhearing
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .readings import full_reads
from .secrets_shown import SecretsShown
from .wire_errors import look_at_wire_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

__all__ = ["errors"]


FOREIGN_CURSORS: Final[tuple[Cursor, ...]] = ({"no": "such"}, "garbage", -1, [])
"""No connector makes all of these, and each may come out of a file that somebody has edited."""

_TRANSLATE = "translate what the client raises (`Translating`), or look at what was given before it is used"


@CONNECTOR_LAWS.law(
    9, "errors", "Errors are ConnectorErrors, classified, hide no fault, and never contain a secret."
)
async def errors(subject: Subject, found: Findings) -> None:
    """Look at law 9.

    Where there are secrets, logs, warnings and output of the whole process are listened to meanwhile
    (`connector_kit.testing.conformance.overheard`).
    """
    shown = SecretsShown(subject.secrets)
    try:
        with overhearing(shown.look_at) if shown.any_looked_for else nullcontext():
            await _look_at_unknown_entity(subject, shown, found)
            await _look_at_foreign_cursors(subject, shown, found)
            await _look_at_unconnected(subject, shown, found)
            await _look_at_what_is_said(subject, shown, found)
            await look_at_wire_errors(subject, shown, found)
    finally:  # also where the bounds are reached: what was heard so far is told
        shown.tell(found)


async def _outcome(call: Callable[[], Awaitable[object]], shown: SecretsShown) -> Exception | None:
    """Give the error that a call raises. Raises `EnoughError`, and `NoAnswerError`."""
    try:
        await call()
    except (EnoughError, NoAnswerError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        shown.look_at_error(error)
        return error
    return None


async def _look_at_unknown_entity(subject: Subject, shown: SecretsShown, found: Findings) -> None:
    known = (await subject.catalog()).names
    name = "no_such_entity"
    while name in known:
        name += "_"
    async with subject.connector() as connector:
        error = await _outcome(lambda: subject.read(connector, name, pages=1), shown)
    expected = f"an UnknownEntityError that names {name!r}"
    mend = "look the name up in the catalog, as in catalog[name], which raises the right error"
    match error:
        case UnknownEntityError() if name in str(error):
            found.checked("an unknown entity is refused and named")
        case UnknownEntityError():
            found.broken(f"fetch_data({name!r}) does not name it: {error}", expected=expected, mend=mend)
        case TransientError():
            found.unchecked(f"an unknown entity: {type(error).__name__}: {error}")
        case None:
            found.broken(f"fetch_data({name!r}) raised nothing", expected=expected, mend=mend)
        case _:
            told = f"fetch_data({name!r}) raised {type(error).__name__}: {error}"
            found.broken(told, expected=expected, mend=mend)


async def _look_at_foreign_cursors(subject: Subject, shown: SecretsShown, found: Findings) -> None:
    for entity in await subject.entities():
        wrong = 0
        async with subject.connector() as connector:
            for cursor in FOREIGN_CURSORS:
                try:
                    error = await _outcome(_reading(subject, connector, entity.name, cursor), shown)
                except NoAnswerError as hang:
                    error = hang
                if error is not None and not isinstance(error, ConnectorError):
                    wrong += 1
                    told = f"raised {type(error).__name__}: {error}"
                    found.broken(
                        f"fetch_data with the cursor {cursor!r}: {error if isinstance(error, NoAnswerError) else told}",
                        expected="a ConnectorError, or pages",
                        mend="look at the shape of a cursor first; raise CursorExpiredError for one that is none of yours",
                        entity=entity.name,
                    )
                    break  # the others would show the same once more
        if not wrong:
            found.checked(f"{entity.name} with {len(FOREIGN_CURSORS)} cursors that are none of its own")


def _reading(
    subject: Subject, connector: Watched, entity: str, cursor: Cursor = None
) -> Callable[[], Awaitable[object]]:
    return lambda: subject.read(connector, entity, cursor=cursor, pages=1)


async def _look_at_unconnected(subject: Subject, shown: SecretsShown, found: Findings) -> None:
    entity = (await subject.entities())[0].name
    calls: dict[str, Callable[[Watched], Awaitable[object]]] = {
        "discover_schema": lambda connector: connector.discover_schema(),
        f"fetch_data({entity!r})": lambda connector: subject.read(connector, entity, pages=1),
    }
    right = True
    for name, call in calls.items():
        connector = subject.make()
        try:
            error = await _outcome(lambda call=call, connector=connector: call(connector), shown)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        finally:
            with suppress(Exception):  # what is wrong with disconnecting is the law of the lifecycle's to say
                await disconnect_surely(connector)
        if error is not None and not isinstance(error, ConnectorError):
            right = False
            found.broken(
                f"{name} without connect raised {type(error).__name__}: {error}",
                expected="a ConnectorError that says so, or an answer",
                mend='raise RequestRejectedError("not connected; expected connect() first; ...") where there is no client',
            )
    if right:
        found.checked("what comes without connect")


async def _look_at_what_is_said(subject: Subject, shown: SecretsShown, found: Findings) -> None:
    """Look at what shows of a connector when nothing is wrong: its repr, its catalog, its cursors."""
    if not shown.any_looked_for:
        return
    async with subject.connector() as connector:
        shown.look_at("repr(connector)", repr(connector.inner))
        shown.look_at("str(connector)", str(connector.inner))
        shown.look_at("the catalog", repr(await connector.discover_schema()))
        for entity in await subject.entities():  # once more, so that it is heard what a read logs
            await _outcome(_reading(subject, connector, entity.name), shown)
    for entity, reading in await full_reads(subject, found):
        for page in reading.pages:
            shown.look_at(f"the cursor of page {page.number} of {entity.name}", page.cursor or "")
