"""The mock's entities and their records: values drawn from numbers, and the words they are made of.

Every record is a pure function of a key and an index, so that it can be made without those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zlib import crc32

import attrs

from connector_kit.records.catalog import Entity, Field, ListOf, Scalar, Struct
from connector_kit.records.page import Record

__all__ = [
    "CITIES",
    "COUNTRIES",
    "ENTITIES",
    "KINDS",
    "NAMES",
    "NOTES",
    "PER_MINUTE",
    "STATUSES",
    "TAGS",
    "MockEntity",
    "first_index_since",
    "mix",
    "moment",
]


_MASK = (1 << 64) - 1
_GAMMA = 0x9E37_79B9_7F4A_7C15

_START = datetime(2024, 1, 1, tzinfo=UTC)
_MINUTES_A_DAY = 24 * 60
_MINUTE = timedelta(minutes=1)

PER_MINUTE = 3
"""So many records in a row share one time, so that a bound on it falls between records that are equal to it."""


def mix(key: int, index: int = 0) -> int:
    """Return 64 well-mixed bits for number `index` of the sequence that `key` starts.

    This is SplitMix64 with its state computed in one step (Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, 2014).
    """
    bits = (key + (index + 1) * _GAMMA) & _MASK
    bits = (bits ^ (bits >> 30)) * 0xBF58_476D_1CE4_E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB & _MASK
    return bits ^ (bits >> 31)


_TIMES = [f"T{minute // 60:02}:{minute % 60:02}:00+00:00" for minute in range(_MINUTES_A_DAY)]


@lru_cache(maxsize=64)
def _day(number: int) -> str:
    return (_START + timedelta(days=number)).date().isoformat()


@lru_cache(maxsize=64)
def _minute(number: int) -> str:
    day, minute = divmod(number, _MINUTES_A_DAY)
    return _day(day) + _TIMES[minute]


def moment(index: int) -> str:
    """Return the time of record number `index` as ISO text; times never decrease with the index."""
    return _minute(index // PER_MINUTE)


def first_index_since(since: datetime) -> int:
    """Return the lowest index whose `moment` is not before `since`, which must be aware."""
    minutes = -((_START - since) // _MINUTE)
    return max(0, minutes) * PER_MINUTE


NAMES = (
    "Aiko", "Amélie", "Björn", "Chinwe", "Dàibhidh", "Đorđe", "Elif", "Ειρήνη", "François", "Gülşen", "Hana", "Ísold",
    "João", "Κώστας", "Łukasz", "Мария", "Nuño", "O'Brien", "Øystein", "Παύλος", "Quỳnh", "Renée", "Søren", "Þórunn",
    "Uğur", "Veronika", "Wiśława", "Xiùlán", "Юрий", "Zoë", "山田", "𠮷田",
)  # fmt: skip

CITIES = (
    "Αθήνα", "Bogotá", "Chişinău", "Düsseldorf", "İzmir", "Kraków", "Lagos", "Москва", "Nairobi", "São Paulo",
    "Tromsø", "Ürümqi", "Warszawa", "Yaoundé", "東京", "香港",
)  # fmt: skip

STATUSES = ("new", "paid", "packed", "sent", "delivered", "returned", "cancelled", "lost")
KINDS = ("page_view", "click", "search", "login")
TAGS = ("b2b", "newsletter", "vip", "wholesale")

NOTES = (
    None, None, None, "ring twice", 'says "urgent"', "два экземпляра", "line one\nline two", "à gauche, 3ᵉ étage",
)  # fmt: skip

COUNTRIES = (
    ("AQ", "Antarctica", None, 14_200_000.0, ()),
    ("AT", "Österreich", 9_104_772, 83_879.0, ("de",)),
    ("BR", "Brasil", 203_080_756, 8_510_417.8, ("pt",)),
    ("CA", "Canada", 36_991_981, 9_984_670.0, ("en", "fr")),
    ("CH", "Schweiz", 8_962_300, 41_285.0, ("de", "fr", "it", "rm")),
    ("DE", "Deutschland", 83_577_140, 357_595.0, ("de",)),
    ("EG", "مصر", 105_914_499, 1_002_450.0, ("ar",)),
    ("GR", "Ελλάδα", 10_482_487, 131_957.0, ("el",)),
    ("IN", "भारत", 1_210_854_977, 3_287_263.0, ("hi", "en")),
    ("IS", "Ísland", 383_726, 103_125.0, ("is",)),
    ("JP", "日本", 126_146_099, 377_975.0, ("ja",)),
    ("KE", "Kenya", 47_564_296, 580_367.0, ("sw", "en")),
    ("MX", "México", 126_014_024, 1_964_375.0, ("es",)),
    ("NZ", "Aotearoa", 4_993_923, 268_021.0, ("en", "mi")),
    ("TR", "Türkiye", 85_372_377, 783_562.0, ("tr",)),
    ("VN", "Việt Nam", 96_208_984, 331_345.0, ("vi",)),
)
"""Code, name, inhabitants, square kilometres, languages."""


_PER_CUSTOMER = 10
_TAG_SETS = [tuple(tag for bit, tag in enumerate(TAGS) if bits >> bit & 1) for bits in range(1 << len(TAGS))]


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
        """Return the number of records where the largest entity has `size`."""
        return -(-size // self.per_record) if self.fixed is None else self.fixed

    def key(self, seed: int) -> int:
        """Return what `build` takes for this seed."""
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
