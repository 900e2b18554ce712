"""A limiter shared through Redis: a real server, whose clock is the machine's, and whose absence is real as well."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs
import pytest
from redis_server import RedisServer, free_port, running_redis

from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    PermissionDeniedError,
    RateLimitError,
)
from connector_kit.events import Event, LimiterDegraded, LimiterRestored, observing
from connector_kit.limiters.rates import Rates
from connector_kit.limiters.redis_limiter import RedisLimiter, RedisStore
from connector_kit.limiters.settings import LimiterSettings, SharedSettings
from connector_kit.limiters.shared_gate import Fallback
from connector_kit.limiters.windows import window_of
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000_000
KEY = "connector_kit:limiter:shop"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def url(server: RedisServer) -> str:
    with server.client() as client:
        client.flushall()
    return server.url


def settings(rates: str, name: str = "shop") -> SharedSettings:
    return SharedSettings.of(name, LimiterSettings.of(rates, max_wait=None, max_queue=None, state=None))


@contextmanager
def store(url: str, rates: str = "3/h", name: str = "shop") -> Iterator[RedisStore]:
    with closing(RedisStore(url, settings(rates, name), timeout=5)) as opened:
        yield opened


def stored(server: RedisServer) -> dict[str, str]:
    with server.client() as client:
        return {str(field): str(value) for field, value in client.hgetall(KEY).items()}


def age(server: RedisServer, seconds: int) -> None:
    """Let everything in the log be as old as if the clock had gone on, or back, by so much."""
    with server.client() as client:
        for field, value in stored(server).items():
            if ":" in field:
                ends, permits = value.split()
                client.hset(KEY, field, f"{int(ends) - seconds * 1_000_000} {permits}")
            elif field.startswith(("began", "paused")):
                client.hset(KEY, field, int(value) - seconds * 1_000_000)


class TestStore:
    def test_all_who_share_a_name_take_from_one_limit(self, url: str) -> None:
        with store(url) as one, store(url) as other, store(url, name="bank") as bank:
            assert one.take(2) == other.take(1) == 0
            assert 3590 * SECOND < one.take(1) <= 3601 * SECOND
            assert bank.take(3) == 0

    def test_permits_are_free_again_after_the_window_and_no_earlier(
        self, url: str, server: RedisServer
    ) -> None:
        with store(url) as shop:
            shop.take(2)
            age(server, 1800)
            shop.take(1)
            age(server, 1790)
            assert 0 < shop.take(2) <= 11 * SECOND
            age(server, 11)
            assert 1700 * SECOND < shop.take(3) < 1800 * SECOND
            assert shop.take(2) == 0

    def test_several_rates_hold_at_once_and_all_or_none_give(self, url: str, server: RedisServer) -> None:
        with store(url, "2/h, 3/day") as shop:
            assert shop.take(2) == 0
            assert 3590 * SECOND < shop.take(1) < 3601 * SECOND
            age(server, 3601)
            assert shop.take(2) > 80_000 * SECOND
            assert shop.take(1) == 0

    def test_a_clock_that_is_set_back_forgets_nothing_and_holds_back_no_longer_than_a_window(
        self, url: str, server: RedisServer
    ) -> None:
        with store(url) as shop:
            shop.take(1)
            shop.take(2)
            age(server, -100_000)
            assert 3590 * SECOND < shop.take(3) < 3601 * SECOND
            shop.pause(7000 * SECOND)
            age(server, -50_000)
            assert 6990 * SECOND < shop.take(1) <= 7000 * SECOND

    def test_a_shorter_pause_does_not_end_a_longer_one(self, url: str) -> None:
        with store(url) as shop:
            shop.pause(7200 * SECOND)
            shop.pause(SECOND)
            assert 7190 * SECOND < shop.take(1) <= 7200 * SECOND

    def test_memory_is_bounded_and_given_back(self, url: str, server: RedisServer) -> None:
        with store(url, "20000/h") as shop, server.client() as client:
            for _ in range(500):
                assert shop.take(10) == 0
            assert client.hlen(KEY) < 20, "grants within a thousandth of the window share an entry"
            assert 3_500_000 < client.pttl(KEY) <= 3_600_002
            shop.pause(7200 * SECOND)
            assert client.pttl(KEY) > 7_100_000

    def test_what_is_over_is_removed(self, url: str, server: RedisServer) -> None:
        with store(url) as shop, server.client() as client:
            for _ in range(20):
                assert shop.take(3) == 0
                age(server, 3601)
            assert client.hlen(KEY) == len(("first1", "after1", "used1", "began1", "rates", "an entry"))

    def test_other_rates_are_refused(self, url: str) -> None:
        with store(url) as shop, store(url, "5/s") as other:
            shop.take(1)
            with pytest.raises(
                ConfigError, match=r"'shop' in Redis at redis://127.* is in use with 3/h; expected"
            ):
                other.take(1)

    def test_a_key_of_something_else_is_refused(self, url: str, server: RedisServer) -> None:
        with server.client() as client:
            client.set(KEY, "mine")
        with (
            store(url) as shop,
            pytest.raises(ConfigError, match=r"WRONGTYPE.*with nothing else in the key connector"),
        ):
            shop.take(1)


class TestServers:
    """Who answers, and who does not."""

    def test_credentials_are_checked_and_not_shown(self, tmp_path: Path) -> None:
        with running_redis(tmp_path, "--requirepass", "s3cret") as server:
            good = server.url.replace("//", "//:s3cret@")
            bad = server.url.replace("//", "//:hunter2@")
            with store(good) as shop:
                assert shop.take(1) == 0
                assert "s3cret" not in repr(shop.address)
            for url in (bad, server.url):
                with (
                    store(url) as shop,
                    pytest.raises(AuthenticationError, match="refuses the credentials") as caught,
                ):
                    shop.take(1)
                assert "hunter2" not in str(caught.value)

    def test_a_user_who_may_not_run_scripts_is_told(self, url: str, server: RedisServer) -> None:
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "+ping")
        with (
            store(url.replace("//", "//guest:pw@")) as shop,
            pytest.raises(PermissionDeniedError, match=r"does not allow what a limiter does.*extend its ACL"),
        ):
            shop.take(1)

    @pytest.mark.parametrize(
        ("says", "message"),
        [
            (b"SSH-2.0-OpenSSH_9.6\r\n", "is no Redis: it says .*SSH-2.0"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", r"is no Redis: it says .*HTTP/1\.1 400"),
        ],
    )
    @pytest.mark.parametrize("patient", [True, False])
    def test_a_server_of_something_else_is_named(self, says: bytes, message: str, *, patient: bool) -> None:
        with (
            other_server(says, patient=patient) as port,
            store(f"redis://127.0.0.1:{port}") as shop,
            pytest.raises(ConfigError, match=message),
        ):
            shop.take(1)

    def test_a_call_that_breaks_is_not_made_again(self) -> None:
        """It may have taken a permit."""
        calls: list[bytes] = []

        def serve(listening: socket.socket) -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    calls.append(line.recv(10_000))

        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = threading.Thread(target=serve, args=(listening,))
            server.start()
            with (
                store(f"redis://127.0.0.1:{listening.getsockname()[1]}") as shop,
                pytest.raises(ConnectionFailedError),
            ):
                shop.take(1)
            listening.shutdown(socket.SHUT_RDWR)
            server.join()
        assert len([call for call in calls if call.startswith(b"*")]) == 1

    def test_a_server_that_is_busy_is_out_of_reach_for_now(self, tmp_path: Path) -> None:
        with (
            running_redis(tmp_path, "--replicaof", "127.0.0.1", str(free_port())) as replica,
            store(replica.url) as shop,
            pytest.raises(ConnectionFailedError, match=r"is out of reach: .*READONLY"),
        ):
            shop.take(1)

    def test_no_server_is_out_of_reach(self) -> None:
        with (
            store(f"redis://127.0.0.1:{free_port()}") as shop,
            pytest.raises(
                ConnectionFailedError, match=r"is out of reach: .*refused.*; see that the server runs"
            ),
        ):
            shop.take(1)

    def test_a_socket_is_a_place_as_well(self, tmp_path: Path) -> None:
        with store(f"unix://{tmp_path}/none.sock?db=2") as shop:
            assert shop.address == f"Redis at unix://{tmp_path}/none.sock"
            with pytest.raises(ConnectionFailedError):
                shop.take(1)

    @pytest.mark.parametrize(
        "url",
        [
            "localhost:6379",
            "http://me:hunter2@localhost",
            "redis://:hunter2/x@localhost",
            "redis://:hunter2@localhost?colour=blue",
            "redis://:hunter2@localhost?db=two",
        ],
    )
    def test_a_wrong_url_is_refused_and_not_shown(self, url: str) -> None:
        with pytest.raises(ConfigError, match="cannot make a limiter of this URL") as caught:
            RedisLimiter(url, "1/s")
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_what_is_said_of_a_wrong_url(self) -> None:
        with pytest.raises(ConfigError) as raised:
            RedisLimiter("localhost:6379", "1/s")
        assert raised.value.message == (
            "cannot make a limiter of this URL (not shown: it may hold a password); expected a URL like "
            '"redis://user:password@redis.example.com:6379/0" (or rediss:// with TLS, or unix:///path/of/socket); write '
            "signs like /, @ and # in a password as %2F, %40 and %23"
        )

    def test_what_is_said_of_a_server_that_is_out_of_reach(self) -> None:
        port = free_port()
        with store(f"redis://127.0.0.1:{port}") as shop, pytest.raises(ConnectionFailedError) as raised:
            shop.take(1)
        assert raised.value.message.startswith(f"Redis at redis://127.0.0.1:{port}/0 is out of reach: ")
        assert raised.value.message.endswith(
            "; expected an answer within 5 s; see that the server runs and that the address is right"
        )

    def test_what_is_said_of_a_server_of_something_else(self) -> None:
        with (
            other_server(b"SSH-2.0-OpenSSH_9.6\r\nand more", patient=False) as port,
            store(f"redis://127.0.0.1:{port}") as shop,
            pytest.raises(ConfigError) as raised,
        ):
            shop.take(1)
        assert raised.value.message == (
            f"Redis at redis://127.0.0.1:{port}/0 is no Redis: it says 'SSH-2.0-OpenSSH_9.6'; expected Redis' protocol; "
            "correct the host and the port"
        )

    def test_what_is_said_of_other_rates_and_of_another_key(self, url: str, server: RedisServer) -> None:
        with store(url) as shop, store(url, "5/s") as other:
            shop.take(1)
            with pytest.raises(ConfigError) as raised:
                other.take(1)
            assert raised.value.message == (
                f"the limiter 'shop' in {shop.address} is in use with 3/h; expected the same rates from all who share it, "
                "not 5/s; change them everywhere and wait until the old windows are over, or take another name"
            )
            with server.client() as client:
                client.delete(KEY)
                client.set(KEY, "mine")
            with pytest.raises(ConfigError) as raised:
                shop.take(1)
        assert raised.value.message.startswith(f"{shop.address} refuses what a limiter asks for: ")
        assert raised.value.message.endswith(
            "; expected a Redis of version 5.0 or later with nothing else in the key connector_kit:limiter:shop; correct "
            "the URL, or the limiter's name"
        )

    def test_is_shown_without_secrets(self) -> None:
        limiter = RedisLimiter("rediss://me:hunter2@redis.example.com/3", "1/s", name="shop")
        assert (
            repr(limiter) == "RedisLimiter('Redis at rediss://redis.example.com:6379/3', '1/s', name='shop')"
        )

    def test_is_shown_with_the_place_where_it_looks_when_none_is_given(self) -> None:
        with store("redis://", "1/s") as shop:
            assert shop.address == "Redis at redis://localhost:6379/0"

    def test_without_the_client_library_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "redis", None)
        with pytest.raises(ConfigError, match=r"run pip install 'connector-kit\[redis\]'"):
            RedisLimiter("redis://localhost", "1/s")


@contextmanager
def other_server(says: bytes, *, patient: bool) -> Iterator[int]:
    """Listen on a port; say the same to everybody, who is patient after reading and otherwise before."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    if patient:
                        line.recv(10_000)
                        line.sendall(says)
                    elif line.recv(1) != b"*":  # a Redis client is hung up on, with what it has sent unread
                        line.sendall(says)

        server = threading.Thread(target=serve)
        server.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        server.join()


