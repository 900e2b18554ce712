"""Law 4: appending keeps everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .samples import ORDERS, page, pages
from .subject import DESTINATION_LAWS
from .trial import trial

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["append"]


_MEND = "add the rows and change none that is there"


@DESTINATION_LAWS.law(
    4,
    "append",
    "Appended rows are there once each, after those that were there, also where their keys repeat.",
)
async def append(subject: DestinationSubject, found: Findings) -> None:
    """Append in several reads, with repeated keys and pages without records."""
    if "append" not in subject.modes():
        return found.unchecked("it has no mode append")
    async with trial(subject, found, "two reads, one after the other") as at:
        await at.complete("append", 1, 2)
        await at.reopen()
        at.given_is(await at.start("append"), at.last(), "the second start")
        at.rows_are(pages(1, 2), "after the second start", mend=_MEND)
        await at.write(3)
        at.rows_are(pages(1, 2, 3), "after a page of the second read", mend=_MEND)
        await at.finish()
        at.rows_are(pages(1, 2, 3), "after the second read", mend=_MEND)
    async with trial(subject, found, "the same records again") as at:
        await at.start("append")
        await at.write(1)
        await at.write(2, [*page(1), page(1)[0]])
        await at.finish()
        at.rows_are([*pages(1, 1), page(1)[0]], "after finish", mend=_MEND)
    async with trial(subject, found, "pages without records, and a read without pages") as at:
        await at.start("append")
        await at.write(1, [])
        await at.stored_is(
            1, "after a page without records", mend="store the checkpoint of an empty page, too"
        )
        await at.write(2, page(1))
        await at.write(3, [])
        await at.crash()
        at.given_is(await at.start("append"), 3, "after a page without records and a crash")
        await at.finish()
        await at.complete("append")
        at.rows_are(page(1), "after a read without pages", mend=_MEND)
        await at.stored_is(at.last(ORDERS.name), "after a read without pages")
    return None
