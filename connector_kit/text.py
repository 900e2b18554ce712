"""How values are written for a person: counts, and one printable line of what came from outside."""

from __future__ import annotations

__all__ = ["counted", "one_line", "printable"]


def counted(number: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun: `1 row`, `1,234 rows`; `more` is the plural where it is not `one` and an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def printable(text: str) -> str:
    """Return the text with a space for each character that could move a terminal's cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def one_line(text: str, most: int | None = None) -> str:
    """Return the text in one printable line, of at most `most` characters."""
    line = " ".join(printable(text).split())
    return line if most is None or len(line) <= most else f"{line[: most - 3]}..."
