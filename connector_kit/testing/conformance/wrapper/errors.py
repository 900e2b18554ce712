"""What fails inside comes out, what the consumer raises is its own, and closing a stream closes the inner one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from connector_kit.capabilities import close_stream
from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    CursorExpiredError,
    RateLimitError,
    RequestRejectedError,
    UnknownEntityError,
)

from .subject import WRAPPER_LAWS, WrapperSubject, call, error_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings

    from .inner import Fails, Inner, InnerRequest

__all__ = ["closing", "errors", "wrong_of_error"]


class ClientError(Exception):
    """What a client raises that knows nothing of the kit."""


_ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: AuthenticationError("the token has expired"),
    lambda: RequestRejectedError("the filter is not understood"),
    lambda: UnknownEntityError("no such entity"),
    lambda: CursorExpiredError("the cursor is too old"),
    lambda: ConnectionFailedError("the connection broke"),
    lambda: RateLimitError("too many requests", retry_after=1.0),
    lambda: ClientError("the client gave up"),
    lambda: OSError("no route to host"),
)
_CALLS = ("connect", "discover_schema", "get_sample_data", "partition_data")
_PASSING = (ConnectionFailedError, RateLimitError, ClientError, OSError)
"""What a wrapper that retries may try again: it may take any error of a client's for one that passes."""


@WRAPPER_LAWS.law(
    8,
    "errors",
    "An error from inside comes out, as it is or as a ConnectorError with its cause; none is swallowed.",
)
def errors(subject: WrapperSubject, found: Findings) -> None:
    """Let each call and each page fail with errors of several classes, and look what comes out."""
    pages = len(subject.content.pages[subject.content.first])
    for make in _ERRORS:
        if subject.retries and isinstance(make(), _PASSING):
            continue  # the wrapper may make good for it: see law 2
        for number in range(1, pages + 2):
            subject.run(_fail, subject, found, make(), "fetch_data", number)
        for operation in _CALLS:
            subject.run(_fail, subject, found, make(), operation, None)
        if found.any_broken:
            return
    found.checked(f"{len(_ERRORS)} kinds of errors on each page and in each call come out")
    subject.run(_thrown_in, subject, found)


def _failing(error: Exception, concerned: Callable[[InnerRequest], bool]) -> Fails:
    """Fail with the error from the first request on that is concerned: whoever tries again gets it again."""
    failed: list[InnerRequest] = []

    def fails(request: InnerRequest) -> Exception | None:
        if concerned(request) or (failed and failed[0].operation == request.operation):
            failed.append(request)
            return error
        return None

    return fails


async def _fail(
    subject: WrapperSubject, found: Findings, error: Exception, operation: str, page: int | None
) -> None:
    """Let a call fail, or a page of a read, and look at what comes out and what stays open."""

    def concerned(request: InnerRequest) -> bool:
        return request.operation == operation if page is None else request.number == page

    entity = subject.content.first
    make = subject.able_inner if page is None else subject.inner
    inner = make(fails=_failing(error, concerned))
    what = operation if page is None else f"page {page} of {entity}"
    subject.doing = f"{what} fails with {type(error).__name__}"
    async with subject.wrapped(inner) as wrapper:
        came = await error_of(call(wrapper, operation, entity))
        if wrong := wrong_of_error(came, error):
            found.broken(
                f"{subject.doing}: {wrong}",
                expected=f"the {type(error).__name__}, or a ConnectorError with it as its cause",
                mend="pass it on, or `raise SomeConnectorError(...) from error`; "
                "`except Exception` around a page hides it",
                entity=None if page is None else entity,
                page=page,
            )
    if page is not None and inner.open_streams:
        found.broken(
            f"{subject.doing}: {inner.open_streams} streams of the inner connector stay open",
            expected="none",
            mend="close the stream that broke",
            entity=entity,
            page=page,
        )


def wrong_of_error(came: Exception | None, error: Exception) -> str:
    """Return what is wrong with what came of an error; empty where it came out, or as the cause of a ConnectorError."""
    if came is None:
        return "nothing came out: the failure looks like success"
    if came is error:
        return ""
    if isinstance(came, ExceptionGroup):
        return f"it came out in an ExceptionGroup ({came})"
    cause: BaseException | None = came
    for _ in range(20):
        if cause is None or cause is error:
            break
        cause = cause.__cause__
    if cause is not error:
        return f"{type(came).__name__} came out without it as its cause: {came}"
    if not isinstance(came, ConnectorError):
        return f"{type(came).__name__} came out, which is no ConnectorError: {came}"
    return ""


async def _thrown_in(subject: WrapperSubject, found: Findings) -> None:
    """Whether an error of the consumer's, thrown in where a page was handed over, comes out and is not retried."""
    entity = subject.content.first
    subject.doing = "an error is thrown in where a page was handed over"
    inner = subject.inner()
    async with subject.wrapped(inner) as wrapper:
        stream = wrapper.fetch_data(entity)
        if not isinstance(stream, AsyncGenerator):
            found.checked("its streams are no generators, so that nothing can be thrown in at a page")
            return
        await stream.__anext__()
        opened, error = inner.opened, ConnectionFailedError("the destination is down")
        came = await error_of(stream.athrow(error))
        await stream.aclose()
    wrong = expected = mend = ""
    if came is not error or inner.opened != opened:
        what = "a page came" if came is None else f"{type(came).__name__} came out"
        again = ", and the inner connector was read again" if inner.opened != opened else ""
        wrong = f", and {what}{again}"
        expected = "the consumer's error, and no retry: the inner connector has not failed"
        mend = "put the `yield` outside of the `try`; only what `await stream.__anext__()` raises is the inner one's"
    elif inner.open_streams:
        wrong, expected = ": the inner stream stays open", "it is closed"
        mend = "close it in a `finally`"
    if wrong:
        found.broken(f"{subject.doing}{wrong}", expected=expected, mend=mend, entity=entity, page=1)
    else:
        found.checked("what is thrown in where a page is handed over comes out, and is not retried")


# -- law 9 -------------------------------------------------------------------------------------------------------------


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
    error = ConnectionFailedError("on purpose")
    where = f"after {taken} pages" if not failing else f"after an error on page {failing}"
    subject.doing = f"closing {where}"
    inner = subject.inner(fails=lambda request: error if failing and request.number == failing else None)
    async with subject.wrapped(inner) as wrapper:
        stream = wrapper.fetch_data(subject.content.first)
        closable = hasattr(stream, "aclose")
        wrong = await _take_and_close(stream, inner, taken) if closable else ""
    if wrong or not closable:
        found.broken(
            f"{where}: {wrong}" if closable else f"{type(stream).__name__} has no aclose",
            expected="a closed inner stream, no error, and no page any more",
            mend="give the stream an `aclose` that closes the inner one; in a generator, close it in a `finally`",
            entity=subject.content.first if closable else None,
        )


async def _take_and_close(stream: AsyncIterator[Page], inner: Inner, taken: int) -> str:
    """Return what went wrong; empty where nothing did."""
    for _ in range(taken):
        await error_of(stream.__anext__())  # the end or the error is where it is closed
    for time in ("the first", "the second"):
        if error := await error_of(close_stream(stream)):
            return f"closing it {time} time raised {type(error).__name__}: {error}"
    if inner.open_streams:
        return "the inner stream stays open"
    if await error_of(stream.__anext__()) is None:  # that it ends or refuses is all the same
        return "a page came from a stream that was closed"
    return ""
