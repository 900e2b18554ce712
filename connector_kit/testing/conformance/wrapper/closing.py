"""Law 9, closing: whoever closes a wrapper's stream closes the inner one, at any time, and as often as they like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.capabilities import close_stream
from connector_kit.errors import ConnectionFailedError

from .subject import WRAPPER_LAWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings

    from .inner import Request
    from .subject import WrapperSubject

__all__ = ["closing"]


_EXPECTED = "a closed inner stream, no error, and no page any more"
_MEND = "give the stream an `aclose` that closes the inner one; in a generator, close it in a `finally`"


@WRAPPER_LAWS.law(
    9,
    "closing",
    "Closing a stream closes the inner one: before the first page, in between, after the end, twice.",
)
def closing(subject: WrapperSubject, found: Findings) -> None:
    """Close streams before, between and after pages and after an error; each twice."""
    pages = len(subject.content.pages[subject.content.first])
    for taken in range(pages + 2):
        subject.run(_close_after, subject, found, taken, 0)
        if found.any_broken:
            return
    found.checked(f"closed after each of {pages} pages, before the first and after the end")
    subject.run(_close_after, subject, found, pages, 2)
    if not found.any_broken:
        found.checked("closed after an error")


async def _close_after(subject: WrapperSubject, found: Findings, taken: int, failing: int) -> None:
    """Take so many pages (those there are), close twice, and ask for another one."""

    def fails(request: Request) -> Exception | None:
        return ConnectionFailedError("on purpose") if failing and request.number == failing else None

    where = f"after {taken} pages" if not failing else f"after an error on page {failing}"
    subject.doing = f"closing {where}"
    inner = subject.inner(fails=fails)
    async with subject.wrapped(inner) as wrapper:
        stream = wrapper.fetch_data(subject.content.first)
        if not hasattr(stream, "aclose"):
            found.broken(f"{type(stream).__name__} has no aclose", expected=_EXPECTED, mend=_MEND)
            return
        wrong = await _take_and_close(stream, taken)
        if not wrong and inner.open_streams:
            wrong = "the inner stream stays open"
        if not wrong and await _another(stream):
            wrong = "a page came from a stream that was closed"
    if wrong:
        found.broken(
            f"{where}: {wrong}",
            expected=_EXPECTED,
            mend=_MEND,
            entity=subject.content.first,
        )


async def _take_and_close(stream: AsyncIterator[Page], taken: int) -> str:
    """Give what went wrong; empty where nothing did."""
    for _ in range(taken):
        try:
            await stream.__anext__()
        except Exception:  # noqa: BLE001, S112 - the end or the error is where it is closed
            continue
    for time in ("the first", "the second"):
        try:
            await close_stream(stream)
        except Exception as error:  # noqa: BLE001 - it is told
            return f"closing it {time} time raised {type(error).__name__}: {error}"
    return ""


async def _another(stream: AsyncIterator[Page]) -> bool:
    try:
        await stream.__anext__()
    except Exception:  # noqa: BLE001 - that it ends or refuses is all the same
        return False
    return True
