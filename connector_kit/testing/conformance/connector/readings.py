"""The undisturbed reads that laws look at, and compare with whatever else is read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from connector_kit.testing.conformance.bounds import EnoughError
from connector_kit.testing.conformance.reading import NoPageError, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["Example", "differing", "full_read_of", "full_reads"]

_MANY_PAGES = 20


@attrs.frozen
class Example:
    """An entity that has records, and a full read of it: what a connector is tried with."""

    entity: str
    whole: Reading

    @property
    def pages(self) -> int | None:
        """How many pages to read for comparison; None for all, where there are few."""
        count = len(self.whole.pages)
        return None if self.whole.ended and count <= _MANY_PAGES else min(count, _MANY_PAGES)

    @classmethod
    def among(cls, reads: Sequence[tuple[Entity, Reading]]) -> Example | None:
        """Choose the smallest with more than one page, if there is one; None where nothing has a record."""
        return cls.smallest([cls(entity.name, reading) for entity, reading in reads if reading.records])

    @classmethod
    def smallest(cls, known: Sequence[Example]) -> Example | None:
        """Choose the smallest with more than one page, if there is one; None of none."""
        if not known:
            return None
        return min(known, key=lambda it: (not it.whole.ended, len(it.whole.pages) == 1, len(it.whole.pages)))


async def full_reads(subject: Subject, found: Findings) -> list[tuple[Entity, Reading]]:
    """Give the entities with a full read of each, up to the pages allowed; those that can be read."""
    reads: list[tuple[Entity, Reading]] = []
    for entity in await subject.entities():
        try:
            reading = await full_read_of(subject, found, entity)
        except NoPageError as error:
            found.unchecked(f"{entity.name}: {error} (see progress)")
        except EnoughError as error:
            found.unchecked(str(error))
            break
        else:
            reads += [(entity, reading)] if reading is not None else []
    return reads


async def full_read_of(subject: Subject, found: Findings, entity: Entity) -> Reading | None:
    """Give a full read of an entity; None where it fails, which is unchecked here, and for the law of the catalog to judge.

    Raises `NoPageError` where something that is no page came, and `EnoughError`.
    """
    try:
        return await subject.full_read(entity.name)
    except (EnoughError, NoPageError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        found.unchecked(
            f"{entity.name}, which could not be read: {type(error).__name__}: {error} (see catalog)"
        )
        return None


def differing(got: Reading, whole: Reading) -> tuple[str, ...]:
    """Give the records that one of two reads has and the other lacks, whatever their order; empty where there is none.

    Of a read that was cut short, what the other one has besides counts for nothing.
    """
    more = Counter(got.records) - Counter(whole.records) if whole.ended else Counter[str]()
    less = Counter(whole.records) - Counter(got.records) if got.ended else Counter[str]()
    return (*more.elements(), *less.elements())
