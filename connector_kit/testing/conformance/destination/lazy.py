"""Law 14: a page is stored as what it says at the moment of the write, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs
import msgspec

from connector_kit.records.page import Record

from .samples import page, pages
from .subject import DESTINATION_LAWS
from .trial import trial

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["lazy"]


@DESTINATION_LAWS.law(
    14,
    "lazy",
    "Any sequence of mappings is stored as a list of dicts would be; what its owner changes later changes nothing stored.",
)
async def lazy(subject: DestinationSubject, found: Findings) -> None:
    """Write pages that are no lists of records that are no dicts, empty ones, some with their JSON, and change them."""
    for mode in subject.modes():
        async with trial(subject, found, f"{mode}, lazy pages") as at:
            await at.start(mode)
            await at.write(1, _Decoded(page(1)))
            await at.write(2, _WithJson(page(2)))
            await at.write(3, tuple(page(3)))
            await at.write(4, _Decoded([]))
            await at.write(5, _WithJson([]))
            await at.finish()
            at.rows_are(
                pages(1, 2, 3),
                "after finish",
                mend="take any Sequence and any Mapping: iterate, and ask for fields by name",
                ordered=mode != "upsert",
            )
    async with trial(subject, found, "records that are changed after the write") as at:
        mode = subject.any_mode()
        records: list[dict[str, Any]] = [{**record, "tags": ["a"]} for record in page(1)]
        wanted = [{**record, "tags": ["a"]} for record in page(1)]
        await at.start(mode)
        await at.write(1, records)
        records[0]["name"] = "changed"
        records[1].clear()
        records.append({"id": 99})
        await at.write(2, [])
        await at.finish()
        at.rows_are(
            wanted,
            "after finish",
            mend="store the page in write(), or copy what is to be stored later",
            ordered=False,
        )


class _Fields(Mapping[str, Any]):
    """A record that is no dict."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getitem__(self, name: str) -> Any:
        return self._record[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)


@attrs.frozen(eq=False)
class _Decoded(Sequence[Record]):
    """A page that makes a record anew each time somebody looks at it."""

    _records: Sequence[Record]

    @overload
    def __getitem__(self, position: int) -> Record: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Record]: ...

    def __getitem__(self, position: int | slice) -> Record | Sequence[Record]:
        if isinstance(position, slice):
            return type(self)(self._records[position])
        return _Fields(dict(self._records[position]))

    def __len__(self) -> int:
        return len(self._records)


class _WithJson(_Decoded):
    """A page that has its JSON already, as the records of an API's answer have."""

    def json_lines(self) -> bytes:
        """Give one line for each record."""
        return b"".join(msgspec.json.encode(dict(record)) + b"\n" for record in self._records)
