"""Errors inside an answer that succeeded, as many APIs give them: `{"ok": false}`, `{"errors": [...]}`. Pure, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs
import msgspec

from connector_kit.errors import Problem
from connector_kit.records.json_body import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.records.page import JsonValue

__all__ = ["BodyError", "ErrorKind", "JsonScalar"]

ErrorKind: TypeAlias = Literal[
    "permanent", "transient", "rate_limit", "authentication", "permission", "cursor_expired"
]
"""What an error in a body is, and so what becomes of it: the second and the third are tried again."""

JsonScalar: TypeAlias = str | int | float | bool


@attrs.frozen
class BodyError:
    """Where a body says that it is an error, and which one it then is.

    It is one where the value at `path` is among those of `equals`; or where it is none of those of `unless`, which are the
    values of a good answer; with neither, where anything stands there but null, false, 0, "", [] and {}.
    """

    path: str
    equals: JsonScalar | tuple[JsonScalar, ...] = ()
    unless: JsonScalar | tuple[JsonScalar, ...] = ()
    raises: ErrorKind = "permanent"

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with it."""
        if not self.path:
            yield Problem("path", "empty", 'where in the body the error stands, as in "error"')
        if self.equals != () and self.unless != ():
            yield Problem("unless", "also `equals`", "one of the two", "leave the other one out")

    def found_in(self, body: JsonValue) -> str | None:
        """Return what the body says of this error, as JSON; None where it is none."""
        try:
            value, there = find(body, self.path), True
        except LookupError:
            value, there = None, False
        if self.equals != ():
            is_error = there and _is_among(value, self.equals)
        elif self.unless != ():
            is_error = not _is_among(value, self.unless)
        else:
            is_error = bool(value)
        return msgspec.json.encode(value).decode() if is_error else None


def _is_among(value: JsonValue, known: JsonScalar | tuple[JsonScalar, ...]) -> bool:
    """Compare as JSON does, in which true is not 1."""
    several = known if isinstance(known, tuple) else (known,)
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in several)
