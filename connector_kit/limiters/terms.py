"""What every limiter is made from, checked: rates, bounds of waiting, and where counts survive."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError

from .calendar_rate import CalendarRate
from .count_file import CountFile
from .patience import Patience
from .rate import DeadRateWarning, Rates

if TYPE_CHECKING:
    from pathlib import Path

    from .rate import RatesLike

__all__ = ["Terms"]


@attrs.frozen
class Terms:
    """The arguments that limiters have in common."""

    rates: Rates
    patience: Patience
    file: CountFile | None

    @classmethod
    def of(
        cls, rates: RatesLike, *, max_wait: float | None, max_queue: int | None, state: str | Path | None
    ) -> Terms:
        """Check them, for a limiter's constructor. Raises `ConfigError`; warns of dead rates where that was called."""
        try:
            several = Rates.of(rates)
            patience = Patience.of(max_wait, max_queue)
        except ValueError as error:
            raise ConfigError(
                f"cannot make a limiter of {rates!r} with max_wait={max_wait!r}; expected {error}"
            ) from error
        for dead in several.dead():
            warnings.warn(str(dead), DeadRateWarning, stacklevel=3)
        return cls(several, patience, None if state is None else _file(several, state))


def _file(rates: Rates, state: str | Path) -> CountFile:
    if not any(isinstance(rate, CalendarRate) for rate in rates):
        raise ConfigError(
            f"state={str(state)!r} has nothing to keep: there is no calendar rate in {rates}; expected one like "
            "10000/day@UTC; leave state out, or name the time zone in which the day is counted"
        )
    return CountFile(state)
