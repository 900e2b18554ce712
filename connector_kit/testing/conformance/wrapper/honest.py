"""Law 8, honest: what fails inside comes out, as it is or translated with its cause; what the consumer raises is its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    CursorExpiredError,
    RateLimitError,
    RequestRejectedError,
    UnknownEntityError,
)

from .inner import AbleInner
from .subject import WRAPPER_LAWS, WrapperSubject, read_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.protocols import FullConnector
    from connector_kit.testing.conformance.law import Findings

    from .inner import Inner, Request

__all__ = ["honest"]


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
_MEND = "pass it on, or `raise SomeConnectorError(...) from error`; `except Exception` around a page hides it"


@WRAPPER_LAWS.law(
    8,
    "honest",
    "An error from inside comes out, as it is or as a ConnectorError with its cause; none is swallowed.",
)
def honest(subject: WrapperSubject, found: Findings) -> None:
    """Let each call and each page fail with errors of several classes, and look what comes out."""
    pages = len(subject.content.pages[subject.content.first])
    for make in _ERRORS:
        if subject.retries and _passing(make()):
            continue  # the wrapper may make good for it: see law 2
        for number in range(1, pages + 2):
            subject.run(_page, subject, found, make, number)
        for operation in _CALLS:
            subject.run(_call, subject, found, make, operation)
        if found.any_broken:
            return
    found.checked(f"{len(_ERRORS)} kinds of errors on each page and in each call come out")
    subject.run(_thrown_in, subject, found)


def _passing(error: Exception) -> bool:
    """Whether a wrapper that retries may try again: it may take any error of a client's for one that passes."""
    return isinstance(error, ConnectionFailedError | RateLimitError | ClientError | OSError)


def _failing(error: Exception, concerned: Callable[[Request], bool]) -> Callable[[Request], Exception | None]:
    """Fail with the error from the first request on that is concerned: whoever tries again gets it again."""
    failed: list[Request] = []

    def fails(request: Request) -> Exception | None:
        if concerned(request) or (failed and failed[0].operation == request.operation):
            failed.append(request)
            return error
        return None

    return fails


async def _page(subject: WrapperSubject, found: Findings, make: Callable[[], Exception], number: int) -> None:
    error, entity = make(), subject.content.first
    inner = subject.inner(fails=_failing(error, lambda request: request.number == number))
    subject.doing = f"page {number} of {entity} fails with {type(error).__name__}"
    async with subject.wrapped(inner) as wrapper:
        stream = wrapper.fetch_data(entity)
        outcome = await read_out(stream)
        _judge(outcome.error, error, subject, found, page=number)
    _closed(inner, subject, found, page=number)


async def _call(
    subject: WrapperSubject, found: Findings, make: Callable[[], Exception], operation: str
) -> None:
    error = make()
    inner = subject.inner(fails=_failing(error, lambda request: request.operation == operation))
    subject.doing = f"{operation} fails with {type(error).__name__}"
    async with subject.wrapped(AbleInner(inner)) as wrapper:
        came: Exception | None = None
        try:
            await _do(wrapper, operation, subject.content.first)
        except Exception as raised:  # noqa: BLE001 - it is judged
            came = raised
        _judge(came, error, subject, found)


async def _do(wrapper: FullConnector, operation: str, entity: str) -> None:
    match operation:
        case "connect":
            await wrapper.connect()
        case "discover_schema":
            await wrapper.discover_schema()
        case "get_sample_data":
            await wrapper.get_sample_data(entity, 3)
        case _:
            await wrapper.partition_data(entity, target=2)


def _judge(
    came: Exception | None,
    error: Exception,
    subject: WrapperSubject,
    found: Findings,
    page: int | None = None,
) -> None:
    """Say what is wrong with what came out, if anything is."""
    wrong = told_wrongly(came, error)
    if wrong:
        found.broken(
            f"{subject.doing}: {wrong}",
            expected=f"the {type(error).__name__}, or a ConnectorError with it as its cause",
            mend=_MEND,
            entity=None if page is None else subject.content.first,
            page=page,
        )


def told_wrongly(came: Exception | None, error: Exception) -> str:
    """Give what is wrong with what came of an error; empty where it came out, or as the cause of a ConnectorError."""
    if came is None:
        return "nothing came out: the failure looks like success"
    if came is error:
        return ""
    if isinstance(came, ExceptionGroup):
        return f"it came out in an ExceptionGroup ({came})"
    if not _in_causes(came, error):
        return f"{type(came).__name__} came out without it as its cause: {came}"
    if not isinstance(came, ConnectorError):
        return f"{type(came).__name__} came out, which is no ConnectorError: {came}"
    return ""


def _in_causes(came: BaseException, error: Exception) -> bool:
    cause: BaseException | None = came
    for _ in range(20):
        if cause is None or cause is error:
            break
        cause = cause.__cause__
    return cause is error


def _closed(inner: Inner, subject: WrapperSubject, found: Findings, page: int) -> None:
    if inner.open_streams:
        found.broken(
            f"{subject.doing}: {inner.open_streams} streams of the inner connector stay open",
            expected="none",
            mend="close the stream that broke",
            entity=subject.content.first,
            page=page,
        )


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
        came: Exception | None = None
        try:
            await stream.athrow(error)
        except Exception as raised:  # noqa: BLE001 - it is judged
            came = raised
        await stream.aclose()
    if came is not error or inner.opened != opened:
        what = "a page came" if came is None else f"{type(came).__name__} came out"
        again = ", and the inner connector was read again" if inner.opened != opened else ""
        found.broken(
            f"{subject.doing}, and {what}{again}",
            expected="the consumer's error, and no retry: the inner connector has not failed",
            mend="put the `yield` outside of the `try`; only what `await stream.__anext__()` raises is the inner one's",
            entity=entity,
            page=1,
        )
    elif inner.open_streams:
        found.broken(
            f"{subject.doing}: the inner stream stays open",
            expected="it is closed",
            mend="close it in a `finally`",
            entity=entity,
            page=1,
        )
    else:
        found.checked("what is thrown in where a page is handed over comes out, and is not retried")
