"""What can go wrong between here and a site, as errors. Pure functions.

A `reason` is what httpx2 says of it; credentials in it are hidden here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConnectionFailedError, RequestRejectedError, TimedOutError

from .origin import path_of

if TYPE_CHECKING:
    from .origin import Site

__all__ = ["broken", "too_slow", "unreachable", "unsendable"]


def unreachable(site: Site, reason: str) -> ConnectionFailedError:
    """Give the error for a connection that could not be made."""
    return ConnectionFailedError(
        f"cannot connect to {site.authority}: {_told(site, reason)}; "
        "look at host and port of base_url, and whether the server runs"
    )


def too_slow(site: Site, seconds: float) -> TimedOutError:
    """Give the error for a connection that was not there within so many seconds."""
    return TimedOutError(
        f"no connection to {site.authority} within {seconds:g} s; "
        "look at base_url, the network and whether a proxy is needed"
    )


def broken(site: Site, target: str, reason: str) -> ConnectionFailedError:
    """Give the error for an answer that did not come, or not wholly, or is no HTTP."""
    return ConnectionFailedError(
        f"the connection to {site.authority} broke before the answer to GET {path_of(target)} was complete: "
        f"{_told(site, reason)}; try again"
    )


def unsendable(site: Site, target: str, reason: str) -> RequestRejectedError:
    """Give the error for a request that HTTP has no way to write."""
    return RequestRejectedError(
        f"GET {path_of(target)} on {site.authority} cannot be sent: {_told(site, reason)}; "
        "look at base_url, path, params and headers"
    )


def _told(site: Site, reason: str) -> str:
    return site.credentials.hidden_in(reason)
