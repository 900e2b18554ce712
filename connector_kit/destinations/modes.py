"""Which mode fits a destination and an entity. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from connector_kit.records.catalog import Entity

__all__ = ["refuse_mode"]


def refuse_mode(mode: str, modes: AbstractSet[str], entity: Entity, destination: str) -> None:
    """Raise `ConfigError` for a mode that the destination does not have or that the entity is not fit for."""
    if mode not in modes:
        known = ", ".join(sorted(modes))
        hint = (
            "use 'append' and remove repeated keys later, 'replace', or a database"
            if mode == "upsert"
            else "choose one of them"
        )
        raise ConfigError(
            f"{destination} has no mode {mode!r} for entity {entity.name!r}; expected {known}; {hint}"
        )
    if mode == "upsert" and not entity.primary_key:
        raise ConfigError(
            f"entity {entity.name!r} has no primary_key, and mode 'upsert' needs one; "
            "name its primary key or use mode 'append' or 'replace'"
        )
