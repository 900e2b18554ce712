"""Law 7: cursors are JSON, come back from text as they were, and stay as they were handed over."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from connector_kit.errors import DataError
from connector_kit.records.checkpoint import Checkpoint
from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.telling import telling

from .readings import full_reads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import SeenPage
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["changed_by_text", "cursors", "grows"]


_POSITION_BYTES = 4 * 1024  # a cursor below this is bounded enough, however it grows
_PAGES_OF_GROWTH = 5
_MOST_LETTERS = 100


@CONNECTOR_LAWS.law(7, "cursors", "Cursors are JSON and survive a round trip through text.")
async def cursors(subject: Subject, found: Findings) -> None:
    """Look at every cursor of a full read.

    A tuple is no JSON value: it comes back as a list, which is another one. Integers of any size and floats are JSON;
    the kit brings them back as they were, and so does Python's own parser.
    """
    for entity, reading in await full_reads(subject, found):
        if not reading.ended:
            found.unchecked(f"what follows the first {len(reading.pages)} pages of {entity.name}")
        carrying = [page for page in reading.pages if page.cursor is not None]
        if not carrying:
            found.unchecked(f"the cursors of {entity.name}: no page carries one")
            continue
        wrong = False
        with telling(found, entity.name):
            for page in carrying:
                wrong = _wrong(entity.name, page, subject.secrets, found) or wrong
            wrong = _grown(entity.name, carrying, found) or wrong
        if not wrong:
            found.checked(f"{len(carrying)} cursors of {entity.name} came back from text as they were")


def _wrong(entity: str, page: SeenPage, secrets: Sequence[str], found: Findings) -> bool:
    """Look at one cursor; tell whether something is wrong with it."""
    cursor, then = page.page.cursor, page.cursor or ""
    if text_of(cursor) != then:
        found.broken(
            f"the cursor changed after its page was handed over, from {_shown(then)} to {_shown(text_of(cursor))}",
            expected="a value that stays",
            mend="hand over a copy, not the object the read goes on with",
            entity=entity,
            page=page.number,
        )
    elif reason := changed_by_text(cursor):
        found.broken(
            f"the cursor {_shown(repr(cursor))} {reason}",
            expected="a JSON value: text, a number, true or false, a list or a dict with text as its keys",
            mend="make it of these, a time as its isoformat()",
            entity=entity,
            page=page.number,
        )
    elif any(form in then for secret in secrets if secret for form in _forms(secret)):
        found.broken(
            "the cursor contains a secret of the configuration",
            expected="a position: cursors are stored in the open, and shown",
            mend="leave credentials out of it (out of the next page's URL, too) and add them when asking",
            entity=entity,
            page=page.number,
        )
    else:
        return False
    return True


def _forms(secret: str) -> tuple[str, ...]:
    """Give a secret as it stands in JSON text, by itself and in a URL."""
    return text_of(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret)


def changed_by_text(cursor: Cursor) -> str:
    """Say why a cursor does not come back from JSON text as it was; empty where it does."""
    try:
        encoded = Checkpoint("conformance", "entity", "append", cursor=cursor).to_json()
    except DataError as error:
        return f"cannot be stored: {error}"
    back = Checkpoint.from_json(encoded).cursor
    return "" if back == cursor else f"comes back from JSON text as {_shown(repr(back))}"


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def _grown(entity: str, pages: Sequence[SeenPage], found: Findings) -> bool:
    sizes = [len(page.cursor or "") for page in pages]
    if grown := grows(sizes):
        found.broken(
            f"the cursors grow with every page, from {sizes[0]} to {sizes[-1]} characters",
            expected="a position, of bounded size",
            mend="keep no list of what was read in the cursor: the last key is enough where the source is sorted by it",
            entity=entity,
            page=pages[-1].number,
        )
    return grown


def grows(sizes: Sequence[int]) -> bool:
    """Tell whether cursors of these sizes grow without bound: with every page, and beyond what a position takes."""
    return (
        len(sizes) >= _PAGES_OF_GROWTH
        and sizes[-1] > _POSITION_BYTES
        and all(before < after for before, after in pairwise(sizes))
    )