@attrs.define
class Distant:
    """A store that is out of reach as long as `gone` says so, for `delay` seconds of the clock each time."""

    clock: VirtualClock
    gone: bool = False
    delay: float = 0.0
    asked: int = 0

    def take(self, cost: int, /) -> int:
        self.asked += 1
        self.clock.advance(self.delay)
        if self.gone:
            raise ConnectionFailedError("no answer")
        return 0

    def pause(self, ns: int, /) -> None:
        raise AssertionError(ns)


@attrs.define
class Notes:
    events: list[Event] = attrs.field(factory=list)

    def observe(self, event: Event, /) -> None:
        self.events.append(event)


class TestFallback:
    def test_keeps_to_its_share_until_the_store_is_back(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        clock.advance(7.0)  # no moment that matters is zero
        distant = Distant(clock, gone=True)
        fallback = Fallback(distant, window_of(Rates.parse("2/10s"), clock), SECOND, clock)
        notes = Notes()

        async def main() -> None:
            assert [await fallback.ask(1), await fallback.ask(1)] == [0, 0]
            assert fallback.degraded
            assert await fallback.ask(1) == SECOND, "then the store is tried again"
            assert distant.asked == 1
            clock.advance(1.0)
            assert await fallback.ask(1) == SECOND
            clock.advance(8.5)
            assert await fallback.ask(1) == SECOND // 2, "then the first permit is free again"
            assert await fallback.ask(3) == SECOND, "never here: it waits for the store"
            distant.gone = False
            clock.advance(1.0)
            assert await fallback.ask(3) == 0
            assert not fallback.degraded

        with observing(notes):
            clock.run(main, backend=anyio_backend)
        assert notes.events == [LimiterDegraded("no answer"), LimiterRestored(10.5)]

    def test_who_has_just_had_its_share_there_does_not_get_it_here_again(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        distant = Distant(clock)
        fallback = Fallback(distant, window_of(Rates.parse("2/10s"), clock), 20 * SECOND, clock)

        async def main() -> None:
            for _ in range(3):
                assert await fallback.ask(1) == 0
            distant.gone = True
            assert await fallback.ask(1) == 10 * SECOND

        clock.run(main, backend=anyio_backend)

    def test_a_try_that_takes_long_is_rare(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        distant = Distant(clock, gone=True, delay=0.5)
        fallback = Fallback(distant, window_of(Rates.parse("1/day"), clock), SECOND, clock)

        async def main() -> None:
            assert await fallback.ask(1) == 0
            assert await fallback.ask(1) == 5 * SECOND

        clock.run(main, backend=anyio_backend)

    def test_without_a_share_the_error_is_raised(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        fallback = Fallback(Distant(clock, gone=True), None, SECOND, clock)
        with pytest.raises(ConnectionFailedError, match="no answer"):
            clock.run(fallback.ask, 1, backend=anyio_backend)
        assert not fallback.degraded

    @pytest.mark.parametrize(
        ("rates", "share", "expected"),
        [
            ("10/s", 0.5, "5/s"),
            ("10/s, 1000/day", 0.25, "2/s, 250/day"),
            ("1/s", 0.25, "1/4s"),
            ("3/s", 1, "3/s"),
        ],
    )
    def test_a_share_is_fewer_permits_or_a_longer_window(
        self, rates: str, share: float, expected: str
    ) -> None:
        assert str(settings(rates).share(share)) == expected


class TestLimiter:
    @pytest.mark.parametrize(
        ("share", "timeout", "probe"),
        [(0.0, 1.0, 1.0), (1.5, 1.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, float("inf"))],
    )
    def test_settings_that_make_no_sense_are_refused(
        self, share: float, timeout: float, probe: float
    ) -> None:
        with pytest.raises(ConfigError, match="expected a share above 0, at most 1"):
            RedisLimiter("redis://localhost", "1/s", fallback_share=share, timeout=timeout, probe=probe)

    def test_its_queue_has_a_bound(self) -> None:
        with pytest.raises(ConfigError, match="max_queue=-1"):
            RedisLimiter("redis://localhost", "1/s", max_queue=-1)

    def test_a_probe_in_no_time_is_refused_and_a_whole_share_is_not(self) -> None:
        with pytest.raises(ConfigError, match=r"probe=0\.0"):
            RedisLimiter("redis://localhost", "1/s", probe=0.0)
        assert RedisLimiter("redis://localhost", "1/s", fallback_share=1).rates == Rates.parse("1/s")

    @pytest.mark.anyio
    async def test_by_default_a_call_costs_one_permit(self, url: str) -> None:
        with closing(RedisLimiter(url, "2/h")) as limiter:
            assert await limiter.acquire() == 0.0
            assert await limiter.try_acquire()
            assert not await limiter.try_acquire()

    @pytest.mark.anyio
    async def test_two_share_permits_and_pauses(self, url: str) -> None:
        one, other = (RedisLimiter(url, "3/h", max_wait=1, timeout=5) for _ in range(2))
        assert await one.acquire(2) == 0.0
        assert await other.try_acquire()
        assert not await one.try_acquire()
        with pytest.raises(RateLimitError) as full:
            await one.acquire()
        assert one.waiting == 0
        assert 3590 < (full.value.retry_after or 0) < 3601
        one.hear(Quota(remaining=0, reset_after=7200.0))
        one.close()
        with pytest.raises(RateLimitError) as paused:
            await other.acquire()
        assert (paused.value.retry_after or 0) > 7190
        other.close()

    @pytest.mark.anyio
    async def test_falls_back_and_returns(self, tmp_path: Path) -> None:
        """With a server that comes up later, on a port where nobody was."""
        server = RedisServer(tmp_path)
        limiter = RedisLimiter(server.url, "4/h", fallback_share=0.5, timeout=5, probe=0.001)
        notes = Notes()
        with observing(notes), closing(limiter):
            assert await limiter.try_acquire(2)
            assert limiter.degraded
            assert not await limiter.try_acquire()
            with closing(server):
                await anyio.to_thread.run_sync(server.start)
                await limiter.acquire(4)
            assert [type(event) for event in notes.events] == [LimiterDegraded, LimiterRestored]
