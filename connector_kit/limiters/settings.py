"""The arguments that limiters have in common, checked: rates, bounds of waiting, a name, where counts survive."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError

from .count_file import CountFile
from .queue import QueueBounds
from .rates import CalendarRate, DeadRateWarning, Rate, Rates
from .windows import HardWindow

if TYPE_CHECKING:
    from pathlib import Path

    from .rates import RatesLike

__all__ = ["LimiterSettings", "SharedSettings"]

_NAME = re.compile(r"[^\s{}]{1,200}")


@attrs.frozen
class LimiterSettings:
    """What every limiter is made with."""

    rates: Rates
    bounds: QueueBounds
    file: CountFile | None

    @classmethod
    def of(
        cls, rates: RatesLike, *, max_wait: float | None, max_queue: int | None, state: str | Path | None
    ) -> LimiterSettings:
        """Check the arguments of a limiter and return its settings.

        Raises `ConfigError`; warns of dead rates where the constructor was called.
        """
        try:
            several = Rates.of(rates)
            bounds = QueueBounds.of(max_wait, max_queue)
        except ValueError as error:
            raise ConfigError(
                f"cannot make a limiter of {rates!r} with max_wait={max_wait!r}; expected {error}"
            ) from error
        for dead in several.dead():
            warnings.warn(str(dead), DeadRateWarning, stacklevel=3)
        return cls(several, bounds, None if state is None else _file(several, state))


def _file(rates: Rates, state: str | Path) -> CountFile:
    if not any(isinstance(rate, CalendarRate) for rate in rates):
        raise ConfigError(
            f"state={str(state)!r} has nothing to keep: there is no calendar rate in {rates}; expected one like "
            "10000/day@UTC; leave state out, or name the time zone in which the day is counted"
        )
    return CountFile(state)


@attrs.frozen
class SharedSettings:
    """What a limiter that processes share is made with: hard windows and a name.

    `rates` is how the limit is shown and compared.
    """

    name: str
    rates: Rates
    windows: tuple[HardWindow, ...]
    bounds: QueueBounds

    @classmethod
    def of(cls, name: str, settings: LimiterSettings) -> SharedSettings:
        """Add what only shared limiters need. Raises `ConfigError`."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"cannot share a limiter by the name {name!r}; expected up to 200 characters without spaces and braces; "
                "name what the quota belongs to, such as github.com"
            )
        hard = [_hard(rate) for rate in settings.rates]
        dead = {id(each.rate) for each in settings.rates.dead()}
        windows = tuple(HardWindow.of(rate) for rate in hard if id(rate) not in dead)
        return cls(name, settings.rates, windows, settings.bounds)

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once."""
        return min(window.limit for window in self.windows)

    def share(self, share: float) -> Rates:
        """Return the rates at this share: fewer permits in the same windows, or one in a longer window."""
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
