"""Law 10: a sample has at most as many records as were asked for, each of which a full read would deliver."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from connector_kit.errors import ConnectorError, TransientError, UnknownEntityError
from connector_kit.protocols import SupportsSample
from connector_kit.testing.conformance.reading import record_text
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject, Watched
from connector_kit.testing.conformance.telling import telling
from connector_kit.wrappers.stack.layers import asks_for

from .baseline import Baseline, full_reads, result_or_error, retried
from .record_texts import is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings


__all__ = ["sample"]

_SENSIBLE = (3, 1)
_LIMITS = (*_SENSIBLE, 0, -1, 1000)
_HUGE = 10**6
_FEW = 1000  # records of an entity: with no more, a sample of a huge number of them costs no more than a read


@CONNECTOR_LAWS.law(
    10, "sample", "A sample has at most `limit` records, each of which a full read would deliver."
)
async def sample(subject: Subject, findings: Findings) -> None:
    """Take samples of every entity: few records, none, more than there are, and whether a read is whole after them."""
    reads = await full_reads(subject, findings)
    for read in reads:
        await retried(read, partial(_check_entity, read), "after a few samples")
    if reads:
        with telling(findings, reads[0].name):
            await _check_unknown_name(subject, f"{reads[0].name}_that_is_not_there", findings)


async def _check_entity(read: Baseline) -> None:
    full, right = read.reading, 0
    async with read.subject.connector() as connector:
        limits: Sequence[int] = _SENSIBLE  # where the kit takes them from fetch_data, it stops in time
        if asks_for(connector.inner, SupportsSample):
            few = full.ended and len(full.records) <= _FEW
            limits = (*_LIMITS, _HUGE) if few else _LIMITS
        for limit in limits:
            right += await _check_sample(read, connector, limit)
        after = await read.read(connector, pages=None if full.ended else len(full.pages))
    if differ := read.differing(after):
        if await read.confirmed(f"a read of {read.name} after samples"):
            read.broken(
                f"after {len(limits)} samples, a read with the same connector differs in {len(differ)} records",
                "the whole read",
                "close the stream that a sample comes from, and let every read have a state of its own",
                records=differ,
            )
    elif right == len(limits):
        read.findings.checked(f"samples of {', '.join(map(str, limits))} records of {read.name}")


async def _check_sample(read: Baseline, connector: Watched, limit: int) -> bool:
    """Take one sample. Return whether it is right."""
    try:
        records = await _sample(read.subject, connector, read.name, limit)
    except TransientError:
        raise
    except ConnectorError as error:
        if limit not in _SENSIBLE:  # a source may refuse a number that makes no sense to it
            read.findings.unchecked(f"a sample of {limit} records of {read.name}, which is refused: {error}")
            return True
        raise
    what, most = f"a sample of {limit}", max(0, limit)
    if not is_sequence(records):
        read.broken(f"{what} is a {type(records).__name__}", "a sequence of records", "return a list of them")
        return False
    if len(records) > most:
        read.broken(
            f"{what} has {len(records)} records",
            f"at most {most}",
            "cut it: records[:max(0, limit)]",
            records=tuple(record_text(record) for record in records[most:]),
        )
        return False
    some = records[: len(read.reading.records) + _FEW]  # somebody may have as many as were asked for
    return await _are_known(read, what, [record_text(record) for record in some])


async def _are_known(read: Baseline, what: str, records: Sequence[str]) -> bool:
    foreign = Counter(records) - Counter(read.reading.records)
    if not foreign:
        return True
    if not read.reading.ended:
        read.findings.unchecked(
            f"whether a full read of {read.name} delivers all of {what}: it was not read to its end"
        )
    elif await read.confirmed(f"{what} of {read.name}"):
        read.broken(
            f"{what} has {foreign.total()} records that a full read does not deliver, or not so often",
            "records of a full read, with the same fields and values",
            "take them from where fetch_data takes its own, and through the same conversion",
            records=tuple(foreign),
        )
    return False


async def _check_unknown_name(subject: Subject, name: str, findings: Findings) -> None:
    async with subject.connector() as connector:
        got = await result_or_error(lambda: _sample(subject, connector, name, 3), TransientError)
    if isinstance(got, UnknownEntityError):
        findings.checked("a sample of an unknown entity is refused")
        return
    if isinstance(got, Exception):
        came = f"raises {type(got).__name__}: {got}"
    else:
        came = f"gives a {type(got).__name__} of {len(got)}"
    findings.broken(
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
