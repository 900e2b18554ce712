"""Where a secret may show: its forms, the texts of an error, and what a process says while a law looks."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from base64 import b64encode
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote, quote_plus

import attrs

from connector_kit.redaction import HIDDEN

from .telling import members_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

__all__ = ["SHORTEST", "SecretForms", "overhearing", "texts_of"]


SHORTEST = 4
"""Letters. A shorter secret would be found in any text."""

_AROUND = 60  # letters of a text on both sides of a secret in it
_SHORTEST_ENCODED = 8


@attrs.frozen
class SecretForms:
    """What to look for. The longest ones first, so that what is left of a text after hiding them tells nothing."""

    forms: tuple[str, ...]

    @classmethod
    def of(cls, secrets: tuple[str, ...]) -> SecretForms:
        """Return the forms of all secrets that are long enough to be told from other text."""
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms_of(secret)}
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def excerpt(self, text: str) -> str | None:
        """Return what stands around the first secret in a text, with it hidden; None where there is none."""
        places = [place for form in self.forms if (place := text.find(form)) >= 0]
        if not places:
            return None
        before = "…" if min(places) > _AROUND else ""
        rest = text[max(0, min(places) - _AROUND) :]
        for form in self.forms:
            rest = rest.replace(form, HIDDEN)
        return before + (rest if len(rest) <= 3 * _AROUND else f"{rest[: 3 * _AROUND]}…")


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    yield quote_plus(secret)
    # Inside a longer text in base64 ("user:secret") it looks one of three ways, by its place there; what its neighbours
    # have a share in is left out.
    for offset in range(3):
        encoded = b64encode(bytes(offset) + secret.encode()).decode()
        certain = encoded[-(-offset * 8 // 6) : (offset + len(secret.encode())) * 8 // 6]
        if len(certain) >= _SHORTEST_ENCODED:
            yield certain


def texts_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Return what a traceback of an error shows, without the lines of source: where it stands, and the text.

    Its causes count, and the errors of a group; a context that was suppressed does not.
    """
    seen: set[int] = set()
    left = [(error, "")]
    while left:
        one, whose = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        name = f"{type(one).__name__}{whose}"
        yield f"the message of {name}", _safely(str, one)
        yield f"the repr of {name}", _safely(repr, one)
        for note in getattr(one, "__notes__", ()):
            yield f"a note of {name}", str(note)
        behind = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if behind is not None:
            left.append((behind, f", the cause of {type(one).__name__}"))
        left += [(each, f", in {type(one).__name__}") for each in members_of(one)]


def _safely(show: Callable[[BaseException], str], error: BaseException) -> str:
    try:
        return show(error)
    except Exception as failed:  # noqa: BLE001 - an error that cannot be shown shows nothing
        return f"({type(failed).__name__})"


@contextmanager
def overhearing(hear: Callable[[str, str], None]) -> Generator[None]:
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
def _logs(hear: Callable[[str, str], None]) -> Generator[None]:
    root = logging.getLogger()
    level = root.level

    def as_before(record: logging.LogRecord) -> bool:
        """Keep from the root's own handlers what its level kept from them: what loggers without one of their own say."""
        logger = logging.getLogger(record.name)
        while logger.parent is not None:
            if logger.level:
                return True
            logger = logger.parent
        return record.levelno >= level

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
def _warnings(hear: Callable[[str, str], None]) -> Generator[None]:
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
