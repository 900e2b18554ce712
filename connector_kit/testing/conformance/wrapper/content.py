"""What the connector inside a wrapper has to deliver: pages of every kind a wrapper must not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec

from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.page import Page, Quota, Record
from connector_kit.testing.conformance.reading import LazyRecords

__all__ = ["Content", "plain_content", "varied_content"]

START = datetime(2024, 1, 1, tzinfo=UTC)
_FIELDS = (Field("id", Scalar.INTEGER), Field("updated_at", Scalar.DATETIME), Field("title", Scalar.STRING))


@attrs.frozen
class Content:
    """A catalog and the pages of each of its entities, in order. No two pages of an entity have the same cursor.

    Replication keys are texts in ISO format.
    """

    catalog: Catalog
    pages: Mapping[str, Sequence[Page]]

    def fresh(self) -> Mapping[str, Sequence[Page]]:
        """Return the pages anew: whoever changes a record does not change it for the next one."""
        return deepcopy(dict(self.pages))

    @property
    def first(self) -> str:
        """The entity that most laws are looked at with."""
        return self.catalog.names[0]


def record(number: int) -> Record:
    """Return a record; they are a minute apart."""
    return {
        "id": number,
        "updated_at": (START + timedelta(minutes=number)).isoformat(),
        "title": f"no. {number}",
    }


def lazy(*numbers: int) -> LazyRecords[bytes]:
    """Return records that are decoded when somebody looks."""
    return lazy_json([msgspec.json.encode(record(number)) for number in numbers])


def lazy_json(documents: Sequence[bytes]) -> LazyRecords[bytes]:
    """Return records that are decoded from their JSON when somebody looks."""
    return LazyRecords(documents, msgspec.json.Decoder(dict[str, Any]).decode)


def entity(name: str) -> Entity:
    """Return an entity of such records."""
    return Entity(
        name, _FIELDS, primary_key="id", replication_key="updated_at", ordered=True, incremental="since"
    )


def varied_content() -> Content:
    """Return pages that are lazy, empty, with quotas, with cursors of each JSON type, with a cursor that is false."""
    orders = (
        Page([record(0), record(1), record(2)], cursor=0),
        Page(lazy(3, 4), cursor="", quota=Quota(limit=100, remaining=98, reset_after=60.0)),
        Page([], cursor={"empty": [3, None]}),
        Page(lazy(5), cursor=["after", 5]),
        Page([record(6), record(7)], cursor={"after": 7}, quota=Quota(remaining=97)),
    )
    notes = (Page([record(10), record(11)]), Page(lazy(12)))  # a source that cannot go on in the middle
    return Content(Catalog([entity("orders"), entity("notes")]), {"orders": orders, "notes": notes})


def plain_content(page_size: int = 3, records: int = 8) -> Content:
    """Return full pages of plain records, cursors that can be told from the last record, and nothing else.

    For a wrapper that makes its pages itself.
    """
    parts = [range(first, min(first + page_size, records)) for first in range(0, records, page_size)]
    pages = [Page([record(number) for number in part], cursor={"after": part[-1] + 1}) for part in parts]
    return Content(Catalog([entity("orders")]), {"orders": pages})
