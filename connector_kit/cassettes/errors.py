"""What is wrong with a cassette, or with what is asked of one."""

from __future__ import annotations

from connector_kit.errors import ConfigError, ConnectorError, DataError, PermanentError

__all__ = [
    "CassetteCutShortError",
    "CassetteError",
    "CassetteVersionError",
    "NotRecordedError",
    "ReplayedError",
    "UnrecordableError",
    "WrongCassetteError",
]


class CassetteError(ConfigError):
    """A file cannot be used as a cassette."""


class CassetteCutShortError(CassetteError):
    """A cassette has fewer or more lines than were recorded."""


class CassetteVersionError(CassetteError):
    """A cassette was written by a newer version of the kit."""


class WrongCassetteError(CassetteError):
    """A cassette has what another connector answered."""


class NotRecordedError(PermanentError):
    """A cassette has no answer to a request."""


class UnrecordableError(DataError):
    """A value has no form in a cassette."""


class ReplayedError(ConnectorError):
    """Stands for a recorded exception that is neither one of the kit's nor one of Python's own."""
