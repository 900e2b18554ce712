"""What the reading verbs share: the argument CONNECTOR, and the connector that was named, at work."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from connector_kit.runtime.session import connected
from connector_kit.wrappers.stack.protect import protect

from .journal import journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.protocols import FullConnector
    from connector_kit.registry.connectors import Located

    from .diagnostics import Diagnostics

__all__ = ["connector_argument", "opened"]

connector_argument = click.argument("connector")


@asynccontextmanager
async def opened(located: Located, diagnostics: Diagnostics) -> AsyncIterator[FullConnector]:
    """Give the connector, protected as its file says, connected for the length of the block."""
    stack = protect(located.make(), located.resilience, observer=journal(diagnostics))
    async with connected(stack) as connector:
        yield connector
