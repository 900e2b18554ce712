"""An error that comes out of what is examined, as evidence, and what to mend."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeGuard

from connector_kit.errors import ConnectorError, TransientError

from .bounds import EnoughError, NoAnswerError
from .reading import NoPageError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .law import Findings

__all__ = ["advice", "members_of", "tell", "telling"]


_TRANSLATE: Final = "translate the client's exceptions (`Translating`) or mend the mistake"

_KNOWN: Final = (
    (
        "ignored GeneratorExit",
        "hand over no page while the read is closed: no `yield` in a `finally` or in an `except BaseException`",
    ),
    (
        "cancel scope",
        "hand over no page inside a task group or a cancel scope: whoever reads on or closes may be another task",
    ),
    (
        "different task",
        "hand over no page inside a task group or a timeout: whoever closes may be another task",
    ),
    ("is already running", "let a read not be asked for a page before the last one has come"),
    ("attached to a different loop", "make what belongs to an event loop in connect, not in __init__"),
)
"""Parts of what Python, asyncio, trio and anyio say, and what is behind it."""


def members_of(error: BaseException) -> Sequence[BaseException]:
    """Return the errors of a group; nothing for an error that is none."""
    return error.exceptions if _is_group(error) else ()


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def advice(error: BaseException) -> tuple[str, str]:
    """Return what is expected instead of the error, and what to mend, as far as its words tell."""
    text = str(error) if isinstance(error, RuntimeError) else ""
    mend = next((mend for words, mend in _KNOWN if words in text), "")
    return ("no error", mend) if mend else ("a ConnectorError, classified", _TRANSLATE)


_USED_UP: Final = "do what the error says, or look at what is closed or used up and not made anew: a client, a pool, a stream"


@contextmanager
def telling(found: Findings, entity: str | None, *, when: str = "") -> Generator[None]:
    """Let what a block raises become a part of the verdict, as of this entity, so that the others are looked at, too.

    `when` says under which circumstance, as in "after reads that were closed early". `EnoughError` passes: there is
    nothing left to look at with.
    """
    try:
        yield
    except EnoughError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        tell(error, found, entity, when)


def tell(error: Exception, found: Findings, entity: str | None = None, when: str = "") -> None:
    """Turn an error into a part of the verdict."""
    whose = "" if entity is None else f"{entity}: "
    when = f"{when}, " if when else ""
    match error:
        case EnoughError():
            found.unchecked(str(error))
        case NoAnswerError():
            found.broken(
                f"{when}{error}",
                expected="an answer or an error",
                mend=f"{'look for a lock, a pool or an event that it waits for; ' if when else ''}set a time limit in the client, "
                "or allow more time for one answer (call_seconds)",
                entity=entity,
            )
        case NoPageError():
            found.unchecked(f"{whose}{error}, so what was read says nothing of this law (see progress)")
        case TransientError():
            found.unchecked(f"{whose}the source failed in the middle: {type(error).__name__}: {error}")
        case ExceptionGroup(exceptions=errors):
            for each in errors:
                tell(each, found, entity, when.removesuffix(", "))
        case ConnectorError():
            found.broken(
                f"{when}{type(error).__name__}: {error}",
                expected="what a connector that does nothing else gets at the same time"
                if when
                else "an answer",
                mend=_USED_UP if when else "do what the error says",
                entity=entity,
            )
        case _:
            expected, mend = advice(error)
            what = f"{when}{type(error).__name__} came out of the connector: {error}"
            found.broken(what, expected=expected, mend=mend, entity=entity)
