"""Law 7: cursors are JSON, come back from text as they were, and stay as they were handed over."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from connector_kit.errors import DataError
from connector_kit.records.checkpoint import Checkpoint
from connector_kit.testing.conformance.reading import SeenPage, text_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject
from connector_kit.testing.conformance.telling import telling

from .baseline import Baseline, full_reads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.law import Findings


__all__ = ["changed_by_text", "cursors", "grows"]

_POSITION_BYTES = 4 * 1024  # a cursor below this is bounded enough, however it grows
_PAGES_OF_GROWTH = 5
_MOST_LETTERS = 100


@CONNECTOR_LAWS.law(7, "cursors", "Cursors are JSON and survive a round trip through text.")
async def cursors(subject: Subject, findings: Findings) -> None:
    """Look at every cursor of a full read.

    A tuple is no JSON value: it comes back as a list, which is another one. Integers of any size and floats are JSON;
    the kit brings them back as they were, and so does Python's own parser.
    """
    for read in await full_reads(subject, findings):
        pages = read.reading.pages
        if not read.reading.ended:
            findings.unchecked(f"what follows the first {len(pages)} pages of {read.name}")
        carrying = [page for page in pages if page.cursor is not None]
        if not carrying:
            findings.unchecked(f"the cursors of {read.name}: no page carries one")
            continue
        with telling(findings, read.name):
            wrong = [page for page in carrying if _is_wrong(read, page)]
            sizes = [len(page.cursor or "") for page in carrying]
            if grows(sizes):
                read.broken(
                    f"the cursors grow with every page, from {sizes[0]} to {sizes[-1]} characters",
                    "a position, of bounded size",
                    "keep no list of what was read in the cursor: the last key is enough where the source is sorted by it",
                    page=carrying[-1].number,
                )
            elif not wrong:
                findings.checked(f"{len(carrying)} cursors of {read.name} came back from text as they were")


def _is_wrong(read: Baseline, page: SeenPage) -> bool:
    """Look at one cursor. Return whether something is wrong with it."""
    cursor, before = page.page.cursor, page.cursor or ""
    if text_of(cursor) != before:
        what = f"the cursor changed after its page was handed over, from {_shortened(before)} to {_shortened(text_of(cursor))}"
        expected, mend = "a value that stays", "hand over a copy, not the object the read goes on with"
    elif reason := changed_by_text(cursor):
        what = f"the cursor {_shortened(repr(cursor))} {reason}"
        expected = "a JSON value: text, a number, true or false, a list or a dict with text as its keys"
        mend = "make it of these, a time as its isoformat()"
    elif any(form in before for secret in read.subject.secrets if secret for form in _forms(secret)):
        what = "the cursor contains a secret of the configuration"
        expected = "a position: cursors are stored in the open, and shown"
        mend = "leave credentials out of it (out of the next page's URL, too) and add them when asking"
    else:
        return False
    read.broken(what, expected, mend, page=page.number)
    return True


def _forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it stands in JSON text, by itself and in a URL."""
    return text_of(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret)


def changed_by_text(cursor: Cursor) -> str:
    """Return why a cursor does not come back from JSON text as it was; empty where it does."""
    try:
        encoded = Checkpoint("conformance", "entity", "append", cursor=cursor).to_json()
    except DataError as error:
        return f"cannot be stored: {error}"
    back = Checkpoint.from_json(encoded).cursor
    return "" if back == cursor else f"comes back from JSON text as {_shortened(repr(back))}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def grows(sizes: Sequence[int]) -> bool:
    """Return whether cursors of these sizes grow without bound: with every page, and beyond what a position takes."""
    return (
        len(sizes) >= _PAGES_OF_GROWTH
        and sizes[-1] > _POSITION_BYTES
        and all(before < after for before, after in pairwise(sizes))
    )
