"""Times as sources write them, read as points in time. What is no time, or could be several, is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from connector_kit.errors import ConfigError

from .catalog import ListOf, Scalar, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalog import Entity

__all__ = ["Instants", "TimeFormat", "at_microseconds", "microseconds_of", "refuse_key", "time_format"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH_UNITS = {"epoch": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""How many microseconds one of each is."""
_FIRST_EPOCH, _LAST_EPOCH = 10**8, 10**10
"""From March 1973 to November 2286 in seconds: the three units do not overlap there, nor do counts and dates fall into it."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_ISO_WITH_SPACE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*)\s+(?P<zone>UTC|GMT|Z|[+-]\d\d:?\d\d)", re.IGNORECASE
)
_MONTH = re.compile(r"\d{4}-\d\d")
_RFC_1123 = re.compile(
    r"([A-Z][a-z]{2,8}, *)?\d{1,2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d(:\d\d)? *(GMT|UTC|UT|[+-]\d{4})"
)
_NO_TIMES = frozenset({Scalar.BOOLEAN, Scalar.BINARY, Scalar.TIME})


@attrs.frozen
class Instants:
    """The times of some values: None for each that is none.

    `zoneless` says that one of them names no zone and none is declared, so that it was taken to be in UTC.
    """

    at: Sequence[datetime | None]
    zoneless: bool = False

    @property
    def usable(self) -> list[datetime]:
        """Those that are times."""
        return [instant for instant in self.at if instant is not None]


@attrs.frozen
class TimeFormat:
    """How one source writes its times, as far as it is declared: see `Entity.replication_format` and `replication_zone`.

    Without a format the values are recognised: datetimes and dates, ISO 8601 text of any precision, RFC 1123, and seconds,
    milliseconds or microseconds of the epoch, as numbers or digits, by their magnitude between 1973 and 2286.
    """

    declared: str | None = None
    zone: tzinfo | None = None

    def instants(self, values: Sequence[Any]) -> Instants:
        """Return the values as points in time, in UTC."""
        return self._in_utc(self._quickly(values) or [self._time(value) for value in values])

    def instant(self, value: Any) -> datetime | None:
        """Return one value as a point in time in UTC, None where it is none."""
        return self.instants([value]).at[0]

    def _quickly(self, values: Sequence[Any]) -> list[datetime | None] | None:
        """Return the times of values of one of the two ordinary kinds; None for a mixture. No function is called for each."""
        try:
            if self.declared not in {None, "iso"} or any(map(str.isdecimal, values)):
                return None
            return [*map(datetime.fromisoformat, values)]
        except (TypeError, ValueError):
            return [*values] if {*map(type, values)} == {datetime} else None

    def _in_utc(self, times: list[datetime | None]) -> Instants:
        zones = {time and time.tzinfo for time in times}
        if zones == {UTC}:
            return Instants(times)
        zone = self.zone or UTC
        zoneless = self.zone is None and any(time is not None and time.tzinfo is None for time in times)
        return Instants([time and _in_utc(time, zone) for time in times], zoneless)

    def _time(self, value: Any) -> datetime | None:
        """Return the time as it is written: without a zone where none is named."""
        if isinstance(value, datetime):
            return value if value == value else None  # noqa: PLR0124 - "not a time", as pandas has it, is not even itself
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone is added by the caller
        try:
            return _READERS.get(self.declared, self._by_pattern)(value)
        except (TypeError, ValueError, OverflowError, ArithmeticError):
            return None

    def _by_pattern(self, value: Any) -> datetime | None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return datetime.strptime(str(value), self.declared or "")  # noqa: DTZ007 - its zone is added by the caller


def time_format(entity: Entity) -> TimeFormat:
    """Return how an entity's replication key is written. Raises `ConfigError` for a zone or a format that does not exist."""
    declared, name = entity.replication_format, entity.replication_zone
    if declared is not None and declared not in _READERS and "%" not in declared:
        raise ConfigError(
            f"entity {entity.name!r} has the replication_format {declared!r}; expected {', '.join(map(repr, filter(None, _READERS)))} or a pattern "
            'like "%d.%m.%Y %H:%M"; change it, or leave it out'
        )
    try:
        return _time_format(declared, name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"entity {entity.name!r} has the replication_zone {name!r}, which nobody knows; expected a name of the IANA database "
            'like "Europe/Berlin"; change it, or install the package tzdata where the system has none'
        ) from error


@lru_cache(256)
def _time_format(declared: str | None, zone: str | None) -> TimeFormat:
    return TimeFormat(declared, None if zone is None else ZoneInfo(zone))


def refuse_key(entity: Entity) -> None:
    """Raise `ConfigError` for an entity read by `since` whose replication key cannot be a time, by what is declared of it."""
    if entity.incremental != "since" or entity.replication_key is None:
        return
    time_format(entity)
    kind = next((field.type for field in entity.fields if field.name == entity.replication_key), None)
    if isinstance(kind, ListOf | Struct) or kind in _NO_TIMES:
        what = (
            kind.value
            if isinstance(kind, Scalar)
            else "list"
            if isinstance(kind, ListOf)
            else "nested record"
        )
        raise ConfigError(
            f"entity {entity.name!r} is read by since, but its replication key {entity.replication_key!r} is a {what}; expected a "
            "field with times: name another one, or read the entity by cursor or in full"
        )


def microseconds_of(instant: datetime) -> int:
    """Return the microseconds from the epoch to a point in time."""
    return (instant - _EPOCH) // _MICROSECOND


def at_microseconds(microseconds: int) -> datetime:
    """Return the point in time so many microseconds after the epoch."""
    return _EPOCH + microseconds * _MICROSECOND


def _in_utc(time: datetime, zone: tzinfo) -> datetime | None:
    try:
        return (time if time.tzinfo is not None else time.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:  # in UTC it is before the year 1 or after the year 9999
        return None


def _recognised(value: Any) -> datetime | None:
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _by_magnitude(Decimal(text))
        return _rfc_1123(text) if _RFC_1123.fullmatch(text) else _iso(text)
    return None if isinstance(value, bool) else _by_magnitude(Decimal(value))


def _by_magnitude(number: Decimal) -> datetime | None:
    for microseconds in _EPOCH_UNITS.values():
        if _FIRST_EPOCH <= number * microseconds / 1_000_000 < _LAST_EPOCH:
            return _after_epoch(number, microseconds)
    return None


def _after_epoch(number: Decimal, microseconds: int) -> datetime:
    return at_microseconds(int(number * microseconds))  # what is finer is cut off: since is inclusive


def _since_epoch(microseconds: int) -> Callable[[Any], datetime | None]:
    def read(value: Any) -> datetime | None:
        if isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.fullmatch(value.strip())):
            return None
        return _after_epoch(Decimal(value), microseconds)

    return read


def _iso(value: Any) -> datetime | None:
    text = str.strip(value)
    if text.isdecimal():  # also 20240301, which as well may be a number
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if (parts := _ISO_WITH_SPACE.fullmatch(text)) is not None:
            zone = parts["zone"].upper()
            return datetime.fromisoformat(parts["time"] + ("Z" if zone in {"UTC", "GMT"} else zone))
        return datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text.upper())


def _rfc_1123(value: Any) -> datetime | None:
    return parsedate_to_datetime(str.strip(value))


_READERS: dict[str | None, Callable[[Any], datetime | None]] = {
    None: _recognised,
    "iso": _iso,
    "rfc1123": _rfc_1123,
    **{name: _since_epoch(microseconds) for name, microseconds in _EPOCH_UNITS.items()},
}
