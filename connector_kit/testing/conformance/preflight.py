"""What must be there before any law can be looked at: a factory that gives a connector that connects and has entities."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, UnknownEntityError
from connector_kit.records.catalog import Catalog
from connector_kit.runtime.session import disconnect_surely
from connector_kit.structure.explain import explain
from connector_kit.wrappers.stack.layers import innermost

from .bounds import EnoughError
from .verdict import cleaned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .subject import Subject

__all__ = ["Ready", "prepare"]


@attrs.frozen
class Ready:
    """What came of it: what the connector is called, why no law can be looked at (empty where they can), by which error."""

    name: str
    failure: str = ""
    error: Exception | None = None


async def prepare(subject: Subject) -> Ready:
    """Make a connector, connect it and ask for its catalog, which the subject keeps for the laws."""
    try:
        made = subject.factory()
    except Exception as error:  # noqa: BLE001 - whatever an author's factory raises is told, not passed on
        failure = _told(subject, "the factory raised", error, "expected a new connector; mend the factory")
        return Ready("", failure, error)
    explanation = explain(made)
    if not explanation.ok:
        return Ready(explanation.name, f"the factory gave no connector: {explanation}")
    name = type(innermost(made)).__name__
    return await _look_at_catalog(subject, name)


async def _look_at_catalog(subject: Subject, name: str) -> Ready:
    step = "connect"
    connector = subject.make()
    try:
        await connector.connect()
        step = "discover_schema"
        catalog: object = await connector.discover_schema()
    except EnoughError as error:
        return Ready(name, str(error), ConfigError(str(error)))
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        failure = _told(subject, f"{step} failed:", error, "nothing can be looked at before it works")
        return Ready(name, failure, error)
    finally:
        with suppress(Exception):  # what is wrong with disconnecting is the lifecycle law's to say
            await disconnect_surely(connector)
    if isinstance(catalog, Catalog) and (unknown := _unknown(catalog, subject.bounds.entities)) is not None:
        return Ready(name, str(unknown), unknown)
    return Ready(name, _unusable(catalog, subject))


def _unknown(catalog: Catalog, names: Sequence[str]) -> UnknownEntityError | None:
    """Give the error for an entity that is to be looked at and is not there."""
    for name in names:
        try:
            catalog[name]
        except UnknownEntityError as error:
            return error
    return None


def _unusable(catalog: object, subject: Subject) -> str:
    """Say what is wrong with a catalog; one that can be used is kept."""
    if not isinstance(catalog, Catalog):
        return (
            f"discover_schema gave a {type(catalog).__name__}; expected a Catalog; "
            "write `return Catalog([Entity(name, fields, …), …])`"
        )
    if not len(catalog):
        return "the catalog has no entities; expected at least one; there is nothing to look at"
    subject.keep(catalog)
    return ""


def _told(subject: Subject, what: str, error: Exception, then: str) -> str:
    return cleaned(f"{what} {type(error).__name__}: {error}; {then}", subject.secrets)
