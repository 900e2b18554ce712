"""The errors a connector, a wrapper or a run may raise, grouped by what the caller should do.

Nothing here decides anything: which errors are retried is read off the classes alone. Messages have three parts:
what happened (with the value), what was expected, what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .records.page import Cursor

__all__ = [
    "AuthenticationError",
    "BadRecordError",
    "CircuitOpenError",
    "ConfigError",
    "ConnectionFailedError",
    "ConnectorError",
    "CursorExpiredError",
    "DataError",
    "DestinationError",
    "PermanentError",
    "PermissionDeniedError",
    "Problem",
    "RateLimitError",
    "RepeatedCursorError",
    "RequestRejectedError",
    "ResumeImpossibleError",
    "RetriesExhaustedError",
    "SchemaMismatchError",
    "ServiceUnavailableError",
    "TimedOutError",
    "TransientError",
    "UnknownEntityError",
]


class ConnectorError(Exception):
    """Anything that goes wrong with a connector.

    `connector`, `operation`, `entity`, `cursor` and `attempt` say where, as far as known; whoever learns more on the
    way out adds it with `locate`. The cursor is kept for programs and never printed: it may be long.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.connector: str | None = None
        self.operation: str | None = None
        self.entity: str | None = None
        self.cursor: Cursor = None
        self.attempt: int | None = None

    def locate(
        self,
        *,
        connector: str | None = None,
        operation: str | None = None,
        entity: str | None = None,
        cursor: Cursor = None,
        attempt: int | None = None,
    ) -> Self:
        """Fill in what is not known yet, and return the error; what an inner layer has said stands."""
        self.connector = self.connector or connector
        self.operation = self.operation or operation
        self.entity = self.entity or entity
        self.cursor = cursor if self.cursor is None else self.cursor
        self.attempt = self.attempt or attempt
        return self

    def __reduce__(self) -> tuple[object, ...]:
        # An exception is rebuilt by calling its class with `args`, which fails where __init__ takes more than those.
        return _rebuild, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        where = [
            f"{name} {value}"
            for name in ("connector", "operation", "entity", "attempt")
            if (value := getattr(self, name)) is not None
        ]
        return f"{self.message} [{', '.join(where)}]" if where else self.message


def _rebuild(kind: type[ConnectorError], args: tuple[object, ...]) -> ConnectorError:
    """Return an error made without its __init__; pickle and copy fill in the attributes."""
    return kind.__new__(kind, *args)


@attrs.frozen
class Problem:
    """One thing that is wrong with a configuration.

    `path` is where (`auth.token`, `entities.flights.mode`, empty for the whole), `given` what stands there (never a
    secret), `expected` what may stand there, `mend` what to do about it.
    """

    path: str
    given: str
    expected: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{self.path or '(top level)'}: {self.given}; expected {self.expected}"
        return f"{line}; {self.mend}" if self.mend else line

    def under(self, parent: str) -> Problem:
        """Return the same problem seen from one level further up: `token` under `auth` is `auth.token`."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return attrs.evolve(self, path=f"{parent}{joint}{self.path}")


class ConfigError(ConnectorError):
    """A configuration cannot be used. `problems` has all of them, not only the first."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {problem}" for problem in self.problems)])


class TransientError(ConnectorError):
    """The same call may well succeed later: retry."""


class ConnectionFailedError(TransientError):
    """The other side could not be reached, or the connection broke before the answer was complete."""


class TimedOutError(TransientError):
    """A time limit passed before the answer came."""


class ServiceUnavailableError(TransientError):
    """The other side answered that it cannot serve this now (5xx and the like)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitError(TransientError):
    """The other side refused because of a quota. `retry_after` is in seconds, where it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(ConnectorError):
    """The same call will fail again: do not retry."""


class AuthenticationError(PermanentError):
    """The credentials are missing, wrong or expired."""


class PermissionDeniedError(PermanentError):
    """The credentials are right and not allowed to do this."""


class UnknownEntityError(PermanentError):
    """No entity of that name is in the catalog."""


class RequestRejectedError(PermanentError):
    """The other side refused the request as such (4xx and the like)."""


class DataError(ConnectorError):
    """This record, page or cursor is not usable; another one may be."""


class SchemaMismatchError(DataError):
    """Data does not fit what was announced for it."""


class BadRecordError(SchemaMismatchError):
    """Some records cannot be used, and the others can: `bad` has the reason of each, by its position among the records given."""

    def __init__(self, message: str, bad: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.bad = dict(bad or {})


class CursorExpiredError(DataError):
    """The cursor is no longer accepted: the read must begin again from `since`."""


class RepeatedCursorError(DataError):
    """Two pages of one read carry the same cursor: going on would never end."""


class ResumeImpossibleError(DataError):
    """A read broke after a page that carries no cursor: going on would lose or repeat records."""


class DestinationError(ConnectorError):
    """The destination cannot take or keep the records. What it stored before stays as it was."""


class CircuitOpenError(ConnectorError):
    """Not tried, because recent calls failed. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RetriesExhaustedError(ConnectorError):
    """Given up after several attempts. `attempts` has the error of each, the last one is also the cause.

    It is no `TransientError`, so that an outer retry does not multiply the attempts.
    """

    def __init__(self, message: str, attempts: Sequence[Exception] = ()) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)
