"""The zoo as a table for the documentation: `python -m zoo.table`, in the folder of the tests, prints it."""

from __future__ import annotations

import sys

from .specimens import SPECIMENS

__all__ = ["table"]


def table() -> str:
    """Give the table, a line for each specimen."""
    lines = ["| law | the wrong connector | what is wrong with it |", "| --- | --- | --- |"]
    lines += [f"| {each.law} | {each.name} | {each.story} |" for each in SPECIMENS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
