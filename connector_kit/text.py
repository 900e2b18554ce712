"""How values are written for a person: counts, lengths of time, and one printable line of what came from outside."""

from __future__ import annotations

from .durations import Duration

__all__ = ["counted", "one_line", "printable", "rounded_duration"]

_TWO_DIGITS = 10


def rounded_duration(seconds: float) -> str:
    """Return a length of time with about two digits: `0.12s`, `3.4s`, `1m12s`."""
    if seconds < 1:
        return f"{seconds:.2f}s"
    return str(Duration(round(seconds, 1) if seconds < _TWO_DIGITS else round(seconds)))


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
