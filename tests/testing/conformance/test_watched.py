"""The connector under examination: what counts as a request of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from shelves import Shelf

from connector_kit.protocols import SupportsPartitions
from connector_kit.testing.conformance.bounds import Bounds, Meter
from connector_kit.testing.conformance.subject import Watched
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor

pytestmark = pytest.mark.anyio


class Divided(Shelf):
    """Can be read in two parts."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return [None, self.cursor(4)]


@pytest.mark.parametrize(("shelf", "partitions", "requests"), [(Shelf, 1, 0), (Divided, 2, 1)])
async def test_what_the_connector_inside_a_wrapper_lacks_is_no_request(
    shelf: type[Shelf], partitions: int, requests: int
) -> None:
    """A wrapper has every method: whether it asks anybody is for the connector inside to say."""
    meter = Meter(Bounds())
    wrapped = Retrying(shelf())
    assert isinstance(wrapped, SupportsPartitions)
    assert len(await Watched(wrapped, meter).partition_data("books", target=2)) == partitions
    assert meter.requests == requests
