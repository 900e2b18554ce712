"""The way back: a config value as plain JSON values, for logs and for people. Secrets are `****` in it."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any

import attrs

from connector_kit.records.values import is_collection, is_mapping
from connector_kit.redaction import HIDDEN

from .annotations import parses

__all__ = ["dump_config", "dumped"]


def dump_config(config: attrs.AttrsInstance) -> dict[str, Any]:
    """Return a config class's value as JSON values, with `****` for secrets.

    Whatever the class keeps out of its repr is kept out here too. What has no secrets loads again as an equal value.
    """
    return {
        field.alias or field.name: dumped(getattr(config, field.name)) if field.repr is True else HIDDEN
        for field in attrs.fields(type(config))
        if field.init
    }


def dumped(value: Any) -> Any:
    """Return any value of a config as a JSON value, with `****` for secrets."""
    if _is_config(value):
        return dump_config(value)
    if is_mapping(value):
        return {str(key): dumped(item) for key, item in value.items()}
    if is_collection(value):
        return [dumped(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or type(value) in (str, bool, int, float) else str(value)


def _is_config(value: object) -> bool:
    cls = type(value)
    return attrs.has(cls) and not parses(cls)
