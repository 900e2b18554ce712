"""How a connector proves who it is, as values: what a config file says of it. Nothing here speaks HTTP."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from connector_kit.redaction import Secret

__all__ = ["ApiKey", "Auth", "Basic", "Bearer", "NoAuth"]


@attrs.frozen
class NoAuth:
    """No credentials at all."""

    type: Literal["none"] = "none"


@attrs.frozen
class ApiKey:
    """A key sent with every request: in the header `name`, or in the query parameter `name`."""

    key: Secret
    name: str = attrs.field(default="X-API-Key", validator=attrs.validators.min_len(1))
    place: Literal["header", "query"] = "header"
    type: Literal["api_key"] = "api_key"


@attrs.frozen
class Basic:
    """User name and password, as HTTP Basic has them. Some services take a key as the one and nothing as the other."""

    username: str
    password: Secret
    type: Literal["basic"] = "basic"


@attrs.frozen
class Bearer:
    """A token sent as `Authorization: Bearer …`."""

    token: Secret
    type: Literal["bearer"] = "bearer"


Auth: TypeAlias = NoAuth | ApiKey | Basic | Bearer
"""Told apart in a file by `type`."""
