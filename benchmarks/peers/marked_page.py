"""Markdown between markers: `<!-- peers NAME: begin -->` and `<!-- peers NAME: end -->`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["put"]


def put(page: Path, name: str, section: str) -> None:
    """Replace what stands between the markers of a name, if the page has them."""
    begin, end = f"<!-- peers {name}: begin -->", f"<!-- peers {name}: end -->"
    before, found, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if found:
        page.write_text(f"{before}{begin}\n\n{section}\n\n{end}{after}")
