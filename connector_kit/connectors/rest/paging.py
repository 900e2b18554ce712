"""What passes between a read and its style of pagination: what to ask for, what came back, what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import attrs

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.columns import column
from connector_kit.records.json_path import find, follow, kind_of, steps_of
from connector_kit.records.page import Cursor, JsonValue, Record

from .origin import Parameter, Site, path_of

__all__ = ["Ask", "Reply", "Style", "Turn"]


@attrs.frozen
class Ask:
    """What a style wants of a request: `params` besides the resource's own, or a whole `target` instead of all."""

    params: Mapping[str, Parameter] = attrs.field(factory=dict[str, Parameter])
    target: str | None = None


@attrs.frozen
class Reply:
    """What a style sees of an answer. `asked` and `size` are what it was asked with: the cursor, the records a page.

    Of the body it sees at least what stands at the paths that its `values` name.
    """

    site: Site
    target: str
    headers: Mapping[str, str]
    body: JsonValue
    records: Sequence[Record]
    asked: Cursor = None
    size: int = 0

    def at(self, path: str) -> JsonValue:
        """Give what stands at a path in the body, None where nothing does."""
        try:
            return find(self.body, path)
        except LookupError:
            return None

    def at_last(self, path: str) -> JsonValue:
        """Give what stands at a path in the last record, None where nothing does. There must be one."""
        name, *rest = steps_of(path)
        [value] = column(self.records[-1:], name)
        try:
            return follow(value, rest)
        except LookupError:
            return None

    def wrong(self, what: str, expected: str, option: str) -> SchemaMismatchError:
        """Make the error for an answer that a style cannot read."""
        return SchemaMismatchError(
            f"the answer to GET {path_of(self.target)} has {what}; expected {expected}; look at pagination.{option}"
        )

    def flag(self, path: str) -> bool:
        """Give the boolean at a path; raises `SchemaMismatchError` where there is none."""
        value = self.at(path)
        if not isinstance(value, bool):
            raise self.wrong(f"{kind_of(value)} at {path!r}", "true or false", "more")
        return value

    def count(self, path: str, option: str) -> int:
        """Give the integer at a path; raises `SchemaMismatchError` where there is none."""
        value = self.at(path)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(f"{kind_of(value)} at {path!r}", "an integer", option)
        return value


@attrs.frozen
class Turn:
    """What follows a page: the cursor to store with it, and whether to go on reading there now."""

    cursor: Cursor
    more: bool


class Style(Protocol):
    """A way of pagination. `lasting`: the last page has a cursor too, from which a later run reads what is new."""

    lasting: ClassVar[bool]

    def values(self) -> tuple[str, ...]:
        """Give the paths of what it looks at in a body, besides the records."""
        ...

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Give what to ask for at a cursor (None: the start), in pages of `size` where the server can be told."""
        ...

    def turn(self, reply: Reply, /) -> Turn:
        """Give what follows."""
        ...
