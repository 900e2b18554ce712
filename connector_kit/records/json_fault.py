"""Why bytes are no JSON that can be used, and where: what a message says of them. Slow, for what has failed already."""

from __future__ import annotations

import json
import re

import attrs
import msgspec

__all__ = ["JsonFault", "json_fault"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HALF_A_PAIR = re.compile(
    rb"(?<!\\)(?:\\\\)*(?P<half>\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2}))"
)
_HALF_A_NUMBER = re.compile(r"-|\.|[eE][+-]?")
_WHOLE_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


@attrs.frozen
class JsonFault:
    """What is wrong (`reason`, with nothing of the text in it), and at which byte, counted from 0; None where nobody knows.

    `cut`: the text is good as far as it goes, and ends too early.
    """

    reason: str
    byte: int | None = None
    line: int = 1
    column: int = 1
    cut: bool = False

    def __str__(self) -> str:
        if self.byte is None:
            return self.reason
        return f"{self.reason} at byte {self.byte} (line {self.line}, column {self.column})"


def json_fault(body: bytes) -> JsonFault | None:
    """Return what is wrong with a body; None where it is JSON that can be used.

    >>> print(json_fault(b'[{"id": 1 "name": 2}]'))
    expecting ',' delimiter at byte 10 (line 1, column 11)
    >>> print(json_fault(b'[1'))
    it ends too early at byte 2 (line 1, column 3)
    """
    try:
        msgspec.json.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except RecursionError:
        return JsonFault("nested too deeply")
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        return _found(body, cut="truncated" in reason) or JsonFault(reason)
    return None


def _found(body: bytes, *, cut: bool) -> JsonFault | None:
    """Return where the standard library's reader stops, which says more than the fast one."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _at(body, error.start, "no UTF-8")
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        if cut or _HALF_A_NUMBER.fullmatch(text, error.pos):
            return _at(body, len(body), "it ends too early", cut=True)
        mark = len(body) - len(body.removeprefix(_BYTE_ORDER_MARK))
        reason = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
        return _at(body, mark + len(text[: error.pos].encode()), reason)
    except (ValueError, RecursionError):
        return None
    spared = _WHOLE_PAIR.sub(lambda pair: b" " * len(pair[0]), body)
    half = _HALF_A_PAIR.search(spared)
    return None if half is None else _at(body, half.start("half"), "half a surrogate pair")


def _at(body: bytes, byte: int, reason: str, *, cut: bool = False) -> JsonFault:
    before = body[:byte]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8-sig", errors="replace")) + 1
    return JsonFault(reason, byte, before.count(b"\n") + 1, column, cut)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
