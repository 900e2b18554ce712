"""Keeping known secrets out of what other people's checks say of a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import Problem
from connector_kit.records.values import is_collection, is_mapping
from connector_kit.redaction import HIDDEN, Secret

from .url import Url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["scrubbed", "secrets_in"]


def scrubbed(problems: Iterable[Problem], values: object) -> Iterator[Problem]:
    """Return the problems with every secret that is anywhere in `values` replaced by `****`.

    A validator is handed the secret itself, and whoever wrote it may have put what it reveals into the message.
    """
    secrets = sorted(set(secrets_in(values)) - {""}, key=len, reverse=True)
    for problem in problems:
        words = attrs.astuple(problem)
        for secret in secrets:
            words = tuple(word.replace(secret, HIDDEN) for word in words)
        yield Problem(*words)


def secrets_in(value: Any) -> Iterator[str]:
    """Return every secret that is anywhere in a value, in the clear. A URL is one where it hides something."""
    cls: type[Any] = type(value)
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, Url):
        if str(value) != value.reveal():
            yield from (value.reveal(), *value.secrets)
    elif is_mapping(value):
        yield from secrets_in(list(value.values()))
    elif attrs.has(cls):
        yield from secrets_in([getattr(value, field.name, None) for field in attrs.fields(cls)])
    elif is_collection(value):
        for item in value:
            yield from secrets_in(item)
