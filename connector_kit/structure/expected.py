"""The seven methods of the contracts as data: how each is called, what it gives, and the line to write."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs

__all__ = ["CAPABILITIES", "METHODS", "Argument", "Expected", "Gives"]

Gives: TypeAlias = Literal["awaitable", "pages", "nothing"]


@attrs.frozen
class Argument:
    """One argument, and how callers give it. `left_out` says that they may leave it out."""

    name: str
    by_position: bool = False
    by_keyword: bool = False
    left_out: bool = False


@attrs.frozen
class Expected:
    """One method: its name, what a call gives, its arguments, and the first line of its definition."""

    name: str
    gives: Gives
    line: str
    arguments: tuple[Argument, ...] = ()

    @property
    def words(self) -> str:
        """What is expected, in a few words."""
        kinds = {
            "awaitable": "an async method",
            "pages": "an async generator of pages",
            "nothing": "a plain method",
        }
        given = ", ".join(f"{each.name}=" if each.by_keyword else each.name for each in self.arguments)
        return f"{kinds[self.gives]}, called with ({given})"


_ENTITY: Final = Argument("entity", by_position=True)
_SINCE: Final = Argument("since", by_keyword=True, left_out=True)

METHODS: Final = (
    Expected("connect", "awaitable", "async def connect(self) -> None:"),
    Expected("disconnect", "awaitable", "async def disconnect(self) -> None:"),
    Expected("discover_schema", "awaitable", "async def discover_schema(self) -> Catalog:"),
    Expected(
        "fetch_data",
        "pages",
        "async def fetch_data(self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None) "
        "-> AsyncIterator[Page]:",
        (_ENTITY, _SINCE, Argument("cursor", by_keyword=True, left_out=True)),
    ),
)
"""Those of `Connector`."""

CAPABILITIES: Final = (
    Expected(
        "get_sample_data",
        "awaitable",
        "async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:",
        (_ENTITY, Argument("limit", by_position=True, by_keyword=True, left_out=True)),
    ),
    Expected("validate_config", "nothing", "def validate_config(self) -> None:"),
    Expected(
        "partition_data",
        "awaitable",
        "async def partition_data(self, entity: str, /, *, since: datetime | None = None, target: int) "
        "-> Sequence[Cursor]:",
        (_ENTITY, _SINCE, Argument("target", by_keyword=True)),
    ),
)
"""Those of the optional protocols; the kit has a default for each."""
