"""What decides which records a resource serves, as one short text: another text, and old cursors say nothing. No I/O."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

if TYPE_CHECKING:
    from .config import Resource
    from .origin import Origin

__all__ = ["revision_of"]

_DECIDING = (
    "records",
    "body",
    "paging_in",
    "since_param",
    "since_in",
    "since_format",
    "since_zone",
    "since_template",
    "replication_format",
    "replication_zone",
    "revision",
)
_DIGITS = 16


def revision_of(resource: Resource, origin: Origin) -> str:
    """Return 16 hexadecimal digits that change with what decides which records are served.

    That is the URL with its parameters, the body, where the records stand, the pagination, how `since` is sent and times are
    read, and the resource's own `revision`. No part of it are the page size, the headers and the credentials; a parameter
    that has the value of a credential is left out. What is left at its default is left out too, so that a new option
    changes nothing. They are the beginning of a SHA-256, from which none of that can be read.
    """
    url = origin.url + origin.target(resource.path, dict(sorted(resource.params.items())))
    where, _, query = url.partition("?")
    deciding = {
        "url": [where, origin.credentials.without(query)],
        "pagination": {
            "type": resource.pagination.type,
            **_declared(resource.pagination, without="size_param"),
        },
        **{name: value for name, value in _declared(resource).items() if name in _DECIDING},
    }
    return sha256(msgspec.json.encode(deciding, order="sorted")).hexdigest()[:_DIGITS]


def _declared(value: attrs.AttrsInstance, *, without: str = "") -> dict[str, Any]:
    """Return the fields that are not left at their defaults."""
    return {
        field.name: given
        for field in attrs.fields(type(value))
        if field.name != without and (given := getattr(value, field.name)) != field.default
    }
