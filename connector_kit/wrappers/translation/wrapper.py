"""`Translating`: a client's own exceptions become the kit's, by a table of rules. The innermost wrapper."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import attrs

from connector_kit.capabilities import sample
from connector_kit.errors import (
    ConnectionFailedError,
    ConnectorError,
    SchemaMismatchError,
    TimedOutError,
)
from connector_kit.protocols import Connector
from connector_kit.wrappers.stack.layers import innermost
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Generator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["STANDARD_RULES", "Rule", "Translating"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen
class Rule:
    """`catches` becomes `becomes`: an error class, or a function of the exception that returns the error or None."""

    catches: type[Exception] | tuple[type[Exception], ...]
    becomes: type[ConnectorError] | Callable[[Exception], ConnectorError | None]

    def apply(self, error: Exception) -> ConnectorError | None:
        """Return the error for this exception; None where the rule does not apply."""
        if not isinstance(error, self.catches):
            return None
        made: ConnectorError | None
        if isinstance(self.becomes, type):
            made = self.becomes(f"{type(error).__name__}: {error}")
        else:
            made = self.becomes(error)
        return made


def _unreachable(error: Exception) -> ConnectorError | None:
    """Return an error for a network that is down, for which OSError has no class; None for any other."""
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        return ConnectionFailedError(f"{type(error).__name__}: {error}")
    return None


STANDARD_RULES = (
    Rule(TimeoutError, TimedOutError),
    Rule((ConnectionError, socket.gaierror), ConnectionFailedError),
    Rule(OSError, _unreachable),
)
"""What the standard library's network calls raise; looked at after the rules that were given."""


@attrs.frozen(repr=False)
class Translating(Wrapper[C]):
    """Maps the inner connector's exceptions to `ConnectorError`s; the first rule that applies decides.

    An exception of no rule goes through as it is: it is a bug, and retrying it would hide it. Errors that are
    `ConnectorError`s already get the connector, operation and entity filled in.
    """

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=tuple[Rule, ...])

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        with self._translated(operation, entity):
            return await call()

    async def disconnect(self) -> None:
        """Disconnect the inner connector."""
        await self._call("disconnect", None, self.inner.disconnect)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read from the inner connector; what it raises is translated."""
        with self._translated("fetch_data", entity, cursor):
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        return _TranslatedPages(self, pages, entity, cursor)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample of the inner connector's records: one operation, also where it comes from a read."""
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector validate its configuration."""
        with self._translated("validate_config"):
            super().validate_config()

    @contextmanager
    def _translated(
        self, operation: str, entity: str | None = None, cursor: Cursor = None
    ) -> Generator[None]:
        try:
            yield
        except Exception as error:
            self.raise_translated(error, operation, entity, cursor)
            raise

    def raise_translated(self, error: Exception, operation: str, entity: str | None, cursor: Cursor) -> None:
        """Raise what stands for `error`, with the place it happened; return where `error` itself does."""
        name = type(innermost(self.inner)).__name__
        if isinstance(error, ConnectorError):
            error.locate(connector=name, operation=operation, entity=entity, cursor=cursor)
            return
        for rule in (*self.rules, *STANDARD_RULES):
            if translated := rule.apply(error):
                raise translated.locate(
                    connector=name, operation=operation, entity=entity, cursor=cursor
                ) from error


def _no_page(given: object, entity: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"fetch_data yielded a {type(given).__name__}; expected a Page; yield Page(records, cursor), or put Paged around a "
        "connector that yields single records"
    ).locate(operation="fetch_data", entity=entity)


class _TranslatedPages(WrappedPages):
    """The inner stream, its exceptions translated."""

    __slots__ = ("_cursor", "_entity", "_wrapper")

    def __init__(
        self, wrapper: Translating[C], pages: AsyncIterator[Page], entity: str, cursor: Cursor
    ) -> None:
        super().__init__(pages)
        self._wrapper = wrapper
        self._entity = entity
        self._cursor = cursor

    async def __anext__(self) -> Page:
        try:
            page = await self._inner.__anext__()
        except StopAsyncIteration:
            raise
        except Exception as error:
            self._wrapper.raise_translated(error, "fetch_data", self._entity, self._cursor)
            raise
        try:
            self._cursor = page.cursor
        except AttributeError:
            raise _no_page(page, self._entity) from None
        return page
