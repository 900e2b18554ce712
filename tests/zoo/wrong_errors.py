"""Connectors that break the law of errors: ConnectorErrors, classified, without a secret, and none of them hidden."""

from __future__ import annotations

import logging
from base64 import b64encode
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from connector_kit.errors import (
    ConnectionFailedError,
    ConnectorError,
    RateLimitError,
    RequestRejectedError,
    SchemaMismatchError,
    ServiceUnavailableError,
    TransientError,
)

from .ledger import Key, Ledger
from .source import BodyError, StatusError
from .specimen import Specimen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.page import Cursor, Page

    from .source import Connection, Row

_LOG = logging.getLogger(__name__)


class SecretInTheMessage(Ledger):
    """The message of an error quotes the request, token and all."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        right.message += f": GET /orders?access_token={self.token.reveal()}"
        return right


class SecretAsBasicAuth(Ledger):
    """The message quotes the header of basic authentication, which is base64, and no secret to anybody."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        right.message += f": Basic {b64encode(f'reader:{self.token.reveal()}'.encode()).decode()}"
        return right


class SecretInTheArguments(Ledger):
    """The message is clean, and the token is in what the error carries: every traceback's repr shows it."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        right.args = (right.message, {"Authorization": f"Bearer {self.token.reveal()}"})
        return right


class SecretInTheCause(Ledger):
    """The error is clean, and its cause, the client's own, quotes the request's headers."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        try:
            return await connection.rows(table)
        except Exception as error:  # noqa: BLE001 - it is raised again, translated
            quoted = StatusError(getattr(error, "status", 0))
            quoted.args = (f"{error!r} for headers {{'Authorization': 'Bearer {self.token.reveal()}'}}",)
            raise self.translated(error) from quoted


class SecretInTheRepr(Ledger):
    """The connector's repr shows its settings in the clear."""

    def __repr__(self) -> str:
        return f"Ledger(token={self.token.reveal()!r})"


class SecretInALogLine(Ledger):
    """Every request is logged with its headers."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        _LOG.debug("GET /%s, Authorization: Bearer %s", table, self.token.reveal())
        return await super().ask(connection, table)


class ClientErrorsComeOut(Ledger):
    """The client's own exceptions come out of a read."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        return await connection.rows(table)


class TimeoutIsRaw(Ledger):
    """Statuses are translated, and TimeoutError comes out as it is."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        try:
            return await connection.rows(table)
        except TimeoutError:
            raise
        except Exception as error:
            raise self.translated(error) from error


class BrokenBodyIsRaw(Ledger):
    """Statuses are translated, and a body that is cut off comes out as the JSON parser's ValueError."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        try:
            return await connection.rows(table)
        except BodyError:
            raise
        except Exception as error:
            raise self.translated(error) from error


class BrokenBodyIsBadData(Ledger):
    """A body that is cut off is taken for data that does not fit: nobody asks for it again."""

    def translated(self, error: Exception) -> ConnectorError:
        if isinstance(error, BodyError):
            return SchemaMismatchError(f"the answer is no JSON: {error}; expected an object; tell the source")
        return super().translated(error)


class BrokenConnectionIsPermanent(Ledger):
    """A connection that breaks is an error for good: nobody tries again."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        return RequestRejectedError(right.message) if isinstance(right, ConnectionFailedError) else right


class QuotaIsPermanent(Ledger):
    """429 is one of the 4xx, and those are errors for good."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        return RequestRejectedError(right.message) if isinstance(right, RateLimitError) else right


class RetryAfterIsLost(Ledger):
    """429 is a RateLimitError that does not say for how long, though the source did."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        return RateLimitError(right.message) if isinstance(right, RateLimitError) else right


class UnavailableIsPermanent(Ledger):
    """503 is an error for good: a deployment of the source ends every run."""

    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        return RequestRejectedError(right.message) if isinstance(right, ServiceUnavailableError) else right


class BadCredentialsAreTransient(Ledger):
    """401 is tried again, until the account is locked."""

    def translated(self, error: Exception) -> ConnectorError:
        if isinstance(error, StatusError) and error.status == 401:
            return ServiceUnavailableError("the source answered 401; try later")
        return super().translated(error)


class FaultEndsTheRead(Ledger):
    """`except Exception` takes a fault for the end of the read: the rows that would have followed are lost."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        try:
            return await super().ask(connection, table)
        except ConnectorError:
            return []


class FaultSkipsThePage(Ledger):
    """A page that cannot be had is logged and left out; the read goes on behind it."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        table, size = self.table_of(entity), self.source.page_size
        connection = await self.take()
        try:
            rows = self.rest(self.source.tables[table], since, cursor)
            for first in range(0, len(rows), size):
                chosen = rows[first : first + size]
                try:
                    await self.ask(connection, table)
                except TransientError:
                    continue
                yield self.page(chosen, self.cursor_after(chosen, since, cursor))
        finally:
            self.give_back(connection)


class RetriesInside(Ledger):
    """Faults are tried again inside, at once and unseen: limits, deadlines and budgets around it do not know."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        for _ in range(3):
            try:
                return await super().ask(connection, table)
            except TransientError:
                continue
        return await super().ask(connection, table)


class PageTwiceAfterReconnect(Ledger):
    """A connection that breaks is opened again inside, at the cursor before the last page's: that page comes twice."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        before = cursor
        try:
            async for page in super().fetch_data(entity, since=since, cursor=cursor):
                before, cursor = cursor, page.cursor
                yield page
        except ConnectionFailedError:
            async for page in super().fetch_data(entity, since=since, cursor=before):
                yield page


class ForeignCursorsAreTrusted(Ledger):
    """A cursor out of a file that somebody has edited raises TypeError or ValueError."""

    def key_of(self, cursor: Any) -> Key:
        moment, number = cursor
        return datetime.fromisoformat(moment), int(number)


class NotConnectedIsAnAttributeError(Ledger):
    """Whoever reads before `connect` is told that NoneType has no attribute `take`."""

    async def take(self) -> Connection:
        client: Any = self.client
        connection: Connection = await client.take()
        return connection


SPECIMENS = tuple(
    map(
        partial(Specimen, "errors"),
        (
            SecretInTheMessage,
            SecretAsBasicAuth,
            SecretInTheArguments,
            SecretInTheCause,
            SecretInTheRepr,
            SecretInALogLine,
            ClientErrorsComeOut,
            TimeoutIsRaw,
            BrokenBodyIsRaw,
            BrokenBodyIsBadData,
            BrokenConnectionIsPermanent,
            QuotaIsPermanent,
            RetryAfterIsLost,
            UnavailableIsPermanent,
            BadCredentialsAreTransient,
            FaultEndsTheRead,
            FaultSkipsThePage,
            RetriesInside,
            PageTwiceAfterReconnect,
            ForeignCursorsAreTrusted,
            NotConnectedIsAnAttributeError,
        ),
    )
)
