"""Records that a destination cannot hold: all of a call are named, nothing of it is stored, and the others may follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import BadRecordError, ConnectorError
from connector_kit.records.checkpoint import Mode
from connector_kit.records.json_records import JsonRecords

from .scenario import Scenario, scenario
from .subject import DESTINATION_LAWS, pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["bad_records"]

_BAD = (1, 3)
"""The positions of the bad ones in a page of four."""
_MEND = "look at every record before anything of the call is stored, and raise BadRecordError with the positions of the bad ones"


@attrs.frozen
class _Fault:
    """A way in which a record is bad; where the modes are named, in these alone."""

    name: str
    spoil: Callable[[dict[str, Any]], object]
    modes: tuple[Mode, ...] = ("append", "upsert", "replace")


def _with(field: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: {**record, field: value}


_FAULTS = (
    _Fault("half of a surrogate pair in a text", _with("name", "cut \ud83d")),
    _Fault("a value that has no JSON form", _with("name", object())),
    _Fault("null in the place of a record", lambda _: None),
    _Fault("no value of the primary key", _with("id", None), ("upsert",)),
    _Fault("a primary key that is NaN", _with("id", float("nan")), ("upsert",)),
)
_HALF = rb"cut \ud83d"


@DESTINATION_LAWS.law(
    18,
    "bad_records",
    "Records that cannot be stored are refused with BadRecordError: all of the call by their positions, lazy or not, before "
    "anything is stored; the others may be written then.",
)
async def bad_records(subject: DestinationSubject, found: Findings) -> None:
    """Write pages in which some records are bad, then the others of the page."""
    for mode in subject.modes():
        for fault in _FAULTS:
            if mode in fault.modes:
                async with scenario(subject, found, f"{mode}, {fault.name}", mend_rows=_MEND) as at:
                    page = [
                        fault.spoil({**record}) if position in _BAD else record
                        for position, record in enumerate(pages(2, 3))
                    ]
                    await _refused(at, mode, page, fault.name)
        async with scenario(subject, found, f"{mode}, the same in lazy records", mend_rows=_MEND) as at:
            await _refused(at, mode, _lazy_page(), "half of a surrogate pair in lazy records")


def _lazy_page() -> Sequence[Record]:
    texts = [_HALF if position in _BAD else b"whole" for position in range(4)]
    lines = [b'{"id": %d, "name": "%s"}\n' % (key, text) for key, text in enumerate(texts, 3)]
    return JsonRecords.of_lines(b"".join(lines))


async def _refused(at: Scenario, mode: Mode, page: Sequence[Any], what: str) -> None:
    others = [page[position] for position in range(len(page)) if position not in _BAD]
    await at.complete(mode, 4)
    await at.begin(mode, 1)
    try:
        await at.write(2, page)
    except BadRecordError as error:
        _names_all(at, error)
    except ConnectorError as error:
        kind = type(error).__name__
        at.broken(
            f"{kind} came out: {error}",
            expected="BadRecordError, so that the others can be stored",
            mend=_MEND,
        )
    else:
        at.skip(f"{what}: it is taken")
    when = "after it was refused"
    before = pages(4) if mode == "replace" else pages(4, 1)
    at.rows_are(before, when, ordered=False)
    await at.stored_is(1, when)
    await at.write(3, others)
    await at.finish()
    after = [*pages(1), *others] if mode == "replace" else [*pages(4, 1), *others]
    at.rows_are(
        after,
        "after the others were written",
        ordered=False,
        mend="let write() be called after BadRecordError",
    )


def _names_all(at: Scenario, error: BadRecordError) -> None:
    if sorted(error.bad) != [*_BAD]:
        at.broken(
            f"the records at {sorted(error.bad)} of the call are called bad",
            expected=f"those at {[*_BAD]}, all of them and no others",
            mend=_MEND,
        )
    if not all(error.bad.values()):
        at.broken(
            "a record is called bad without a reason", expected="a reason that names the field", mend=_MEND
        )
