"""`LoggingObserver`: what happens, to the standard library's logging."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from connector_kit.events import Event

__all__ = ["LoggingObserver"]


class LoggingObserver:
    """Logs the sentence of every event, at its level, with its fields as `extra` (`event` is its name).

    Retries, failures and passed time limits are warnings, a failed entity is an error; waits for a limiter of a second
    or more and the beginning and end of an entity are INFO; calls, pages and quotas are DEBUG.

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
            level = event.level
            if self._logger.isEnabledFor(level):
                self._log(level, event.message, {"event": event.name, **event.fields()})

    def _log(self, level: int, text: str, extra: dict[str, Any]) -> None:
        logger: logging.Logger | logging.LoggerAdapter[Any] = self._logger
        options: MutableMapping[str, Any] = {"extra": extra}
        while isinstance(logger, logging.LoggerAdapter):
            # An adapter puts its own `extra` in the place of ours: both are wanted.
            text, options = logger.process(text, options)
            extra = {**extra, **(options.get("extra") or {})}
            options["extra"] = extra
            logger = logger.logger
        logger.log(level, text, **options)
