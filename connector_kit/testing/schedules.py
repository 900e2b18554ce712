"""Hypothesis strategies for what goes wrong: schedules of faults for `Faulty`."""

from __future__ import annotations

from connector_kit.errors import ConnectionFailedError, ServiceUnavailableError, TimedOutError
from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Fault, Refuse, Schedule, Stall

from .drawing import st

__all__ = ["faults", "schedules"]

_ERRORS = (ConnectionFailedError, ServiceUnavailableError, TimedOutError)


def faults(*, max_seconds: float = 30.0) -> st.SearchStrategy[Fault]:
    """Give single transient faults; stalls and Retry-After take up to `max_seconds`."""
    seconds = st.floats(0, max_seconds)
    return st.one_of(
        st.builds(Fail, st.sampled_from(_ERRORS)),
        st.builds(Cut, st.sampled_from(_ERRORS)),
        st.builds(Refuse, st.none() | seconds),
        st.builds(Stall, seconds),
    )


def schedules(
    *, max_in_a_row: int = 3, max_size: int = 30, max_seconds: float = 30.0
) -> st.SearchStrategy[Schedule]:
    """Give schedules with at most `max_in_a_row` faults one after the other, for up to `max_size` requests.

    All faults are transient and none repeats a page: with more than `max_in_a_row` attempts for each request and
    enough time, a retry gets past all of them.
    """
    runs = st.lists(faults(max_seconds=max_seconds), max_size=max_in_a_row)
    return st.lists(runs, max_size=max_size).map(lambda parts: _joined(parts, max_size))


def _joined(runs: list[list[Fault]], max_size: int) -> Schedule:
    """Put a request without a fault after each run."""
    joined: list[Fault | None] = []
    for run in runs:
        joined += [*run, None]
    return tuple(joined[:max_size])
