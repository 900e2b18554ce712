"""The file: a header, the calls in an order that does not depend on when they were made, and a footer.

    {"cassette": "connector_kit", "version": 1, "connector": "Shop"}
    {"request": {"operation": "fetch_data", "entity": "orders"}}
    {"record": {"id": 1, "price": {"$decimal": "9.50"}}}
    {"page": {"records": 1, "cursor": 1}}
    {"ended": true}
    {"lines": 5}

The footer tells how many lines stand before it, so that a file that was cut short is known.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import ConfigError

from .errors import CassetteCutShortError, CassetteError, CassetteVersionError, WrongCassetteError
from .recorded_calls import CallRecorder, RecordedCall

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["VERSION", "Cassette", "check_path", "read", "write"]

VERSION = 1
_KIND = "connector_kit"


@attrs.frozen
class Cassette:
    """What is on a cassette: the answers of the connector of this name."""

    connector: str
    calls: tuple[RecordedCall, ...]


def write(path: Path, connector: str, recorders: Iterable[CallRecorder]) -> None:
    """Put a cassette in the place of what is there, in one step. Raises what `check_path` does."""
    check_path(path, connector)
    lines = [json.dumps({"cassette": _KIND, "version": VERSION, "connector": connector}, ensure_ascii=False)]
    for recorder in sorted(recorders, key=lambda recorder: recorder.sort_key):
        lines += recorder.lines
    lines.append(json.dumps({"lines": len(lines)}))
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes("".join(f"{line}\n" for line in lines).encode())
        partial.replace(path)
    except OSError as error:
        raise CassetteError(
            f"the cassette {path} cannot be written: {error}; name a file that can be"
        ) from error


def check_path(path: Path, connector: str) -> None:
    """Refuse to put a cassette where something else is: `CassetteError`, or `WrongCassetteError` for another's."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be read: {error}; name another file") from error
    if first:
        _check_connector(path, _header(path, first)["connector"], connector)


def read(path: Path, connector: str | None = None) -> Cassette:
    """Read a cassette; with `connector` it has to be that one's.

    Raises `CassetteError` for what is no cassette, `CassetteVersionError` for one of a newer version,
    `CassetteCutShortError` for one that lacks lines, `WrongCassetteError` for another connector's.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CassetteError(
            f"the cassette {path} cannot be read: {error}; record it with Recording(connector, {str(path)!r})"
        ) from error
    first, *rest = content.split(b"\n")
    header = _header(path, first)
    if connector is not None:
        _check_connector(path, header["connector"], connector)
    return Cassette(header["connector"], _calls(path, rest))


def _check_connector(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise WrongCassetteError(
            f"the cassette {path} has the answers of {found}, expected those of {expected}; name another file"
        )


def _header(path: Path, line: bytes) -> dict[str, Any]:
    header = _parsed(line)
    if header is None or header.get("cassette") != _KIND or not isinstance(header.get("connector"), str):
        raise CassetteError(
            f'{path} is no cassette: expected a first line like {{"cassette": "{_KIND}", "version": {VERSION}, '
            '"connector": ...}; name a file that Recording has written'
        )
    version = header.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise CassetteVersionError(
            f"the cassette {path} has version {version!r}, expected {VERSION} or less; "
            "use the version of connector_kit that recorded it, or record it again"
        )
    return header


def _calls(path: Path, rest: list[bytes]) -> tuple[RecordedCall, ...]:
    lines = [_parsed(line) for line in rest if line.strip()]
    footer = lines.pop() if lines else None
    if footer is None or footer.keys() != {"lines"}:
        raise _cut_short(path, f"its last line is no {{'lines': ...}}, after {len(lines) + 1} others")
    if footer["lines"] != len(lines) + 1:
        raise _cut_short(
            path, f"it has {len(lines) + 1} lines before its last one, which says {footer['lines']}"
        )
    calls: list[list[dict[str, Any]]] = []
    for number, line in enumerate(lines, 2):
        if line is None or not (calls or "request" in line):
            raise CassetteError(f"line {number} of the cassette {path} is broken; record it again")
        if "request" in line:
            calls.append([])
        calls[-1].append(line)
    return tuple(_recorded(path, lines) for lines in calls)


def _recorded(path: Path, lines: list[dict[str, Any]]) -> RecordedCall:
    try:
        return RecordedCall.read(lines)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CassetteError(
            f"the cassette {path} has an answer to {lines[0]['request']} that cannot be read: {error}; record it again"
        ) from error


def _cut_short(path: Path, what: str) -> CassetteCutShortError:
    return CassetteCutShortError(
        f"the cassette {path} is cut short or was put together by hand: {what}; record it again"
    )


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        parsed: dict[str, Any] | list[Any] | str | float | None = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
