"""`Cached`: the catalog and samples are asked for once in a while, however often they are wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import attrs

from connector_kit.capabilities import sample
from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.events import AnswerReused, emit
from connector_kit.protocols import Connector
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Record
from connector_kit.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta


__all__ = ["AnswerCache", "Cached"]


Q = TypeVar("Q")
A = TypeVar("A")


@attrs.frozen
class _CachedAnswer(Generic[A]):
    """An answer, and when it came."""

    answer: A
    arrived_ns: int


class _SharedCall(Generic[A]):
    """One call that is under way, and what became of it: an answer, an error, or neither where it was cancelled."""

    __slots__ = ("cached", "done", "error")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.cached: _CachedAnswer[A] | None = None
        self.error: Exception | None = None


class AnswerCache(Generic[Q, A]):
    """Keeps the `most` answers that were used last, each for `ttl` after it came."""

    __slots__ = ("_answers", "_calls", "_clock", "_most", "_ttl_ns")

    def __init__(self, ttl: Duration, most: int, clock: Clock) -> None:
        self._ttl_ns = ttl.ns
        self._most = most
        self._clock = clock
        self._answers: OrderedDict[Q, _CachedAnswer[A]] = (
            OrderedDict()
        )  # the one that was used last comes last
        self._calls: dict[Q, _SharedCall[A]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    async def get(self, question: Q, fetch: Callable[[], Awaitable[A]]) -> tuple[A, float | None]:
        """Return the answer, and its age in seconds where it is that of another call.

        Where nobody asks the same already, `ask` is called; else that call's answer or error is shared. Where it is
        cancelled, the first of those who wait for it asks anew.
        """
        while True:
            cached = self._answers.get(question)
            if cached is not None and self._age_ns(cached) < self._ttl_ns:
                self._answers.move_to_end(question)
                return cached.answer, self._age_ns(cached) / 1e9
            call = self._calls.get(question)
            if call is None:
                return await self._fetch(question, fetch), None
            await call.done.wait()
            if call.error is not None:
                raise call.error
            if call.cached is not None:
                return call.cached.answer, self._age_ns(call.cached) / 1e9

    def forget(self) -> None:
        """Drop all answers. Calls that are under way answer those who wait for them, and nobody who comes later."""
        self._answers.clear()
        self._calls.clear()

    async def _fetch(self, question: Q, fetch: Callable[[], Awaitable[A]]) -> A:
        call = self._calls[question] = _SharedCall[A]()
        try:
            answer = await fetch()
            call.cached = _CachedAnswer(answer, self._clock.monotonic_ns())
            if self._calls.get(question) is call:  # else it was forgotten meanwhile
                self._keep(question, call.cached)
        except Exception as error:
            call.error = error
            raise
        finally:
            if self._calls.get(question) is call:
                del self._calls[question]
            call.done.set()
        return answer

    def _keep(self, question: Q, cached: _CachedAnswer[A]) -> None:
        self._answers[question] = cached
        self._answers.move_to_end(question)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def _age_ns(self, cached: _CachedAnswer[A]) -> int:
        return self._clock.monotonic_ns() - cached.arrived_ns


C = TypeVar("C", bound=Connector)


def _time_to_live(value: str | float | timedelta) -> Duration:
    try:
        ttl = Duration.of(value)
    except ValueError as error:
        raise ConfigError(
            f"cannot keep answers for ttl={value!r}; expected {error}; give one of these"
        ) from error
    if not ttl:
        raise ConfigError(
            "cannot keep answers for ttl=0s; expected more than nothing; leave Cached out instead"
        )
    return ttl


@attrs.frozen(repr=False)
class Cached(Wrapper[C]):
    """Keeps what `discover_schema` and `get_sample_data` returned, for the time `ttl` after the answer came.

    Callers who ask for the same thing at the same time share one call, and its error where it fails; errors are not
    kept. Where that call is cancelled, another caller makes it anew. Of samples, the `max_samples` that were used last
    are kept, each with its entity and limit. Reads and partitions are never kept. `forget` drops everything; connecting
    anew does not.
    """

    ttl: Duration = attrs.field(converter=_time_to_live)
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    max_samples: int = attrs.field(default=100, kw_only=True, validator=attrs.validators.ge(1))
    _catalogs: AnswerCache[None, Catalog] = attrs.field(
        default=attrs.Factory(lambda self: AnswerCache(self.ttl, 1, self.clock), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )
    _samples: AnswerCache[tuple[str, int], Sequence[Record]] = attrs.field(
        default=attrs.Factory(
            lambda self: AnswerCache(self.ttl, self.max_samples, self.clock), takes_self=True
        ),
        init=False,
        repr=False,
        eq=False,
    )

    def forget(self) -> None:
        """Drop what is kept: the next callers ask the source."""
        self._catalogs.forget()
        self._samples.forget()

    async def discover_schema(self) -> Catalog:
        """Return the catalog, from memory where it is fresh enough."""
        catalog, age = await self._catalogs.get(None, self.inner.discover_schema)
        if age is not None:
            emit(AnswerReused("discover_schema", None, age))
        return catalog

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample, from memory where it is fresh enough; the list is the caller's own."""
        records, age = await self._samples.get((entity, limit), lambda: sample(self.inner, entity, limit))
        if age is not None:
            emit(AnswerReused("get_sample_data", entity, age))
        return list(records)
