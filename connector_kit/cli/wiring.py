"""How faults get on the wire of a connector that was named on the command line.

The rule is one name: where the settings of a connector have a field `base_url` of type `Url`, its source is there, and
speaks HTTP. A proxy on loopback takes that place for the length of the test. Whichever connector it is: the kit's `rest`
and an author's own are alike.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.config.url import Url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.registry.connectors import Located
    from connector_kit.testing.conformance.wire import Wire

__all__ = ["wired"]


@contextmanager
def wired(located: Located) -> Iterator[tuple[Located, Wire | None]]:
    """Put a proxy between a connector and its source, and give it as it is then; as it was where there is no such place."""
    upstream = getattr(located.values, "base_url", None)
    if not isinstance(upstream, Url):
        yield located, None
        return
    from connector_kit.testing.conformance.http_proxy import HttpProxy  # noqa: PLC0415 - few need an HTTP server

    with HttpProxy(upstream.reveal()) as proxy:
        values: Any = located.values  # of a class that nobody knows here
        yield attrs.evolve(located, values=attrs.evolve(values, base_url=Url(proxy.url))), proxy
