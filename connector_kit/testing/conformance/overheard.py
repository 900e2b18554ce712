"""What a process says while a law looks: in logs, in warnings, on its output.

All three belong to the process, not to a law. While `overhearing` goes on, the root logger lets everything through (its
own handlers get no more than before), warnings are collected instead of being shown or raised, and what is written to
standard output and error is listened to and passed on. At its end all is as it was.
"""

from __future__ import annotations

import io
import logging
import sys
import warnings
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, TextIO

from .secret_forms import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["overhearing"]


@contextmanager
def overhearing(hear: Callable[[str, str], None]) -> Iterator[None]:
    """Tell `hear` of everything that is said meanwhile: where, and the text."""
    with ExitStack() as stack:
        stack.enter_context(_logs(hear))
        stack.enter_context(_warnings(hear))
        out: TextIO | None = sys.stdout  # None where a process has none
        err: TextIO | None = sys.stderr
        if out is not None:
            stack.enter_context(redirect_stdout(_Passing(out, hear, "standard output")))
        if err is not None:
            stack.enter_context(redirect_stderr(_Passing(err, hear, "standard error")))
        yield


@contextmanager
def _logs(hear: Callable[[str, str], None]) -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    as_before = _AsBefore(level)
    handlers = list(root.handlers)
    listening = _Listening(hear)
    for handler in handlers:
        handler.addFilter(as_before)
    root.addHandler(listening)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(listening)
        for handler in handlers:
            handler.removeFilter(as_before)


class _AsBefore(logging.Filter):
    """Keeps from the root's own handlers what the root's level kept from them: what loggers without one of their own say."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger.parent is not None:
            if logger.level:
                return True
            logger = logger.parent
        return record.levelno >= self._level


class _Listening(logging.Handler):
    """Hears every record: its message, what else it carries, its exception."""

    _USUAL = frozenset(vars(logging.makeLogRecord({})))

    def __init__(self, hear: Callable[[str, str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        where = f"a log line of {record.name} ({record.levelname})"
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit: what they are is still told
            message = f"{record.msg} {record.args!r}"
        self._hear(where, message)
        for name, value in vars(record).items():
            if name not in self._USUAL:
                self._hear(where, f"{name}={value!r}")
        error = record.exc_info[1] if record.exc_info else None
        for place, text in texts_of(error) if error is not None else ():
            self._hear(f"{where}, {place}", text)


@contextmanager
def _warnings(hear: Callable[[str, str], None]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for each in caught:
                hear(f"a {each.category.__name__}", str(each.message))


class _Passing(io.TextIOBase):
    """A stream that passes on what is written, and tells of it."""

    def __init__(self, stream: TextIO, hear: Callable[[str, str], None], where: str) -> None:
        super().__init__()
        self._stream = stream
        self._hear = hear
        self._where = where

    def write(self, text: str, /) -> int:
        self._hear(self._where, text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there, and set by nobody
        return self._stream.encoding

    @property
    def buffer(self) -> io.BufferedIOBase | io.RawIOBase:
        """What takes bytes; these are not listened to."""
        return self._stream.buffer  # type: ignore[return-value]  # a stream of bytes, whatever it calls its type
