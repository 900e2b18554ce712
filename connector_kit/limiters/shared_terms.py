"""What limiters that processes share are made from, checked: rates as hard windows, a name, bounds of waiting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError

from .patience import Patience
from .rate import Rate, Rates

if TYPE_CHECKING:
    from .terms import Terms

__all__ = ["SharedTerms", "Window"]

_NAME = re.compile(r"[^\s{}]{1,200}")
_EXACT = 10_000
_GRAINS = 1_000


@attrs.frozen
class Window:
    """At most `limit` permits in every half-open window of `ns` nanoseconds.

    Grants within `grain_ns` of each other share an entry of the log, which bounds it: permits come back late by that
    much, never early.
    """

    limit: int
    ns: int
    grain_ns: int = 0

    @classmethod
    def of(cls, rate: Rate) -> Window:
        """Take a rate; from 10,000 permits on, what is granted within a thousandth of the window shares an entry."""
        return cls(rate.limit, rate.per.ns, rate.per.ns // _GRAINS if rate.limit > _EXACT else 0)


@attrs.frozen
class SharedTerms:
    """The arguments that shared limiters have in common. `rates` is how the limit is shown and compared."""

    name: str
    rates: Rates
    windows: tuple[Window, ...]
    patience: Patience

    @classmethod
    def of(cls, name: str, terms: Terms) -> SharedTerms:
        """Check what is special to shared limiters. Raises `ConfigError`."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"cannot share a limiter by the name {name!r}; expected up to 200 characters without spaces and braces; "
                "name what the quota belongs to, such as github.com"
            )
        hard = [_hard(rate) for rate in terms.rates]
        dead = {id(each.rate) for each in terms.rates.dead()}
        windows = tuple(Window.of(rate) for rate in hard if id(rate) not in dead)
        return cls(name, terms.rates, windows, terms.patience)

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once."""
        return min(window.limit for window in self.windows)

    def share(self, share: float) -> Rates:
        """Give the rates at this share: fewer permits in the same windows, or one in a longer window."""
        return Rates(_part(_hard(rate), share) for rate in self.rates)


def _hard(rate: object) -> Rate:
    if isinstance(rate, Rate) and rate.burst is None:
        return rate
    raise ConfigError(
        f"{rate} cannot be shared by processes; expected hard windows like 10/s or 1000/day; leave out what comes after "
        "that, or keep to this rate in a RateLimiter of one process"
    )


def _part(rate: Rate, share: float) -> Rate:
    limit = int(rate.limit * share)
    return Rate(limit, rate.per) if limit else Rate(1, rate.per / (rate.limit * share))
