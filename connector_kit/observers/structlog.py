"""`StructlogObserver`: what happens, to structlog."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from connector_kit.events import Event

__all__ = ["StructlogObserver"]


class _Logger(Protocol):
    """What is needed of a logger; structlog has several classes of them, without a common one that has these."""

    def debug(self, event: str, *args: Any, **fields: Any) -> Any: ...

    def info(self, event: str, *args: Any, **fields: Any) -> Any: ...

    def warning(self, event: str, *args: Any, **fields: Any) -> Any: ...

    def error(self, event: str, *args: Any, **fields: Any) -> Any: ...


class StructlogObserver:
    """Logs every event under its name (`retry_scheduled`), with its fields as keys; those without a value are left out.

    Levels and fields are those of `LoggingObserver`, and the same is left out of errors. Bind to `logger` what the
    events do not say, for instance the connector's name. It never raises; processors that block hold up the read.

    `logger` is `structlog.get_logger("connector_kit")` by default. Raises `ConfigError` where structlog is not installed.

    >>> import structlog
    >>> observer = StructlogObserver(structlog.get_logger().bind(connector="shop"))
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: _Logger | None = None) -> None:
        self._logger: _Logger = _default_logger() if logger is None else logger

    def observe(self, event: Event, /) -> None:
        """Log one event."""
        with suppress(Exception):  # a processor or an error's __str__ that fails must not break the read
            known = {name: value for name, value in event.fields().items() if value is not None}
            logger, name = self._logger, event.name
            match event.level:
                case logging.DEBUG:
                    logger.debug(name, **known)
                case logging.INFO:
                    logger.info(name, **known)
                case logging.WARNING:
                    logger.warning(name, **known)
                case _:
                    logger.error(name, **known)


def _default_logger() -> _Logger:
    try:
        import structlog  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "structlog is not installed, which StructlogObserver logs to; pip install 'connector-kit[structlog]'"
        ) from error
    logger: _Logger = structlog.get_logger("connector_kit")
    return logger
