"""`QuarantineFile`: where records that do not fit are put aside, as JSON lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeGuard

import anyio
import anyio.to_thread
import attrs
import msgspec

from connector_kit.errors import ConfigError, DestinationError

if TYPE_CHECKING:
    from .policy import Rejected

__all__ = ["QuarantineFile"]

_BEGINNING = b'{"entity":'


def _simplified(value: object) -> Any:
    """Convert a value that msgspec does not know to one that it does: for a person to look at, not to be read back."""
    if _is_mapping(value):
        return dict(value)
    if _is_collection(value):
        return list(value)
    return repr(value)


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_collection(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, Sequence | AbstractSet)


_ENCODER = msgspec.json.Encoder(enc_hook=_simplified)


@attrs.define(eq=False)
class QuarantineFile:
    """Appends rejected records to a file, one JSON object a line: entity, reasons, record.

    A line that stands there already is not written again, as far as it is among the last `remembered` ones: a read
    that goes on before the place where it broke, and the next full read, put nothing aside twice. Records that are
    alike in every value count as one. Each remembered line takes about 100 bytes of memory.

    The lines of a page are handed to the system in one write, so that a killed process leaves at most one torn line;
    the next start cuts it off. Wrappers of one process may share the object; two processes need a file each.
    """

    path: Path = attrs.field(converter=Path)
    remembered: int = attrs.field(default=100_000, kw_only=True)
    _file: IO[bytes] | None = attrs.field(default=None, init=False, repr=False)
    _known: dict[bytes, None] = attrs.field(factory=dict[bytes, None], init=False, repr=False)
    _opening: anyio.Lock = attrs.field(factory=anyio.Lock, init=False, repr=False)

    async def add(self, rejected: Sequence[Rejected]) -> None:
        """Put records aside. Raises `ConfigError` for a file of somebody else's, `DestinationError` where writing fails."""
        async with self._opening:
            if self._file is None:
                self._file = await anyio.to_thread.run_sync(self._open)
            # Written here and now: a thread takes twenty times as long as the write (150 against 7 microseconds for
            # 100 records), and whoever is cancelled has either nothing or all of a page in the file.
            self._append(self._file, rejected)

    async def close(self) -> None:
        """Close the file; `add` opens it again."""
        file, self._file = self._file, None
        self._opening = anyio.Lock()  # one that was used in another event loop may not work in the next
        if file is not None:
            file.close()

    def _open(self) -> IO[bytes]:
        try:
            file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise ConfigError(
                f"the quarantine file {self.path} cannot be opened: {error}; name a file that can be written"
            ) from error
        try:
            self._look_through(file)
        except BaseException:
            file.close()
            raise
        return file

    def _look_through(self, file: IO[bytes]) -> None:
        """Learn which lines are there, and cut off a torn one."""
        file.seek(0)
        start = file.read(len(_BEGINNING))
        if not _BEGINNING.startswith(start):
            raise ConfigError(
                f"{self.path} is no quarantine file: it begins with {start!r}, expected {_BEGINNING.decode()}; "
                "name a file of its own"
            )
        file.seek(0)
        complete_bytes = 0
        for line in _lines(file):
            if line.endswith(b"\n"):
                complete_bytes += len(line)
                self._remember(_digest(line))
            else:
                file.truncate(complete_bytes)

    def _append(self, file: IO[bytes], rejected: Sequence[Rejected]) -> None:
        lines = bytearray()
        digests: dict[bytes, None] = {}
        for each in rejected:
            line = _line(each)
            digest = _digest(line)
            if digest not in self._known and digest not in digests:
                digests[digest] = None
                lines += line
        if lines:
            self._write(file, lines)
            for digest in digests:
                self._remember(digest)

    def _write(self, file: IO[bytes], lines: bytearray) -> None:
        before = file.seek(0, 2)
        try:
            written = file.write(lines)
        except OSError as error:
            raise self._full(str(error)) from error
        if written != len(lines):
            file.truncate(before)
            raise self._full(f"{written} of {len(lines)} bytes were taken")

    def _full(self, what: str) -> DestinationError:
        return DestinationError(
            f"records that do not fit could not be put aside in {self.path}: {what}; make room, or name another file"
        )

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        if len(self._known) > self.remembered:
            del self._known[next(iter(self._known))]


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Return the lines of an unbuffered file without asking the system for each byte."""
    rest = b""
    while chunk := file.read(1 << 20):
        *complete, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in complete)
    if rest:
        yield rest


def _line(rejected: Rejected) -> bytes:
    content = {"entity": rejected.entity, "reasons": rejected.reasons, "record": rejected.record}
    try:
        return _ENCODER.encode(content) + b"\n"
    except (TypeError, ValueError, RecursionError):  # what is bad about it may be that it has no JSON form
        return _ENCODER.encode({**content, "record": ascii(rejected.record)}) + b"\n"


def _digest(line: bytes) -> bytes:
    return blake2b(line, digest_size=16).digest()
