"""Law 10: a sample has at most as many records as were asked for, each of which a full read would deliver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from connector_kit.errors import ConnectorError, TransientError, UnknownEntityError
from connector_kit.protocols import SupportsSample
from connector_kit.testing.conformance.bounds import EnoughError
from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.telling import telling
from connector_kit.wrappers.stack.layers import asks_for

from .insisting import insisting
from .readings import differing, full_reads
from .steady import still_the_same

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import Reading
    from connector_kit.testing.conformance.subject import Subject, Watched

__all__ = ["sample"]


_SENSIBLE = (3, 1)
_LIMITS = (*_SENSIBLE, 0, -1, 1000)
_HUGE = 10**6
_FEW = 1000  # records of an entity: with no more, a sample of a huge number of them costs no more than a read


@CONNECTOR_LAWS.law(
    10, "sample", "A sample has at most `limit` records, each of which a full read would deliver."
)
async def sample(subject: Subject, found: Findings) -> None:
    """Take samples of every entity: few records, none, more than there are, and whether a read is whole after them."""
    reads = await full_reads(subject, found)
    for entity, reading in reads:
        look = partial(_look_at, subject, entity, reading, found)
        await insisting(subject, entity.name, look, found, when="after a few samples")
    if reads:
        with telling(found, reads[0][0].name):
            await _look_at_unknown(subject, reads, found)


async def _look_at(subject: Subject, entity: Entity, reading: Reading, found: Findings) -> None:
    right = 0
    async with subject.connector() as connector:
        if asks_for(connector.inner, SupportsSample):
            few = reading.ended and len(reading.records) <= _FEW
            limits: Sequence[int] = (*_LIMITS, _HUGE) if few else _LIMITS
        else:  # the kit takes them from fetch_data, and stops where it should
            limits = _SENSIBLE
        for limit in limits:
            right += await _one(subject, connector, entity.name, limit, found)
        after = await subject.read(
            connector, entity.name, pages=None if reading.ended else len(reading.pages)
        )
    if differ := differing(after, reading):
        if await still_the_same(subject, entity.name):
            found.broken(
                f"after {len(limits)} samples, a read with the same connector differs in {len(differ)} records",
                expected="the whole read",
                mend="close the stream that a sample comes from, and let every read have a state of its own",
                entity=entity.name,
                records=differ,
            )
        else:
            found.unchecked(f"a read of {entity.name} after samples: the source changed meanwhile")
        right -= 1
    if right == len(limits):
        found.checked(f"samples of {', '.join(map(str, limits))} records of {entity.name}")


async def _one(subject: Subject, connector: Watched, entity: str, limit: int, found: Findings) -> bool:
    """Take one sample and look at it; tell whether it is right."""
    try:
        records = await _sample(subject, connector, entity, limit)
    except TransientError:
        raise
    except ConnectorError as error:
        if limit not in _SENSIBLE:  # a source may refuse a number that makes no sense to it
            found.unchecked(f"a sample of {limit} records of {entity}, which is refused: {error}")
            return True
        raise
    what = f"a sample of {limit}"
    if not _is_sequence(records):
        found.broken(
            f"{what} is a {type(records).__name__}",
            expected="a sequence of records",
            mend="return a list of them",
            entity=entity,
        )
    elif len(records) > max(0, limit):
        found.broken(
            f"{what} has {len(records)} records",
            expected=f"at most {max(0, limit)}",
            mend="cut it: records[:max(0, limit)]",
            entity=entity,
            records=tuple(_text(record) for record in records[max(0, limit) :]),
        )
    else:
        return await _all_known(subject, entity, what, records, found)
    return False


def _is_sequence(records: object) -> bool:
    return isinstance(records, Sequence) and not isinstance(records, str | bytes)


async def _all_known(
    subject: Subject, entity: str, what: str, records: Sequence[Record], found: Findings
) -> bool:
    whole = await subject.full_read(entity)
    some = records[: len(whole.records) + _FEW]  # somebody may have as many as were asked for
    foreign = Counter(map(_text, some)) - Counter(whole.records)
    if not foreign:
        return True
    if not whole.ended:
        found.unchecked(f"whether a full read of {entity} delivers all of {what}: it was not read to its end")
    elif not await still_the_same(subject, entity):
        found.unchecked(f"{what} of {entity}: the source changed meanwhile")
    else:
        found.broken(
            f"{what} has {foreign.total()} records that a full read does not deliver, or not so often",
            expected="records of a full read, with the same fields and values",
            mend="take them from where fetch_data takes its own, and through the same conversion",
            entity=entity,
            records=tuple(foreign),
        )
    return False


async def _look_at_unknown(
    subject: Subject, reads: Sequence[tuple[Entity, Reading]], found: Findings
) -> None:
    name = f"{reads[0][0].name}_that_is_not_there"
    async with subject.connector() as connector:
        try:
            records = await _sample(subject, connector, name, 3)
        except UnknownEntityError:
            found.checked("a sample of an unknown entity is refused")
            return
        except (EnoughError, TransientError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
            came = f"raises {type(error).__name__}: {error}"
        else:
            came = f"gives a {type(records).__name__} of {len(records)}"
    found.broken(
        f"a sample of {name!r}, which is not in the catalog, {came}",
        expected="UnknownEntityError",
        mend="look the name up first: catalog[name] raises it, with the nearest name",
    )


async def _sample(subject: Subject, connector: Watched, entity: str, limit: int) -> Sequence[Record]:
    """Ask as a user of the bare connector would: the kit's own `sample` never asks for less than one record."""
    inner = connector.inner
    if not (asks_for(inner, SupportsSample) and isinstance(inner, SupportsSample)):
        return await connector.get_sample_data(entity, limit)
    subject.meter.count()
    with connector.answering("get_sample_data"):
        return await inner.get_sample_data(entity, limit)


def _text(record: Any) -> str:
    return text_of(dict(record) if isinstance(record, Mapping) else record)
