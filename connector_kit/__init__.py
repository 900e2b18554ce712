"""Data source connectors without a base class: four async methods, composable wrappers, exactly-once sync.

Every public name is imported when it is first used, so that a program pays for what it touches.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capabilities import partitions, sample, validate
    from .clock import AnyioClock, Clock
    from .config.connector import ConnectorConfig, EntityOptions
    from .config.load import load_config
    from .config.secret import Secret
    from .config.source import Environment
    from .config.url import Url
    from .durations import Duration
    from .events import Observer
    from .limiters.adaptive_limiter import AdaptiveLimiter
    from .limiters.calendar_rate import CalendarRate
    from .limiters.keyed_limiter import KeyedLimiter
    from .limiters.rate import Rate, Rates
    from .limiters.rate_limiter import RateLimiter
    from .limiters.redis_limiter import RedisLimiter
    from .limiters.sqlite_limiter import SQLiteLimiter
    from .observers.logging import LoggingObserver
    from .observers.memory import MemoryObserver
    from .observers.opentelemetry import OpenTelemetryObserver
    from .observers.structlog import StructlogObserver
    from .policies.breaker import Breaker, Circuit
    from .policies.budget import BudgetLedger, RetryBudget
    from .policies.bulkhead import Bulkhead
    from .policies.hedge import Hedge
    from .policies.resilience import Resilience
    from .policies.retry import Retry
    from .policies.timeouts import Timeouts
    from .policies.validation import Rejected, Validation
    from .protocols import (
        Connector,
        Destination,
        FullConnector,
        Limiter,
        SupportsPartitions,
        SupportsSample,
        SupportsValidation,
        SyncConnector,
    )
    from .records.catalog import Catalog, Entity, Field, ListOf, Scalar, Struct
    from .records.checkpoint import Checkpoint
    from .records.inference import infer_fields
    from .records.json_lines import SupportsJson, json_lines
    from .records.json_records import JsonRecords
    from .records.page import Cursor, Page, Quota, Record
    from .runtime.blocking import blocking
    from .runtime.prefetching import prefetching
    from .runtime.report import EntityReport, Report
    from .runtime.session import connected, stream
    from .runtime.sync import sync
    from .structure.explain import conforms, explain
    from .structure.explanation import Explanation
    from .wrappers.bulkheaded import Bulkheaded
    from .wrappers.cached import Cached
    from .wrappers.circuit_breaking import CircuitBreaking
    from .wrappers.faulty import Faulty
    from .wrappers.hedged import Hedged
    from .wrappers.layers import layers, unwrap
    from .wrappers.observed import Observed
    from .wrappers.paged import Paged, RecordConnector
    from .wrappers.prefetching import Prefetching
    from .wrappers.protect import protect
    from .wrappers.quarantine import QuarantineFile
    from .wrappers.rate_limited import RateLimited
    from .wrappers.recording import Recording
    from .wrappers.replaying import Replaying
    from .wrappers.retrying import Retrying
    from .wrappers.slots import Slots
    from .wrappers.threaded import Threaded
    from .wrappers.time_limited import TimeLimited
    from .wrappers.translating import Rule, Translating
    from .wrappers.validating import Validating

__all__ = [
    "AdaptiveLimiter",
    "AnyioClock",
    "Breaker",
    "BudgetLedger",
    "Bulkhead",
    "Bulkheaded",
    "Cached",
    "CalendarRate",
    "Catalog",
    "Checkpoint",
    "Circuit",
    "CircuitBreaking",
    "Clock",
    "Connector",
    "ConnectorConfig",
    "Cursor",
    "Destination",
    "Duration",
    "Entity",
    "EntityOptions",
    "EntityReport",
    "Environment",
    "Explanation",
    "Faulty",
    "Field",
    "FullConnector",
    "Hedge",
    "Hedged",
    "JsonRecords",
    "KeyedLimiter",
    "Limiter",
    "ListOf",
    "LoggingObserver",
    "MemoryObserver",
    "Observed",
    "Observer",
    "OpenTelemetryObserver",
    "Page",
    "Paged",
    "Prefetching",
    "QuarantineFile",
    "Quota",
    "Rate",
    "RateLimited",
    "RateLimiter",
    "Rates",
    "Record",
    "RecordConnector",
    "Recording",
    "RedisLimiter",
    "Rejected",
    "Replaying",
    "Report",
    "Resilience",
    "Retry",
    "RetryBudget",
    "Retrying",
    "Rule",
    "SQLiteLimiter",
    "Scalar",
    "Secret",
    "Slots",
    "Struct",
    "StructlogObserver",
    "SupportsJson",
    "SupportsPartitions",
    "SupportsSample",
    "SupportsValidation",
    "SyncConnector",
    "Threaded",
    "TimeLimited",
    "Timeouts",
    "Translating",
    "Url",
    "Validating",
    "Validation",
    "blocking",
    "conforms",
    "connected",
    "explain",
    "infer_fields",
    "json_lines",
    "layers",
    "load_config",
    "partitions",
    "prefetching",
    "protect",
    "sample",
    "stream",
    "sync",
    "unwrap",
    "validate",
]

_MODULES = {
    "capabilities": ["partitions", "sample", "validate"],
    "clock": ["AnyioClock", "Clock"],
    "config.connector": ["ConnectorConfig", "EntityOptions"],
    "config.load": ["load_config"],
    "config.secret": ["Secret"],
    "config.source": ["Environment"],
    "config.url": ["Url"],
    "durations": ["Duration"],
    "events": ["Observer"],
    "limiters.adaptive_limiter": ["AdaptiveLimiter"],
    "limiters.calendar_rate": ["CalendarRate"],
    "limiters.keyed_limiter": ["KeyedLimiter"],
    "limiters.rate": ["Rate", "Rates"],
    "limiters.rate_limiter": ["RateLimiter"],
    "limiters.redis_limiter": ["RedisLimiter"],
    "limiters.sqlite_limiter": ["SQLiteLimiter"],
    "observers.logging": ["LoggingObserver"],
    "observers.memory": ["MemoryObserver"],
    "observers.opentelemetry": ["OpenTelemetryObserver"],
    "observers.structlog": ["StructlogObserver"],
    "policies.breaker": ["Breaker", "Circuit"],
    "policies.budget": ["BudgetLedger", "RetryBudget"],
    "policies.bulkhead": ["Bulkhead"],
    "policies.hedge": ["Hedge"],
    "policies.resilience": ["Resilience"],
    "policies.retry": ["Retry"],
    "policies.timeouts": ["Timeouts"],
    "policies.validation": ["Rejected", "Validation"],
    "protocols": [
        "Connector",
        "Destination",
        "FullConnector",
        "Limiter",
        "SupportsPartitions",
        "SupportsSample",
        "SupportsValidation",
        "SyncConnector",
    ],
    "records.catalog": ["Catalog", "Entity", "Field", "ListOf", "Scalar", "Struct"],
    "records.checkpoint": ["Checkpoint"],
    "records.inference": ["infer_fields"],
    "records.json_lines": ["SupportsJson", "json_lines"],
    "records.json_records": ["JsonRecords"],
    "records.page": ["Cursor", "Page", "Quota", "Record"],
    "runtime.blocking": ["blocking"],
    "runtime.prefetching": ["prefetching"],
    "runtime.report": ["EntityReport", "Report"],
    "runtime.session": ["connected", "stream"],
    "runtime.sync": ["sync"],
    "structure.explain": ["conforms", "explain"],
    "structure.explanation": ["Explanation"],
    "wrappers.bulkheaded": ["Bulkheaded"],
    "wrappers.cached": ["Cached"],
    "wrappers.circuit_breaking": ["CircuitBreaking"],
    "wrappers.faulty": ["Faulty"],
    "wrappers.hedged": ["Hedged"],
    "wrappers.layers": ["layers", "unwrap"],
    "wrappers.observed": ["Observed"],
    "wrappers.paged": ["Paged", "RecordConnector"],
    "wrappers.prefetching": ["Prefetching"],
    "wrappers.protect": ["protect"],
    "wrappers.quarantine": ["QuarantineFile"],
    "wrappers.rate_limited": ["RateLimited"],
    "wrappers.recording": ["Recording"],
    "wrappers.replaying": ["Replaying"],
    "wrappers.retrying": ["Retrying"],
    "wrappers.slots": ["Slots"],
    "wrappers.threaded": ["Threaded"],
    "wrappers.time_limited": ["TimeLimited"],
    "wrappers.translating": ["Rule", "Translating"],
    "wrappers.validating": ["Validating"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
