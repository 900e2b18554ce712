"""`OpenTelemetryObserver`: what happens, as OpenTelemetry's metrics and spans."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError

from .metrics import Attributes, Metrics
from .spans import Spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

    from connector_kit.events import Event

__all__ = ["OpenTelemetryObserver"]


class OpenTelemetryObserver:
    """Counts and times what happens, and makes a span of each call and each page.

    Every measurement has `connector_kit.operation` and `connector_kit.entity` where there are any, `error.type` (the
    class) where something failed, and the `attributes` that are given here, for instance the connector's name.

    | counter | unit | counts | besides |
    | --- | --- | --- | --- |
    | `connector_kit.pages` | `{page}` | pages delivered | |
    | `connector_kit.records` | `{record}` | records in them | |
    | `connector_kit.retries` | `{retry}` | attempts that are followed by another one | `error.type` of the attempt |
    | `connector_kit.refusals` | `{refusal}` | attempts refused for a quota, a bulkhead or an open circuit | `error.type` |
    | `connector_kit.hedges` | `{call}` | calls made once more for a slow answer | |
    | `connector_kit.time_limits` | `{limit}` | time limits that passed | |
    | `connector_kit.breaker.moves` | `{move}` | moves of circuit breakers | `connector_kit.breaker.before` and `connector_kit.breaker.after` |
    | `connector_kit.records.rejected` | `{record}` | records that do not fit | `connector_kit.action` |
    | `connector_kit.answers.reused` | `{answer}` | calls answered from memory | |
    | `connector_kit.rows` | `{row}` | rows that a run has written | |
    | `connector_kit.entities` | `{entity}` | entities that a run is done with | `connector_kit.status` |

    | histogram, in `s` | times |
    | --- | --- |
    | `connector_kit.call.duration` | calls that are no streams |
    | `connector_kit.page.duration` | waits for a page, or for the error in its place, with all attempts |
    | `connector_kit.wait.duration` | waits inside of these; `connector_kit.wait.for` is `permit`, `slot` or `retry` |
    | `connector_kit.write.duration` | a run's writing, of one page or several at once |

    Spans are named `operation entity` (`fetch_data orders`, `write orders`), one for each call, each page or end of a
    stream, and each write; `connector_kit.records` is how many records it was about, `connector_kit.pages` how many pages were written. Retries, waits, hedges and passed time limits
    are events of the span of their call. There is no span of a whole read, which may take days. Spans are children of
    the span that is current where the connector is used. They are made when the call has ended, because an observer
    only listens: spans of an instrumented client are their siblings.

    Of an error there is the class, and the message if it is a `ConnectorError`; no cursor and no traceback. It never
    raises. Use processors and readers that export in the background, such as the SDK's `BatchSpanProcessor`.

    `meter` and `tracer` are the global providers' by default, which do nothing until the program sets up an SDK.
    Raises `ConfigError` where OpenTelemetry is not installed.
    """

    __slots__ = ("_metrics", "_spans")

    def __init__(
        self,
        *,
        meter: Meter | None = None,
        tracer: Tracer | None = None,
        attributes: Mapping[str, str] | None = None,
        clock: Clock = AnyioClock(),
    ) -> None:
        constant: Attributes = dict(attributes or {})
        self._metrics = Metrics(meter or _default_meter(), constant)
        self._spans = Spans(tracer or _default_tracer(), constant, clock)

    def observe(self, event: Event, /) -> None:
        """Measure one event."""
        with suppress(Exception):  # an exporter that fails must not break the read
            self._metrics.measure(event)
        with suppress(Exception):  # the same, and the spans are still made where the metrics fail
            self._spans.trace(event)


def _default_meter() -> Meter:
    try:
        from opentelemetry.metrics import get_meter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _not_installed() from error
    return get_meter("connector_kit")


def _default_tracer() -> Tracer:
    try:
        from opentelemetry.trace import get_tracer  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _not_installed() from error
    return get_tracer("connector_kit")


def _not_installed() -> ConfigError:
    return ConfigError(
        "OpenTelemetry is not installed, which OpenTelemetryObserver reports to; pip install 'connector-kit[otel]'"
    )
