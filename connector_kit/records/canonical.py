"""When two values are the same: keys of an upsert, and records that mode "append" compares, in every destination alike.

| these are one value | these are not |
| --- | --- |
| numbers of one value: `1`, `1.0`, `True` | `1` and `"1"` |
| decimals of one value: `Decimal("1")`, `Decimal("1.0")` | `Decimal("1")` and `1` |
| an integer beyond 64 bits and its digits as text | `0.1` and `Decimal("0.1")` |
| one instant in two time zones | a datetime without a zone and one with |
| nested records with the same fields in another order | lists in another order |

NaN is the same as nothing, itself included, so that it cannot be a key.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from enum import Enum
from hashlib import blake2b
from math import isnan
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from connector_kit.errors import SchemaMismatchError

from .catalog import Scalar
from .json_lines import simplified
from .values import is_mapping, is_sequence, is_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .catalog import Entity
    from .page import Record

__all__ = ["Fingerprints", "canonical", "canonical_datetime", "canonical_decimal", "canonical_key"]

_INTEGERS = range(-(2**63), 2**63)
_MOST_DIGITS = 1_000
"""Of a decimal that is written out; `1E+999999999` has more than memory holds."""
_ENCODER = msgspec.json.Encoder(order="deterministic")


def canonical(value: Any) -> Any:
    """Return the one form of all values that are the same, made of what JSON has (and bytes).

    Raises `TypeError` or `ValueError` for a value that has no JSON form.

    >>> canonical(Decimal("1.50")), canonical(2**64), canonical({"b": 1.0, "a": 2})
    ('1.5', '18446744073709551616', {'b': 1, 'a': 2})
    """
    if value is None or type(value) in {str, bytes}:
        return value
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value)
    if is_mapping(value):
        return {str(canonical(key)): canonical(item) for key, item in value.items()}
    if is_sequence(value):
        return [canonical(item) for item in value]
    if is_set(value):
        return sorted((canonical(item) for item in value), key=_ENCODER.encode)
    return canonical(msgspec.to_builtins(value, enc_hook=simplified))


def canonical_key(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values of a key so that equal keys are equal tuples, of hashable values. Raises `ValueError` for NaN."""
    return tuple(_key_part(value) for value in values)


def canonical_datetime(value: datetime) -> str:
    """Return a datetime as text whose order is that of time: in UTC with six decimals and Z; without a zone, without Z."""
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:  # within a day of the year 1 or 9999, UTC may lie outside what datetime can say
        return value.isoformat(timespec="microseconds")
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def canonical_decimal(value: Decimal) -> str:
    """Return the digits of a decimal, without an exponent and without zeros at the end: `1.50` and `1.5` are one.

    NaN and infinities are their names.
    """
    if not value.is_finite():
        return str(value)
    if abs(value.adjusted()) > _MOST_DIGITS:
        exact = Context(prec=len(value.as_tuple().digits), Emax=MAX_EMAX, Emin=MIN_EMIN)
        return str(value.normalize(exact))
    digits = format(value, "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits in {"-0", ""} else digits


@attrs.frozen
class Fingerprints:
    """What tells one version of a record from another: 64 bits of its content.

    `volatile` names the fields that are left out, `times` those whose texts are times, so that the zone makes no difference.
    """

    volatile: AbstractSet[str] = frozenset()
    times: AbstractSet[str] = frozenset()

    @classmethod
    def of(cls, entity: Entity, volatile: Iterable[str] = ()) -> Fingerprints:
        """Return those of an entity's records, by what its fields are."""
        times = {field.name for field in entity.fields if field.type is Scalar.DATETIME}
        return cls(frozenset(volatile), frozenset(times))

    def of_record(self, entity: str, record: Record) -> bytes:
        """Return eight bytes. Raises `SchemaMismatchError` for a value that has no JSON form."""
        try:
            content = {
                str(name): canonical(_as_time(value) if name in self.times else value)
                for name, value in record.items()
                if name not in self.volatile
            }
            return blake2b(_ENCODER.encode(content), digest_size=8).digest()
        except (TypeError, ValueError, RecursionError) as error:
            raise SchemaMismatchError(
                f"a record of entity {entity!r} cannot be compared with those that are stored: {error}; expected what JSON has, a "
                "date, a time, a Decimal or bytes; convert it in the connector"
            ) from error


def _as_time(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _key_part(value: Any) -> Any:
    if value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and isnan(value):
        raise ValueError("NaN is not the same as anything, itself included, so that it is no key")
    form = canonical(value)
    return form if not isinstance(form, list | dict) else _ENCODER.encode(form)


def _integer(value: int) -> int | str:
    return int(value) if value in _INTEGERS else int.__repr__(value)


def _number(value: float) -> float | int | str:
    return _integer(int(value)) if value.is_integer() and abs(value) < _INTEGERS.stop else float(value)


# The first that fits counts: an IntEnum is an Enum before it is an int, a datetime a datetime before it is a date.
_FORMS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: canonical(value.value)),
    (int, _integer),
    (float, _number),
    (str, str.__str__),
    (datetime, canonical_datetime),
    (Decimal, canonical_decimal),
    (bytearray, bytes),
    (memoryview, bytes),
)
