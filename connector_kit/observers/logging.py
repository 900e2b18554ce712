"""`LoggingObserver`: what happens, to the standard library's logging."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .entries import fields, level, line

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from connector_kit.events import Event

__all__ = ["LoggingObserver"]


class LoggingObserver:
    """Logs every event as one line, with its fields as `extra` (`event` is its name) for structured handlers.

    Retries, failures and passed time limits are warnings, a failed entity is an error; waits for a limiter and the
    beginning and end of an entity are INFO; calls, pages and quotas are DEBUG.

    An error is logged by its class (`error`) and its message (`detail`, on one line, cut to 500 characters). Of an
    exception that is no `ConnectorError` the message is left out: nobody vouches that there is no secret in it. Cursors
    are not logged.

    It never raises. A handler that blocks holds up the read: put a `logging.handlers.QueueHandler` before a slow one.
    `logger` is `logging.getLogger("connector_kit")` by default; a LoggerAdapter adds its own `extra`, for instance the
    connector's name.

    >>> observer = LoggingObserver(logging.getLogger("shop"))
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter[Any] | None = None) -> None:
        self._logger = logger or logging.getLogger("connector_kit")

    def observe(self, event: Event, /) -> None:
        """Log one event."""
        with suppress(Exception):  # a filter or an error's __str__ that fails must not break the read
            wanted = level(event)
            if self._logger.isEnabledFor(wanted):
                self._send(wanted, line(event), {"event": type(event).__name__, **fields(event)})

    def _send(self, wanted: int, text: str, extra: dict[str, Any]) -> None:
        logger = self._logger
        options: MutableMapping[str, Any] = {"extra": extra}
        while isinstance(logger, logging.LoggerAdapter):
            # An adapter puts its own `extra` in the place of ours: both are wanted.
            text, options = logger.process(text, options)
            extra = {**extra, **(options.get("extra") or {})}
            options["extra"] = extra
            logger = logger.logger
        logger.log(wanted, text, **options)
