"""The text of a CREATE TABLE statement, which SQLite keeps: taken apart and put together. Pure.

It is edited and not written anew, so that what people have added to a table stays: columns of their own, generated ones,
constraints.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .values import ColumnType

__all__ = ["Definition", "column", "quoted"]

_PIECE = re.compile(
    r"""  '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]
        | --[^\n]* | /\*.*?(?:\*/|\Z) | [(),] | [^-/'"`\[(),]+ | . """,
    re.VERBOSE | re.DOTALL,
)


def quoted(name: str) -> str:
    """Quote an identifier; any name without NUL is safe in SQL text then."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def column(name: str, kind: ColumnType) -> str:
    """Return the definition of one of our columns."""
    return f"\n  {quoted(name)} {kind.value}" if kind.value else f"\n  {quoted(name)}"


@attrs.frozen
class Definition:
    """What is between the parentheses, comma by comma: first the columns in their order, then constraints.

    `options` is what follows them.
    """

    parts: tuple[str, ...] = attrs.field(converter=tuple[str, ...])
    options: str = ""

    @classmethod
    def of(cls, sql: str) -> Definition:
        """Take a statement apart that SQLite has kept."""
        parts, depth, part, options = list[str](), 0, list[str](), list[str]()
        ended = False
        for piece in _PIECE.findall(sql):
            if ended:
                options.append(piece)
            elif piece == "(" and depth == 0:
                depth = 1
            elif depth == 1 and piece in {",", ")"}:
                ended = piece == ")"
                parts.append("".join(part).rstrip() if ended else "".join(part))
                part.clear()
            elif depth:
                depth += {"(": 1, ")": -1}.get(piece, 0)
                part.append(piece)
        return cls(parts, "".join(options))

    def sql(self, table: str) -> str:
        """Return the statement that makes a table of that name."""
        return f"CREATE TABLE {quoted(table)} ({','.join(self.parts)}\n){self.options}"

    def changed(self, columns: int, types: Mapping[int, str], new: Sequence[str]) -> Definition:
        """Return the definition with other ones for some of its `columns` first parts, and new ones behind them."""
        kept = [types.get(number, part) for number, part in enumerate(self.parts[:columns])]
        return attrs.evolve(self, parts=(*kept, *new, *self.parts[columns:]))

    def with_key(self, columns: int, key: Iterable[str]) -> Definition:
        """Return the definition with this primary key, in the place of the one we made; none for an empty key."""
        constraints = [part for part in self.parts[columns:] if not part.startswith(_KEY)]
        names = ", ".join(map(quoted, key))
        made = [f"{_KEY}({names})"] if names else []
        return attrs.evolve(self, parts=(*self.parts[:columns], *made, *constraints))


_KEY = "\n  PRIMARY KEY "
