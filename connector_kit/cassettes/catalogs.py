"""Catalogs as JSON, and back, with nothing lost: JSON Schema would not tell every field type from every other."""

from __future__ import annotations

from typing import Any

from connector_kit.records.catalog import Catalog, Entity, Field, FieldType, ListOf, Scalar, Struct

__all__ = ["plain_catalog", "restored_catalog"]


def plain_catalog(catalog: Catalog) -> list[dict[str, Any]]:
    """Give the entities as JSON; what is as it is by default is left out."""
    return [_plain_entity(entity) for entity in catalog]


def restored_catalog(entities: list[dict[str, Any]]) -> Catalog:
    """Give the catalog back. Raises `TypeError`, `KeyError`, `ValueError` or `ConfigError` for JSON that is none."""
    return Catalog(
        Entity(**{**entity, "fields": [_restored_field(field) for field in entity.get("fields", ())]})
        for entity in entities
    )


def _plain_entity(entity: Entity) -> dict[str, Any]:
    told = {
        "primary_key": list(entity.primary_key),
        "replication_key": entity.replication_key,
        "ordered": entity.ordered,
        "incremental": entity.incremental,
        "fields": [_plain_field(field) for field in entity.fields],
    }
    return {"name": entity.name, **{name: value for name, value in told.items() if value}}


def _plain_field(field: Field) -> dict[str, Any]:
    told = {"name": field.name, "type": _plain_type(field.type)}
    return told if field.nullable else {**told, "nullable": False}


def _plain_type(kind: FieldType) -> Any:
    if isinstance(kind, Scalar):
        return kind.value
    if isinstance(kind, ListOf):
        return {"list": _plain_type(kind.item)}
    return {"struct": [_plain_field(field) for field in kind.fields]}


def _restored_field(told: dict[str, Any]) -> Field:
    return Field(told["name"], _restored_type(told["type"]), told.get("nullable", True))


def _restored_type(told: Any) -> FieldType:
    if isinstance(told, str):
        return Scalar(told)
    if "list" in told:
        return ListOf(_restored_type(told["list"]))
    return Struct(_restored_field(field) for field in told["struct"])
