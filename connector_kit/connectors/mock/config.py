"""What the mock connector can be told."""

from __future__ import annotations

import attrs
from attrs.validators import and_, ge, le

from connector_kit.durations import Duration, as_duration
from connector_kit.limiters.rates import Rate, Rates

__all__ = ["MAX_SIZE", "MockConfig"]

MAX_SIZE = 1_000_000_000
"""With more records, the last ones' times would come near the last year that a datetime can hold."""


def _as_rates(given: Rates | str | None) -> Rates | None:
    rates = None if given is None else Rates.of(given)
    for rate in rates or ():
        if not isinstance(rate, Rate) or rate.burst is not None:
            raise ValueError(f'a rate like "50/s", since the mock counts in plain windows, not "{rate}"')
    return rates


@attrs.frozen
class MockConfig:
    """How much data there is, and how it behaves.

    `size` is the number of records of the largest entities (orders, events); there is a customer for every ten. The
    same `seed` gives the same records: more of them with a larger `size`, the same ones with another `page_size`.
    Each request for records takes `latency`. `faults` is the share of them that fails, of one entity's at most
    `max_faults_in_a_row` one after the other. `rate` is what the mock allows (`"50/s"`); it refuses requests beyond.
    """

    seed: int = 0
    size: int = attrs.field(default=1_000, validator=and_(ge(0), le(MAX_SIZE)))
    page_size: int = attrs.field(default=100, validator=ge(1))
    latency: Duration = attrs.field(default=Duration(0), converter=as_duration)
    faults: float = attrs.field(default=0.0, validator=and_(ge(0), le(1)))
    max_faults_in_a_row: int = attrs.field(default=2, validator=ge(0))
    rate: Rates | None = attrs.field(default=None, converter=_as_rates)
