"""Configurations per second: a whole `ConnectorConfig` from a mapping, checked and structured."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

from connector_kit.config.load import load_config
from connector_kit.config.structuring import make_converter, structure
from connector_kit.registry.connector_config import ConnectorConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from rounds import Measure

__all__ = ["contestants"]

CONFIGS = 100
TABLE = {
    "connector": "rest",
    "name": "orders",
    "settings": {"base_url": "https://api.example.com", "resources": []},
    "auth": {"type": "bearer", "token": {"env": "TOKEN"}},
    "resilience": {
        "rate": "10/s, 10000/day",
        "retry": {"attempts": 5},
        "attempt": {"call": "30s", "page": "1m"},
        "deadline": {"call": "10m"},
    },
    "entities": {"orders": {"mode": "upsert", "lookback": "5m"}, "customers": {"new_fields": "freeze"}},
}
ENVIRONMENT = {"TOKEN": "not a real one"}


def repeating(work: Callable[[], object]) -> Measure:
    """Give the seconds of processor time for one of many."""

    def measured() -> float:
        started = process_time()
        for _ in range(CONFIGS):
            work()
        return (process_time() - started) / CONFIGS

    return measured


def contestants() -> dict[str, Measure]:
    """With a converter made before, and as `load_config` does it: with one made for each source."""
    converter = make_converter(ENVIRONMENT)
    return {
        "config: structured, converter at hand": repeating(
            lambda: structure(ConnectorConfig, TABLE, converter)
        ),
        "config: load_config": repeating(lambda: load_config(ConnectorConfig, TABLE, env=ENVIRONMENT)),
    }
