"""Translating: a client's exceptions get a class that says what to do, and the place they came from."""

from __future__ import annotations

import errno
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import sources
from doubles import Able

from connector_kit.capabilities import close_stream
from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    RateLimitError,
    RequestRejectedError,
    SchemaMismatchError,
    ServiceUnavailableError,
    TimedOutError,
    UnknownEntityError,
)
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Rule, Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

pytestmark = pytest.mark.anyio


class ClientError(Exception):
    """Of a third party."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class SpecialError(ClientError):
    """A narrower one."""


@attrs.define(eq=False)
class Failing:
    """Raises the same error in every method; in `fetch_data` at once, or when the page after `pages` is asked for."""

    error: Exception
    pages: int | None = 0

    async def connect(self) -> None:
        raise self.error

    async def disconnect(self) -> None:
        raise self.error

    async def discover_schema(self) -> Catalog:
        raise self.error

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if self.pages is None:
            raise self.error
        return self._read(self.pages)

    async def _read(self, pages: int) -> AsyncIterator[Page]:
        stream = sources.Shop().fetch_data("orders")
        for _ in range(pages):
            yield await anext(stream)
        await close_stream(stream)
        raise self.error

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        raise self.error

    def validate_config(self) -> None:
        raise self.error

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        raise self.error


async def raised(call: Callable[[], Awaitable[object]]) -> Exception:
    """Give the exception that a call ends with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is what the tests compare
        await call()
    assert isinstance(caught.value, Exception)
    return caught.value


def calls(wrapped: Translating[Any]) -> dict[str, Callable[[], Awaitable[object]]]:
    """Give a call of every method but the two that are no calls."""
    return {
        "connect": wrapped.connect,
        "disconnect": wrapped.disconnect,
        "discover_schema": wrapped.discover_schema,
        "get_sample_data": partial(wrapped.get_sample_data, "orders"),
        "partition_data": partial(wrapped.partition_data, "orders", target=2),
    }


class TestRules:
    @pytest.mark.parametrize(
        ("rules", "error", "expected"),
        [
            ([Rule(ClientError, RequestRejectedError)], ClientError(400), RequestRejectedError),
            ([Rule(ClientError, RequestRejectedError)], SpecialError(400), RequestRejectedError),
            ([Rule(SpecialError, RequestRejectedError)], ClientError(400), ClientError),
            ([Rule((KeyError, ClientError), RequestRejectedError)], ClientError(400), RequestRejectedError),
            ([Rule(SpecialError, AuthenticationError), Rule(ClientError, RequestRejectedError)], SpecialError(401), AuthenticationError),
            ([Rule(ClientError, RequestRejectedError), Rule(SpecialError, AuthenticationError)], SpecialError(401), RequestRejectedError),
            ([Rule(ClientError, lambda _: None), Rule(ClientError, AuthenticationError)], ClientError(401), AuthenticationError),
            ([Rule(ClientError, lambda _: None)], ClientError(401), ClientError),
            ([Rule(Exception, RequestRejectedError)], ConnectionResetError("reset"), RequestRejectedError),
            ([], ZeroDivisionError("bug"), ZeroDivisionError),
        ],
    )  # fmt: skip
    async def test_the_first_that_applies_decides(
        self, rules: list[Rule], error: Exception, expected: type[Exception]
    ) -> None:
        """The given ones before the standard ones; what no rule is about comes out as it is."""
        result = await raised(Translating(Failing(error), rules).connect)
        assert type(result) is expected
        assert result is error or result.__cause__ is error

    async def test_a_function_makes_the_error_from_the_exception(self) -> None:
        def by_status(error: Exception) -> ConnectorError | None:
            assert isinstance(error, ClientError)
            return RateLimitError(f"slow down: {error}", 30.0) if error.status == 429 else None

        translating = Translating(Failing(ClientError(429)), [Rule(ClientError, by_status)])
        result = await raised(translating.connect)
        assert isinstance(result, RateLimitError)
        assert (result.message, result.retry_after) == ("slow down: status 429", 30.0)

    async def test_a_class_gets_the_exceptions_name_and_message(self) -> None:
        translating = Translating(Failing(ClientError(503)), [Rule(ClientError, ServiceUnavailableError)])
        result = await raised(translating.connect)
        assert isinstance(result, ServiceUnavailableError)
        assert result.message == "ClientError: status 503"

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (TimeoutError("slow"), TimedOutError),
            (ConnectionRefusedError("no"), ConnectionFailedError),
            (BrokenPipeError("gone"), ConnectionFailedError),
            (socket.gaierror(-2, "no such name"), ConnectionFailedError),
            (OSError(errno.ENETUNREACH, "network is unreachable"), ConnectionFailedError),
            (OSError(errno.EHOSTUNREACH, "no route to host"), ConnectionFailedError),
            (OSError(errno.ENOSPC, "disk full"), OSError),
            (FileNotFoundError(errno.ENOENT, "no such file"), FileNotFoundError),
            (OSError("unknown"), OSError),
        ],
    )
    async def test_what_the_standard_librarys_network_raises_is_known(
        self, error: Exception, expected: type[Exception]
    ) -> None:
        """And what its files raise is not mistaken for it."""
        assert type(await raised(Translating(Failing(error)).connect)) is expected


