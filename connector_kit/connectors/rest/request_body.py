"""The JSON body of a request: what is declared, with the parameters of one request in it. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connector_kit.records.json_body import steps_of

if TYPE_CHECKING:
    from connector_kit.records.page import JsonValue

__all__ = ["placed"]


def placed(body: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """Return the body with each of the values at its path; objects on the way are made, and nothing given is changed.

    >>> placed({"filter": {"open": True}}, {"filter.since": "2024-01-31", "/limit": 50})
    {'filter': {'open': True, 'since': '2024-01-31'}, 'limit': 50}
    >>> placed({"filters": [{"field": "at"}]}, {"/filters/0/from": 7})
    {'filters': [{'field': 'at', 'from': 7}]}
    """
    for path, value in values.items():
        body = _with(body, steps_of(path), value)
    return body


def _with(body: JsonValue, steps: Sequence[str], value: JsonValue) -> JsonValue:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if (
        isinstance(body, Sequence)
        and not isinstance(body, str)
        and step.isdecimal()
        and int(step) < len(body)
    ):
        position = int(step)
        return [*body[:position], _with(body[position], rest, value), *body[position + 1 :]]
    below: Mapping[str, JsonValue] = body if isinstance(body, Mapping) else {}
    return {**below, step: _with(below.get(step), rest, value)}
