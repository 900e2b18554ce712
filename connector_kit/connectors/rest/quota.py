"""What the headers of an answer say of the quota: pure functions from headers to values.

Header names are in lower case, as `HttpResponse.headers` has them. Understood are the IETF drafts (`RateLimit-*` of 03 to
06, `RateLimit: limit=…` of 07, `RateLimit: "default";r=…` since 08), and what GitHub, GitLab, Twitter, Okta, Discord,
Reddit and Zendesk send.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from connector_kit.records.page import Quota

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["quota_of", "retry_after_of"]

_FAMILIES = ("ratelimit", "x-ratelimit", "x-rate-limit")
_PAIR = re.compile(r"([a-z]+)\s*=\s*([0-9.]+)")
_NUMBER = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*(?:[,;].*)?")

# A reset is the seconds until then or the time itself, and no header says which. As seconds, 1e8 is three years; as
# a time in seconds, it is 1973; 1e11 is the year 5138 in seconds and 1973 in milliseconds.
_EPOCH_SECONDS = 1e8
_EPOCH_MILLISECONDS = 1e11


def quota_of(headers: Mapping[str, str], now: datetime) -> Quota | None:
    """Return the quota that the headers tell of, or None where they tell of none.

    Times are counted from the answer's `Date` where there is one, so that a wrong clock does no harm; else from `now`.
    """
    if not any("rate" in name for name in headers):  # it is in every name below, and in few answers
        return None
    if (structured := _structured(headers)) is not None:
        return structured
    limit, remaining = _first(headers, "-limit"), _first(headers, "-remaining")
    if limit is None:
        limit = _number(headers.get("x-rate-limit"))
    quota = Quota(
        limit=None if limit is None else int(limit),
        remaining=None if remaining is None else max(int(remaining), 0),
        reset_after=_reset_after(headers, _server_time(headers, now)),
    )
    return None if quota == Quota() else quota


def retry_after_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait: from `Retry-After` (seconds or a date), else until the quota's reset; or None."""
    given = headers.get("retry-after")
    if given is not None:
        seconds = _number(given)
        if seconds is None and (moment := _date(given)) is not None:
            seconds = (moment - _server_time(headers, now)).total_seconds()
        if seconds is not None:
            return max(seconds, 0.0)
    quota = quota_of(headers, now)
    return quota.reset_after if quota is not None and not quota.remaining else None


def _structured(headers: Mapping[str, str]) -> Quota | None:
    """Read the `RateLimit` header itself; of several policies, the one with the least remaining."""
    text = headers.get("ratelimit", "").lower()
    pairs = _pairs(text)
    if "remaining" in pairs:
        return _quota(pairs.get("limit"), pairs["remaining"], pairs.get("reset"))
    limits = {
        _name(item): _pairs(item).get("q") for item in headers.get("ratelimit-policy", "").lower().split(",")
    }
    quotas = [
        _quota(limits.get(_name(item)), pairs["r"], pairs.get("t"))
        for item in text.split(",")
        if "r" in (pairs := _pairs(item))
    ]
    return min(quotas, key=lambda quota: quota.remaining or 0, default=None)


def _quota(limit: float | None, remaining: float, reset: float | None) -> Quota:
    return Quota(None if limit is None else int(limit), int(remaining), reset)


def _pairs(text: str) -> dict[str, float]:
    return {name: number for name, value in _PAIR.findall(text) if (number := _number(value)) is not None}


def _name(item: str) -> str:
    return item.partition(";")[0].strip()


def _first(headers: Mapping[str, str], ending: str) -> float | None:
    numbers = (_number(headers.get(family + ending)) for family in _FAMILIES)
    return next((number for number in numbers if number is not None), None)


def _reset_after(headers: Mapping[str, str], now: datetime) -> float | None:
    delta = _first(headers, "-reset-after")
    if delta is not None:
        return max(delta, 0.0)
    given = next((headers[name] for family in _FAMILIES if (name := f"{family}-reset") in headers), None)
    if given is None:
        return None
    seconds = _number(given)
    if seconds is None:
        moment = _date(given)
        return None if moment is None else max((moment - now).total_seconds(), 0.0)
    if seconds >= _EPOCH_MILLISECONDS:
        seconds = seconds / 1000 - now.timestamp()
    elif seconds >= _EPOCH_SECONDS:
        seconds -= now.timestamp()
    return max(seconds, 0.0)


def _server_time(headers: Mapping[str, str], now: datetime) -> datetime:
    return _date(headers.get("date", "")) or now


def _number(given: str | None) -> float | None:
    """Read the number a header begins with: `100, 100;w=60` is 100."""
    found = _NUMBER.fullmatch(given) if given is not None else None
    number = float(found[1]) if found else math.nan
    return number if math.isfinite(number) else None


def _date(given: str) -> datetime | None:
    """Read an HTTP date or an ISO one."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(given)
        except (TypeError, ValueError, IndexError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
