"""Connectors that break the law of the sample: at most so many records, each of which a full read would deliver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .ledger import SamplingLedger
from .specimen import Specimen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record

    from .source import Row


class SampleIsAWholePage(SamplingLedger):
    """The sample has as many records as the source puts on a page, however few were asked for."""

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        return rows[: max(limit, self.source.page_size)]


class SampleHasOneMore(SamplingLedger):
    """The sample has one record more than was asked for, the one by which the client sees that there are more."""

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        return rows[: limit + 1]


class SampleOfNoneIsAll(SamplingLedger):
    """A sample of no records has all of them: 0 is taken for a limit that was not given."""

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        return rows[: limit or None]


class SampleOfAnUnknownEntity(SamplingLedger):
    """A sample of an entity that is not there is empty."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        known = entity in self.catalog().names
        return await super().get_sample_data(entity, limit) if known else []


class SampleIsRaw(SamplingLedger):
    """The sample's records are as the source has them, a read's are not."""

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        return [{**row, "_links": {"self": f"/orders/{row['id']}"}} for row in super().sampled(rows, limit)]


class SampleIsMadeUp(SamplingLedger):
    """The sample is an example out of the source's documentation, and no record of anybody's."""

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        return [{**row, "customer": "Jane Doe"} for row in super().sampled(rows, limit)]


class SampleLeavesItsStreamOpen(SamplingLedger):
    """The sample never gives its connection back: after a few samples the pool is empty."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        table = self.table_of(entity)
        rows = await self.ask(await self.take(), table)
        return [self.record(row) for row in self.sampled(rows, limit)]


SPECIMENS = (
    *map(
        partial(Specimen, "sample"),
        (
            SampleIsAWholePage,
            SampleHasOneMore,
            SampleOfNoneIsAll,
            SampleIsRaw,
            SampleIsMadeUp,
            SampleLeavesItsStreamOpen,
        ),
    ),
    Specimen("sample", SampleOfAnUnknownEntity, of_none=True),
)
