"""What becomes of bad records, wherever they are found: by the parser, by `Validating`, by the destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from connector_kit.errors import BadRecordError
from connector_kit.events import BadRecordsFound, Event, Warned, emit
from connector_kit.records.bad_records import key_text, raw_record, unencodable, unusable, without
from connector_kit.records.json_records import JsonRecords
from connector_kit.wrappers.validation.policy import Rejected
from connector_kit.wrappers.validation.wrapper import put_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_kit.records.page import Page, Record
    from connector_kit.wrappers.validation.wrapper import Quarantine

__all__ = ["BadRecords"]

_EXAMPLES = 3
_LOOKED_AT = 100
"""Documents of the first page in which names that come twice are looked for; a server that does so does it from the start."""
_EVERY = 16
"""From how many pages on one document of one is looked at: that takes as long as a hundredth of a page."""


class BadRecords:
    """The bad records of one read of an entity: `action` says whether they are an error, left out, or put aside as well.

    `tell` hears of each page that has some. With `thorough`, each record has to have a JSON form before it is used further.
    """

    def __init__(
        self,
        entity: str,
        *,
        primary_key: Sequence[str] = (),
        action: Literal["fail", "skip", "quarantine"] = "fail",
        quarantine: Quarantine | None = None,
        thorough: bool = False,
        tell: Callable[[Event], None] = emit,
    ) -> None:
        self._entity = entity
        self._primary_key = tuple(primary_key)
        self._action = action
        self._quarantine = quarantine if action == "quarantine" else None
        self._thorough = thorough
        self._tell = tell
        self._pages = 0
        self._doubled_names = False

    @property
    def fail(self) -> bool:
        """Whether a bad record is an error."""
        return self._action == "fail"

    def found_in(self, page: Page) -> Mapping[int, str]:
        """Return the positions of a page's bad records, with the reasons. Raises `SchemaMismatchError` for rows that are none."""
        records = page.records
        if isinstance(records, JsonRecords):
            self._settle_names(records)
        found = unusable(self._entity, records)
        if self._thorough and not self.fail:
            return unencodable(records) | found
        return found

    async def without(self, page: Page, bad: Mapping[int, str]) -> Page:
        """Return the page without its bad records. Raises `BadRecordError` where they are an error."""
        await self.put_aside(page.records, bad)
        return attrs.evolve(page, records=without(page.records, bad))

    async def put_aside(self, records: Sequence[Record], bad: Mapping[int, str]) -> None:
        """Tell of bad records, and put them where they belong. Raises `BadRecordError` where they are an error."""
        await self._take([self._rejected(records, position, reason) for position, reason in bad.items()], bad)

    async def take(self, rejected: Sequence[Rejected]) -> None:
        """Do the same with records that somebody else has found and leaves out."""
        await self._take(rejected, {each.index: "; ".join(each.reasons) for each in rejected})

    async def _take(self, rejected: Sequence[Rejected], bad: Mapping[int, str]) -> None:
        if self._quarantine is not None:
            await put_aside(self._quarantine, rejected)
        reasons = tuple(map(_described, rejected[:_EXAMPLES]))
        self._tell(BadRecordsFound(self._entity, len(rejected), self._action, reasons))
        if self.fail:
            raise BadRecordError(
                f"{len(rejected)} of the records that came together of entity {self._entity!r} cannot be used: {reasons[0]}; mend it at its source "
                'or in the connector, or let the others through: on_bad_record = "skip" or "quarantine" in the options of the entity',
                bad,
            ).locate(entity=self._entity)

    def _rejected(self, records: Sequence[Record], position: int, reason: str) -> Rejected:
        record: Any = raw_record(records, position)
        return Rejected(self._entity, position, (reason,), record, key_text(record, self._primary_key))

    def _settle_names(self, records: JsonRecords) -> None:
        """Let the last value of a name that comes twice count for everybody: also for who passes the JSON on."""
        looked_at = 0 if self._pages % _EVERY else min(1 if self._pages else _LOOKED_AT, len(records))
        self._pages += 1
        if not self._doubled_names and any(map(records.has_doubled_names, range(looked_at))):
            self._doubled_names = True
            self._tell(Warned(self._entity, "its JSON has names twice in one object: the last value counts"))
        if self._doubled_names:
            records.hand_out()


def _described(rejected: Rejected) -> str:
    reason = "; ".join(rejected.reasons)
    if rejected.key and rejected.key in reason:
        return reason
    which = f"the record with {rejected.key}" if rejected.key else f"record {rejected.index} of a page"
    return f"{which}: {reason}"
