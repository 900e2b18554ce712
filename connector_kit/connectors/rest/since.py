"""How a lower bound of time is written into a query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

__all__ = ["SinceFormat", "since_text"]

SinceFormat: TypeAlias = Literal["iso", "epoch", "epoch_ms"]
"""`2013-01-31T10:00:00Z`, or whole seconds or milliseconds since 1970."""


def since_text(since: datetime, form: SinceFormat) -> str | int:
    """Write a time; one without a zone is taken as UTC. Rounded down where need be: the bound is inclusive."""
    moment = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    if form == "iso":
        return moment.isoformat().replace("+00:00", "Z")
    return _microseconds(moment) // (1_000_000 if form == "epoch" else 1_000)


def _microseconds(moment: datetime) -> int:
    """Count exactly, where the float of `timestamp` would round up."""
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