class TestPlace:
    async def test_every_method_is_translated_and_tells_where(self) -> None:
        error = ClientError(500)
        translating = Translating(Failing(error), [Rule(ClientError, ServiceUnavailableError)])
        for operation, call in calls(translating).items():
            result = await raised(call)
            assert isinstance(result, ServiceUnavailableError)
            assert result.__cause__ is error
            assert (result.connector, result.operation) == ("Failing", operation)
            assert result.entity == (
                None if operation in {"connect", "disconnect", "discover_schema"} else "orders"
            )
        with pytest.raises(ServiceUnavailableError) as caught:
            translating.validate_config()
        assert caught.value.operation == "validate_config"

    @pytest.mark.parametrize("pages", [None, 0])
    async def test_the_cursor_the_read_began_at(self, pages: int | None) -> None:
        """Raised by fetch_data itself, or when the first page is asked for."""
        translating = Translating(
            Failing(ClientError(500), pages), [Rule(ClientError, ServiceUnavailableError)]
        )

        async def read() -> None:
            await anext(translating.fetch_data("orders", cursor={"after": 7}))

        result = await raised(read)
        assert isinstance(result, ServiceUnavailableError)
        assert (result.operation, result.entity, result.cursor) == ("fetch_data", "orders", {"after": 7})

    async def test_the_cursor_of_the_last_page_before_it(self) -> None:
        translating = Translating(Failing(ClientError(500), 2), [Rule(ClientError, ServiceUnavailableError)])
        stream = translating.fetch_data("orders")
        assert [len((await anext(stream)).records) for _ in range(2)] == [3, 3]
        result = await raised(lambda: anext(stream))
        assert isinstance(result, ServiceUnavailableError)
        assert result.cursor == {"after": 6}

    async def test_an_error_of_ours_is_the_same_with_the_place_filled_in(self) -> None:
        """What it says already stands."""
        error = UnknownEntityError("no entity 'orders'")
        error.locate(entity="Orders")
        for call in calls(Translating(TimeLimited(Failing(error), Timeouts()))).values():
            assert await raised(call) is error
        assert (error.connector, error.operation, error.entity) == ("Failing", "connect", "Orders")
        assert error.__cause__ is None

    async def test_a_foreign_error_in_a_stream_comes_out_as_it_is(self) -> None:
        error = ZeroDivisionError("bug")
        stream = Translating(Failing(error, 1)).fetch_data("orders")
        await anext(stream)
        assert await raised(lambda: anext(stream)) is error
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_the_default_of_a_sample_is_translated_too() -> None:
    """The pages are read inside."""

    class Plain(sources.Shop):
        def change(self, entity: str, page: Page, number: int) -> Page:
            raise ClientError(500)

    result = await raised(
        partial(Translating(Plain(), [Rule(ClientError, ServiceUnavailableError)]).get_sample_data, "orders")
    )
    assert isinstance(result, ServiceUnavailableError)
    assert result.operation == "get_sample_data"


def test_outside_a_retry_it_is_refused() -> None:
    """Retrying would decide by a class that the error does not have yet."""
    with pytest.raises(ConfigError, match=r"Translating is outside Retrying.*put it inside"):
        Translating(TimeLimited(Retrying(Able()), Timeouts()))


@pytest.mark.parametrize("given", [[{"id": 1}], {"id": 1}])
async def test_what_is_no_page_is_told_as_that(given: Any) -> None:
    """The mistake of a first connector: a list, or a record, is yielded as it comes."""

    class Careless(sources.Shop):
        def change(self, entity: str, page: Page, number: int) -> Page:
            wrong: Page = given
            return wrong

    stream = Translating(Careless()).fetch_data("orders")
    with pytest.raises(SchemaMismatchError) as caught:
        await anext(stream)
    await close_stream(stream)
    assert caught.value.message == (
        f"fetch_data yielded a {type(given).__name__}; expected a Page; yield Page(records, cursor), or put Paged around a "
        "connector that yields single records"
    )
    assert (caught.value.operation, caught.value.entity) == ("fetch_data", "orders")
