"""What must be there before any law can be looked at: a factory that gives a connector that connects and has entities."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from connector_kit.records.catalog import Catalog
from connector_kit.runtime.session import disconnect_surely
from connector_kit.structure.explain import explain
from connector_kit.wrappers.layers import innermost

from .bounds import EnoughError
from .verdict import cleaned

if TYPE_CHECKING:
    from .subject import Subject

__all__ = ["Ready", "prepare"]


@attrs.frozen
class Ready:
    """What came of it: what the connector is called, and why no law can be looked at (empty where they can)."""

    name: str
    failure: str = ""


async def prepare(subject: Subject) -> Ready:
    """Make a connector, connect it and ask for its catalog, which the subject keeps for the laws."""
    try:
        made = subject.factory()
    except Exception as error:  # noqa: BLE001 - whatever an author's factory raises is told, not passed on
        return Ready(
            "", _told(subject, "the factory raised", error, "expected a new connector; mend the factory")
        )
    explanation = explain(made)
    if not explanation.ok:
        return Ready(explanation.name, f"the factory gave no connector: {explanation}")
    name = type(innermost(made)).__name__
    return Ready(name, await _look_at_catalog(subject))


async def _look_at_catalog(subject: Subject) -> str:
    step = "connect"
    connector = subject.make()
    try:
        await connector.connect()
        step = "discover_schema"
        catalog: object = await connector.discover_schema()
    except EnoughError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        return _told(subject, f"{step} failed:", error, "nothing can be looked at before it works")
    finally:
        with suppress(Exception):  # what is wrong with disconnecting is the lifecycle law's to say
            await disconnect_surely(connector)
    return _unusable(catalog, subject)


def _unusable(catalog: object, subject: Subject) -> str:
    """Say what is wrong with a catalog; one that can be used is kept."""
    if not isinstance(catalog, Catalog):
        return (
            f"discover_schema gave a {type(catalog).__name__}; expected a Catalog; "
            "write `return Catalog([Entity(name, fields, …), …])`"
        )
    if not len(catalog):
        return "the catalog has no entities; expected at least one; there is nothing to look at"
    unknown = [name for name in subject.bounds.entities if name not in catalog.names]
    if unknown:
        return (
            f"no {', '.join(map(repr, unknown))} in the catalog; expected entities of {', '.join(catalog.names)}; "
            "name some of these"
        )
    subject.keep(catalog)
    return ""


def _told(subject: Subject, what: str, error: Exception, then: str) -> str:
    return cleaned(f"{what} {type(error).__name__}: {error}; {then}", subject.secrets)
