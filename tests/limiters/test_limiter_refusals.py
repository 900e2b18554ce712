"""What limiters say when they refuse, word for word: what happened, what was expected, what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from connector_kit.errors import ConfigError, ConnectorError, RateLimitError
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.limiters.count_file import CountFile
from connector_kit.limiters.keyed_limiter import KeyedLimiter
from connector_kit.limiters.queue import QueueBounds
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.redis_limiter import RedisLimiter
from connector_kit.limiters.settings import LimiterSettings, SharedSettings
from connector_kit.limiters.shared_gate import SharedGate
from connector_kit.limiters.sqlite_limiter import SQLiteLimiter
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECOND = 1_000_000_000


def settings(*, max_wait: float | None = None, max_queue: int | None = None) -> SharedSettings:
    return SharedSettings.of(
        "shop", LimiterSettings.of("2/s", max_wait=max_wait, max_queue=max_queue, state=None)
    )


class Shut:
    """A store that has no permit for the next three seconds."""

    async def ask(self, cost: int, /) -> int:
        return 3 * SECOND

    def pause(self, ns: int, /) -> None: ...


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RateLimiter("1/s", max_queue=-1),
            (
                "cannot make a limiter with max_queue=-1; expected zero calls or more; leave it out for a queue without "
                "bound"
            ),
        ),
        (
            lambda: RateLimiter("1/s", state="counts.json"),
            (
                "state='counts.json' has nothing to keep: there is no calendar rate in 1/s; expected one like "
                "10000/day@UTC; leave state out, or name the time zone in which the day is counted"
            ),
        ),
        (
            lambda: RateLimiter("2/s").try_acquire(3),
            "a cost of 3 permits can never be granted under 2/s; expected 1 to 2; lower the cost or raise the rate",
        ),
        (
            lambda: AdaptiveLimiter("2/s").try_acquire(3),
            "a cost of 3 permits can never be granted under 2/s; expected 1 to 2; lower the cost or raise the rate",
        ),
        (
            lambda: SQLiteLimiter("limits.sqlite", "1/s", name="a b"),
            (
                "cannot share a limiter by the name 'a b'; expected up to 200 characters without spaces and braces; name "
                "what the quota belongs to, such as github.com"
            ),
        ),
        (
            lambda: SQLiteLimiter("limits.sqlite", "9/s burst 2"),
            (
                "9/s burst 2 cannot be shared by processes; expected hard windows like 10/s or 1000/day; leave out what "
                "comes after that, or keep to this rate in a RateLimiter of one process"
            ),
        ),
        (
            lambda: RedisLimiter("redis://localhost", "1/s", fallback_share=2),
            (
                "cannot make a limiter with fallback_share=2, timeout=0.5 and probe=1.0; expected a share above 0, at most 1 "
                "(or None for an error instead), and seconds above 0; leave them out for 0.5, 0.5 and 1"
            ),
        ),
    ],
)
def test_what_makes_no_sense(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert raised.value.message == message


def test_a_wait_that_is_too_long() -> None:
    error = QueueBounds.of(2.5, None).wait_too_long("10/s", 4 * SECOND, 3 * SECOND)
    assert error.message == (
        "a permit under 10/s takes a wait of 4s; expected at most 2.5s (max_wait); come back in 3s, or allow a longer wait"
    )
    assert error.retry_after == 3.0


def test_any_wait_where_none_is_allowed() -> None:
    error = QueueBounds.of(0, None).wait_too_long("10/s", SECOND, SECOND)
    assert error.message == (
        "a permit under 10/s takes a wait of 1s; expected at most 0s (max_wait); come back in 1s, or allow a longer wait"
    )


def test_a_queue_that_is_too_long() -> None:
    error = QueueBounds.of(None, 7).queue_too_long("10/s", 8, 3 * SECOND)
    assert error.message == (
        "8 calls wait for a permit under 10/s already; expected at most 7 (max_queue); come back in 3s, or allow a longer "
        "queue"
    )
    assert error.retry_after == 3.0


def refused_of_three(gate: SharedGate, clock: VirtualClock, backend: str) -> list[RateLimitError]:
    """Let three calls come at once, and give what they were told within twenty seconds."""
    told: list[RateLimitError] = []

    async def call() -> None:
        try:
            await gate.acquire(1)
        except RateLimitError as error:
            told.append(error)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await clock.sleep(20)
            tasks.cancel_scope.cancel()

    clock.run(main, backend=backend)
    return told


def test_who_comes_behind_one_that_waits_for_a_store_is_told_what_that_one_was(anyio_backend: str) -> None:
    clock = VirtualClock()
    told = refused_of_three(SharedGate(Shut(), settings(max_queue=1), clock), clock, anyio_backend)
    assert [(error.message, error.retry_after) for error in told] == [
        (
            (
                "1 calls wait for a permit under 2/s already; expected at most 1 (max_queue); come back in 3s, or allow a "
                "longer queue"
            ),
            3.0,
        )
    ] * 2


def test_who_has_waited_for_a_store_is_told_how_long_it_would_have_been(anyio_backend: str) -> None:
    """With up to a millisecond of waiting that is drawn at random."""
    clock = VirtualClock()
    told = refused_of_three(SharedGate(Shut(), settings(max_wait=5), clock), clock, anyio_backend)
    assert len(told) == 3
    for error in told:
        takes, _, rest = error.message.removeprefix("a permit under 2/s takes a wait of ").partition("s; ")
        assert float(takes) == pytest.approx(6, abs=0.002)
        assert rest == "expected at most 5s (max_wait); come back in 3s, or allow a longer wait"
        assert error.retry_after == 3.0


@pytest.mark.parametrize("bounds", [{"max_queue": 0}, {"max_wait": 0.01}])
def test_shared_limiters_have_bounds_of_waiting(bounds: dict[str, float], tmp_path: Path) -> None:
    """The first one is refused for the wait, another one behind it for the queue."""
    clock = VirtualClock()
    limiter = SQLiteLimiter(tmp_path / "limits.sqlite", "1/h", clock=clock, **bounds)  # type: ignore[arg-type]  # whole for max_queue

    async def main() -> None:
        assert await limiter.acquire() == 0.0
        with pytest.raises(RateLimitError, match=next(iter(bounds))):
            await limiter.acquire()

    clock.run(main)
    limiter.close()


def test_each_key_has_a_longest_wait() -> None:
    clock = VirtualClock()
    keyed = KeyedLimiter("1/10s", max_wait=4, clock=clock)

    async def main() -> None:
        assert await keyed.for_key("a").acquire() == 0.0
        with pytest.raises(RateLimitError) as raised:
            await keyed.for_key("a").acquire()
        assert raised.value.retry_after == 10.0

    clock.run(main)


class TestCountFile:
    def test_one_that_is_something_else(self, tmp_path: Path) -> None:
        path = tmp_path / "counts.json"
        path.write_text("[]")
        with pytest.raises(ConfigError) as raised:
            CountFile(path)
        assert raised.value.message == (
            f"{path} holds no permit counts; expected what a limiter has written there; give state= another path, or, if "
            "nothing was taken of the quota today, remove the file"
        )

    def test_one_that_another_limiter_has(self, tmp_path: Path) -> None:
        first = CountFile(tmp_path / "counts.json")
        with pytest.raises(ConfigError) as raised:
            CountFile(first.path)
        assert raised.value.message == (
            f"{first.path} is in use by another limiter, here or in another process; expected to be its only one, since "
            "two would count past each other; share the limiter, or give each its own path and a part of the quota"
        )
        (lock,) = tmp_path.iterdir()
        assert lock.name == "counts.json.lock"
        assert lock.stat().st_mode & 0o777 & ~0o666 == 0, "nobody runs it"

    def test_one_in_a_folder_that_there_is_not(self, tmp_path: Path) -> None:
        path = tmp_path / "none" / "counts.json"
        with pytest.raises(ConfigError) as raised:
            CountFile(path)
        assert raised.value.message == (
            f"cannot keep permit counts in {path}: No such file or directory; expected a file in a folder that can be "
            "written to; correct state=, or the permissions"
        )

    def test_one_that_cannot_be_written(self, tmp_path: Path) -> None:
        file = CountFile(tmp_path / "counts.json")
        (tmp_path / "counts.json.new").mkdir()
        with pytest.raises(ConnectorError) as raised:
            file.save()
        assert raised.value.message == (
            f"cannot store permit counts in {file.path}: Is a directory; expected to write it before a permit is used, so "
            "that none is granted; make room, or correct the permissions"
        )

    def test_what_is_stored_is_readable_text_in_the_form_it_names(self, tmp_path: Path) -> None:
        """A count of nothing is one, and a calendar may be named in any letters."""
        file = CountFile(tmp_path / "counts.json")
        file.counts("Überall").update({datetime(2024, 1, 1, tzinfo=UTC): 0})
        file.save()
        assert json.loads(file.path.read_bytes()) == {
            "format": "connector_kit permit counts 1",
            "counts": {"Überall": {"2024-01-01T00:00:00+00:00": 0}},
        }
        assert file.path.read_text().startswith('{\n  "format": ')
        file.close()
        assert CountFile(file.path).counts("Überall") == {datetime(2024, 1, 1, tzinfo=UTC): 0}
