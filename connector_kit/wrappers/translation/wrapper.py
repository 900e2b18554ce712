"""`Translating`: a client's own exceptions become the kit's, by a table of rules. The innermost wrapper."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from connector_kit.capabilities import close_stream, partitions, sample, validate
from connector_kit.errors import (
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    SchemaMismatchError,
    TimedOutError,
)
from connector_kit.protocols import Connector
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import innermost, layers, outline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["STANDARD_RULES", "Rule", "Translating"]

C = TypeVar("C", bound=Connector)


@attrs.frozen
class Rule:
    """`catches` becomes `becomes`: an error class, or a function of the exception that makes the error or gives None."""

    catches: type[Exception] | tuple[type[Exception], ...]
    becomes: type[ConnectorError] | Callable[[Exception], ConnectorError | None]

    def apply(self, error: Exception) -> ConnectorError | None:
        """Make the error that stands for this exception; None where the rule is not about it."""
        if not isinstance(error, self.catches):
            return None
        made: ConnectorError | None
        if isinstance(self.becomes, type):
            made = self.becomes(f"{type(error).__name__}: {error}")
        else:
            made = self.becomes(error)
        return made


def _unreachable(error: Exception) -> ConnectorError | None:
    """Tell the errors of a network that is down from the others of OSError, which has no class for them."""
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        return ConnectionFailedError(f"{type(error).__name__}: {error}")
    return None


STANDARD_RULES = (
    Rule(TimeoutError, TimedOutError),
    Rule((ConnectionError, socket.gaierror), ConnectionFailedError),
    Rule(OSError, _unreachable),
)
"""What the standard library's network calls raise; looked at after the rules that were given."""


@attrs.frozen
class Translating(Generic[C]):
    """Maps the inner connector's exceptions to `ConnectorError`s; the first rule that applies decides.

    An exception of no rule goes through as it is: it is a bug, and retrying it would hide it. Errors that are
    `ConnectorError`s already get the connector, operation and entity filled in.
    """

    inner: C
    rules: tuple[Rule, ...] = attrs.field(default=(), converter=tuple[Rule, ...])

    def __attrs_post_init__(self) -> None:
        if any(isinstance(layer, Retrying) for layer in layers(self.inner)):
            raise ConfigError(
                "Translating is outside Retrying, which decides by the translated class; put it inside: "
                "Retrying(Translating(connector, rules), retry)"
            )

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect the inner connector."""
        with self._translated("connect"):
            await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect the inner connector."""
        with self._translated("disconnect"):
            await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the inner connector's catalog."""
        with self._translated("discover_schema"):
            return await self.inner.discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read from the inner connector; what it raises is translated."""
        with self._translated("fetch_data", entity, cursor):
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        return _TranslatedPages(self, pages, entity, cursor)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample of the inner connector's records."""
        with self._translated("get_sample_data", entity):
            return await sample(self.inner, entity, limit)

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        with self._translated("validate_config"):
            validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the inner connector's partitions."""
        with self._translated("partition_data", entity):
            return await partitions(self.inner, entity, since=since, target=target)

    @contextmanager
    def _translated(self, operation: str, entity: str | None = None, cursor: Cursor = None) -> Iterator[None]:
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
                translated.locate(connector=name, operation=operation, entity=entity, cursor=cursor)
                raise translated from error


def _no_page(given: object, entity: str) -> SchemaMismatchError:
    error = SchemaMismatchError(
        f"fetch_data yielded a {type(given).__name__}; expected a Page; yield Page(records, cursor), or put Paged around a "
        "connector that yields single records"
    )
    error.locate(operation="fetch_data", entity=entity)
    return error


class _TranslatedPages:
    """The inner stream, its exceptions translated."""

    __slots__ = ("_cursor", "_entity", "_pages", "_wrapper")

    def __init__(
        self, wrapper: Translating[C], pages: AsyncIterator[Page], entity: str, cursor: Cursor
    ) -> None:
        self._wrapper = wrapper
        self._pages = pages
        self._entity = entity
        self._cursor = cursor

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        try:
            page = await self._pages.__anext__()
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

    async def aclose(self) -> None:
        await close_stream(self._pages)
