"""The entities of the mock connector: their fields, and how each record is made from its index."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import attrs

from connector_kit.records.catalog import Entity, Field, ListOf, Scalar, Struct
from connector_kit.records.page import Record

from .pools import CITIES, COUNTRIES, KINDS, NAMES, NOTES, STATUSES, TAGS
from .values import mix, moment

__all__ = ["ENTITIES", "MockEntity"]

_PER_CUSTOMER = 10
_TAG_SETS = [
    tuple(tag for place, tag in enumerate(TAGS) if bits >> place & 1) for bits in range(1 << len(TAGS))
]


@attrs.frozen
class MockEntity:
    """One entity: what it looks like, and how its record number `index` is made.

    There is one record for every `per_record` of the configured size, or a `fixed` number of them. `newest_first`
    reads from the highest index down, so that the replication key falls from page to page.
    """

    entity: Entity
    build: Callable[[int, int], Record]
    per_record: int = 1
    fixed: int | None = None
    newest_first: bool = False

    def count(self, size: int) -> int:
        """Give the number of records where the largest entity has `size`."""
        return -(-size // self.per_record) if self.fixed is None else self.fixed

    def key(self, seed: int) -> int:
        """Give what `build` takes for this seed."""
        return mix(seed, crc32(self.entity.name.encode()))


def _customer(key: int, index: int) -> Record:
    bits = mix(key, index)
    return {
        "id": index + 1,
        "name": f"{NAMES[bits & 31]} {NAMES[bits >> 5 & 31]}",
        "email": f"customer{index + 1}@example.com",
        "vip": bits & 0x700 == 0,
        "discount": None if bits & 0x3800 else (bits >> 14 & 63) / 128,
        "country": COUNTRIES[bits >> 20 & 15][0],
        "address": {
            "street": f"Street {bits >> 24 & 255}",
            "city": CITIES[bits >> 32 & 15],
            "floor": bits >> 36 & 7,
        },
        "tags": [*_TAG_SETS[bits >> 40 & 15]],
        "updated_at": moment(index),
    }


def _order(key: int, index: int) -> Record:
    bits = mix(key, index)
    cents = bits >> 12 & 0xFFFF
    quantity = 1 + (bits >> 6 & 7)
    return {
        "id": index + 1,
        "customer_id": 1 + (bits >> 32) % (index // _PER_CUSTOMER + 1),
        "status": STATUSES[bits & 7],
        "total": cents * quantity / 100,
        "gift": bits & 0x38 == 0,
        "note": NOTES[bits >> 9 & 7],
        "lines": [{"sku": f"SKU-{cents & 1023:04}", "quantity": quantity, "price": cents / 100}],
        "updated_at": moment(index),
    }


def _event(key: int, index: int) -> Record:
    bits = mix(key, index)
    return {
        "id": index + 1,
        "customer_id": None if bits & 7 == 0 else 1 + (bits >> 32) % (index // _PER_CUSTOMER + 1),
        "kind": KINDS[bits >> 3 & 3],
        "at": moment(index),
        "payload": {
            "path": f"/{bits >> 5 & 0xFFF:x}",
            "ms": (bits >> 17 & 0x3FFF) / 16,
            "ok": bits & 0xF00 != 0,
            "agent": {"name": NAMES[bits >> 12 & 31], "version": [bits >> 40 & 15, bits >> 44 & 15]},
        },
    }


def _country(_key: int, index: int) -> Record:
    code, name, inhabitants, area, languages = COUNTRIES[index]
    return {"code": code, "name": name, "inhabitants": inhabitants, "area": area, "languages": [*languages]}


def _required(name: str, kind: Scalar | ListOf | Struct) -> Field:
    return Field(name, kind, nullable=False)


_ALL = (
    MockEntity(
        Entity(
            "customers",
            fields=(
                _required("id", Scalar.INTEGER),
                _required("name", Scalar.STRING),
                _required("email", Scalar.STRING),
                _required("vip", Scalar.BOOLEAN),
                Field("discount", Scalar.NUMBER),
                _required("country", Scalar.STRING),
                _required(
                    "address",
                    Struct(
                        (
                            _required("street", Scalar.STRING),
                            _required("city", Scalar.STRING),
                            _required("floor", Scalar.INTEGER),
                        )
                    ),
                ),
                _required("tags", ListOf(Scalar.STRING)),
                _required("updated_at", Scalar.DATETIME),
            ),
            primary_key="id",
            replication_key="updated_at",
            ordered=True,
            incremental="since",
        ),
        _customer,
        per_record=_PER_CUSTOMER,
    ),
    MockEntity(
        Entity(
            "orders",
            fields=(
                _required("id", Scalar.INTEGER),
                _required("customer_id", Scalar.INTEGER),
                _required("status", Scalar.STRING),
                _required("total", Scalar.NUMBER),
                _required("gift", Scalar.BOOLEAN),
                Field("note", Scalar.STRING),
                _required(
                    "lines",
                    ListOf(
                        Struct(
                            (
                                _required("sku", Scalar.STRING),
                                _required("quantity", Scalar.INTEGER),
                                _required("price", Scalar.NUMBER),
                            )
                        )
                    ),
                ),
                _required("updated_at", Scalar.DATETIME),
            ),
            primary_key="id",
            replication_key="updated_at",
            incremental="since",
        ),
        _order,
        newest_first=True,
    ),
    MockEntity(
        Entity(
            "events",
            fields=(
                _required("id", Scalar.INTEGER),
                Field("customer_id", Scalar.INTEGER),
                _required("kind", Scalar.STRING),
                _required("at", Scalar.DATETIME),
                _required("payload", Scalar.JSON),
            ),
            primary_key="id",
            incremental="cursor",
        ),
        _event,
    ),
    MockEntity(
        Entity(
            "countries",
            fields=(
                _required("code", Scalar.STRING),
                _required("name", Scalar.STRING),
                Field("inhabitants", Scalar.INTEGER),
                _required("area", Scalar.NUMBER),
                _required("languages", ListOf(Scalar.STRING)),
            ),
            primary_key="code",
        ),
        _country,
        fixed=len(COUNTRIES),
    ),
)

ENTITIES = {each.entity.name: each for each in _ALL}
"""The mock's entities by name, in the order of its catalog."""
