"""How a lower bound of time is written into a request. Pure functions, no I/O.

The bound is inclusive, so what a format cannot hold is cut off and never rounded up: a server then gives a record more
than was asked for, not one less.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

__all__ = ["FORMATS", "TEMPLATE_SLOT", "format_problem", "is_zone", "says_utc", "since_text"]

FORMATS = ("iso", "epoch", "epoch_ms", "epoch_us", "rfc1123")
"""The formats that have a name: `2013-01-31T10:00:00Z`; seconds, milliseconds or microseconds since 1970, as a whole
number; `Thu, 31 Jan 2013 10:00:00 GMT`. Every other one is a pattern for `strftime`."""

TEMPLATE_SLOT = "{since}"
"""What stands in a template for the time."""

_UNITS = {
    "epoch": timedelta(seconds=1),
    "epoch_ms": timedelta(milliseconds=1),
    "epoch_us": timedelta(microseconds=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DIRECTIVE = re.compile(r"%(?P<directive>%|3f|-?[a-zA-Z])?")
_KNOWN = frozenset("aAbBcCdDeFfGghHIjklmMnpPrRSTtuUVwWxXyYzZ%")
_MILLISECONDS = "3f"
_UTC_WORDS = re.compile("Z|UTC|GMT")


def since_text(since: datetime, form: str, zone: str | None = None) -> str | int:
    """Write a time in a format and a zone (UTC by default); one without a zone is taken as UTC.

    Where clocks are set back, an hour comes twice. Text without an offset cannot say which of the two is meant; it is then
    written for an hour (or as much as is set back) earlier, so that either reading of it is early enough.
    """
    moment = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    if (unit := _UNITS.get(form)) is not None:
        return (moment - _EPOCH) // unit
    if form == "rfc1123":
        return format_datetime(moment, usegmt=True)
    local = moment if zone is None or says_utc(form) else _in_zone(moment, zone)
    if form == "iso":
        return local.isoformat().replace("+00:00", "Z")
    if not any(found["directive"] in ("z", "Z") for found in _DIRECTIVE.finditer(form)):
        local = _unmistakable(local)
    milliseconds = f"{local.microsecond // 1000:03}"
    return local.strftime(
        _DIRECTIVE.sub(lambda found: milliseconds if found["directive"] == _MILLISECONDS else found[0], form)
    )


def format_problem(form: str) -> str | None:
    """Return what is wrong with a format, None for nothing."""
    if form in FORMATS:
        return None
    directives = [found["directive"] for found in _DIRECTIVE.finditer(form)]
    if not directives:
        return "no format that has a name, and no pattern with % in it"
    for directive in directives:
        if directive != _MILLISECONDS and (directive or "?")[-1] not in _KNOWN:
            return f"a pattern with %{directive or ''} in it, which means nothing"
    return None


def says_utc(form: str) -> bool:
    """Whether what is written so is in UTC whatever zone is declared: counts of the epoch, and patterns with a Z in them."""
    return form in FORMATS[1:] or _UTC_WORDS.search(_DIRECTIVE.sub("", form)) is not None


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of that name; no name at all; a folder of names
        return False
    return True


def _in_zone(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(zone))
    except OverflowError:  # there, it is before the year 1
        return moment


def _unmistakable(local: datetime) -> datetime:
    """Return a time whose text, read as the later one of two, is not after `local`."""
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if local.fold or first is None or second is None or first <= second:
        return local
    return local - (first - second)
