"""The limiter that machines share through a Redis server: the limiter, the server, and the scripts that run there."""

from __future__ import annotations

import math
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    PermissionDeniedError,
)

from .settings import LimiterSettings, SharedSettings
from .shared_gate import Fallback, SharedGate
from .windows import window_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import ModuleType

    from connector_kit.records.page import Quota

    from .rates import RatesLike

__all__ = ["RedisLimiter", "RedisStore"]

_PASSING = (
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
)
"""What a Redis says that cannot serve this now and may be able to later."""

_URL = 'a URL like "redis://user:password@redis.example.com:6379/0" (or rediss:// with TLS, or unix:///path/of/socket)'

# What runs inside of Redis: `windows.SlidingLog` for several windows in one hash, and a pause. Each call is one step.
#
# Moments are microseconds of the server's clock and never leave it: what is returned are durations. Numbers are doubles
# in Lua, exact up to the year 2255. The clock may be set back, and then an entry may end later than one made now would:
# it is counted as made now, so that nothing is forgotten too early and nothing is held back for longer than a window.

_CLOCK = """
local key = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function get(field)
  return tonumber(redis.call('HGET', key, field) or nil)
end

local function set(field, value)
  redis.call('HSET', key, field, string.format('%.0f', value))
end

local function pause_left()
  local from, till = get('paused_from'), get('paused_until')
  if not till then return 0 end
  if from > now then  -- the clock was set back
    till = now + till - from
    set('paused_from', now)
    set('paused_until', till)
  end
  return math.max(0, till - now)
end

local function keep(microseconds)
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(microseconds / 1000) + 1))
end
"""

_TAKE = (
    _CLOCK
    + """
local cost, rates, longest = tonumber(ARGV[1]), ARGV[2], 0
local known = redis.call('HGET', key, 'rates')
if known and known ~= rates then return {-1, known} end

local function entry(window, place)
  local ends, permits = string.match(redis.call('HGET', key, window .. ':' .. place), '(%d+) (%d+)')
  return tonumber(ends), tonumber(permits)
end

local function put(window, place, ends, permits)
  redis.call('HSET', key, window .. ':' .. place, string.format('%.0f %.0f', ends, permits))
end

local wait, windows = pause_left(), {}
for n = 1, (#ARGV - 2) / 3 do
  local limit, length, grain = tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1]), tonumber(ARGV[3 * n + 2])
  local first, after, used = get('first' .. n) or 0, get('after' .. n) or 0, get('used' .. n) or 0
  local latest = now + length
  for place = after - 1, first, -1 do
    local ends, permits = entry(n, place)
    if ends <= latest then break end
    put(n, place, latest, permits)  -- the clock was set back
  end
  local missing, ready = used + cost - limit, now
  for place = first, after - 1 do
    local ends, permits = entry(n, place)
    if ends <= now then
      redis.call('HDEL', key, n .. ':' .. place)
      first, used = place + 1, used - permits
    elseif missing > 0 then
      ready = ends
    else
      break
    end
    missing = missing - permits
  end
  set('first' .. n, first)
  set('used' .. n, used)
  wait, longest = math.max(wait, ready - now), math.max(longest, length)
  windows[n] = {length = length, grain = grain, first = first, after = after, used = used}
end

if wait == 0 then
  for n, window in ipairs(windows) do
    local ends = now + window.length
    if window.after > window.first and now - get('began' .. n) <= window.grain then
      local _, permits = entry(n, window.after - 1)
      put(n, window.after - 1, ends, permits + cost)  -- counts from its last grant: late, never early
    else
      put(n, window.after, ends, cost)
      set('after' .. n, window.after + 1)
      set('began' .. n, now)
    end
    set('used' .. n, window.used + cost)
  end
end
redis.call('HSET', key, 'rates', rates)
keep(math.max(longest, wait))
return {wait, rates}
"""
)
"""Take permits: the key; cost, rates as text, then for each window its limit, its length and its grain in microseconds.

Returns 0, or the microseconds after which they may be free, or -1 and the other rates that the key is in use with.
"""

_PAUSE = (
    _CLOCK
    + """
local pause = tonumber(ARGV[1])
if pause_left() < pause then
  set('paused_from', now)
  set('paused_until', now + pause)
end
keep(math.max(pause, redis.call('PTTL', key) * 1000))
return 0
"""
)
"""Let nobody have a permit: the key; for how many microseconds."""


class RedisLimiter:
    """Grants permits under rates that hold for all processes which name the same Redis and the same `name`.

    A permit is one call of a script, in a worker thread and by the server's clock. Within a process the order is that
    of a `RateLimiter`; between processes there is none, but none is left out for long. A process that is killed takes
    with it no more than the permits it had, until their window is over. All must name the same `rates`: hard windows,
    such as "10/s, 10000/day".

    When Redis is out of reach (no answer within `timeout` seconds counts), each process keeps to `fallback_share` of
    the rates on its own and tries Redis again every `probe` seconds; events tell (`LimiterDegraded`,
    `LimiterRestored`). The share should be one by the number of processes. With `None`, `ConnectionFailedError` is
    raised instead.

    `max_wait` (seconds) and `max_queue` (calls of this process) bound the waiting, as for a `RateLimiter`; what other
    processes take meanwhile is not foreseen. An instance belongs to one event loop at a time.

    Raises `ConfigError` for rates, bounds and URLs that make no sense, and without the extra `redis`; warns
    (`DeadRateWarning`) of a rate that another one makes superfluous. Connects with the first permit.
    """

    __slots__ = ("_fallback", "_gate", "_store", "name", "rates")

    def __init__(  # noqa: PLR0913 - all but two have defaults and are named
        self,
        url: str,
        rates: RatesLike,
        *,
        name: str = "default",
        max_wait: float | None = None,
        max_queue: int | None = None,
        fallback_share: float | None = 0.5,
        timeout: float = 0.5,
        probe: float = 1.0,
        clock: Clock = AnyioClock(),
    ) -> None:
        share = fallback_share
        if (
            (share is not None and not 0 < share <= 1)
            or not 0 < timeout < math.inf
            or not 0 < probe < math.inf
        ):
            raise ConfigError(
                f"cannot make a limiter with fallback_share={share!r}, timeout={timeout!r} and probe={probe!r}; expected "
                "a share above 0, at most 1 (or None for an error instead), and seconds above 0; leave them out for 0.5, "
                "0.5 and 1"
            )
        settings = SharedSettings.of(
            name, LimiterSettings.of(rates, max_wait=max_wait, max_queue=max_queue, state=None)
        )
        self.name = name
        self.rates = settings.rates
        self._store = RedisStore(url, settings, timeout)
        window = None if share is None else window_of(settings.share(share), clock)
        self._fallback = Fallback(self._store, window, Duration(probe).ns, clock)
        self._gate = SharedGate(self._fallback, settings, clock)

    def __repr__(self) -> str:
        return f"RedisLimiter({self._store.address!r}, {str(self.rates)!r}, name={self.name!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue of this process."""
        return self._gate.waiting

    @property
    def degraded(self) -> bool:
        """Whether Redis was out of reach when it was last tried, so that a share of the rates holds here."""
        return self._fallback.degraded

    def acquire(self, cost: int = 1) -> Coroutine[Any, Any, float]:
        """Wait for `cost` permits, take them, and return the seconds waited (0.0 where they were free).

        Raises `ConfigError` for a cost below 1 or above the smallest limit, where others keep to other rates, and where
        the server is no Redis; `RateLimitError` with `retry_after` where `max_wait` or `max_queue` does not allow the
        wait; `AuthenticationError` and `PermissionDeniedError` where Redis refuses. Cancelled, it takes nothing and the
        next one moves up; within `timeout`, if Redis is being asked.
        """
        return self._gate.acquire(cost)

    def try_acquire(self, cost: int = 1) -> Coroutine[Any, Any, bool]:
        """Take `cost` permits if they are free now and nobody waits in this process. Raises as `acquire` does."""
        return self._gate.try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note that the other side has no calls left: no process gets a permit before they are renewed.

        Here that holds at once, for the others a moment later. Anything else in `quota` changes nothing.
        """
        self._gate.hear(quota)

    def close(self) -> None:
        """Let go of the connections, once the others are told of every pause. Safe twice; a later permit connects again."""
        self._gate.close()
        self._store.close()


class RedisStore:
    """The permits that processes have taken under one name, in one hash of a Redis server, 5.0 or later. Blocks.

    Errors are in the kit's terms and show nothing of the URL's secrets.

    Raises `ConfigError` without the client library and for what is no URL of a Redis.
    """

    __slots__ = (
        "_answered",
        "_client",
        "_key",
        "_module",
        "_pause",
        "_settings",
        "_take",
        "_timeout",
        "address",
    )

    def __init__(self, url: str, settings: SharedSettings, timeout: float) -> None:
        self._module = _library()
        self._settings = settings
        self._timeout = timeout
        self._key = f"connector_kit:limiter:{settings.name}"
        self._answered = False
        self._client, self.address = _client(self._module, url, timeout)
        self._take = self._client.register_script(_TAKE)
        self._pause = self._client.register_script(_PAUSE)

    def take(self, cost: int) -> int:
        """Take `cost` permits if they are free and return 0, else the nanoseconds after which they may be.

        Raises `ConnectionFailedError` where Redis is out of reach, and a permanent error or `ConfigError` where it
        does not do what is asked.
        """
        arguments: list[int | str] = [cost, str(self._settings.rates)]
        for window in self._settings.windows:
            # A microsecond more: the server's clock shows whole ones.
            arguments += [window.limit, -(-window.ns // 1000) + 1, window.grain_ns // 1000]
        wait, rates = self._call(self._take, arguments)
        if wait < 0:
            raise ConfigError(
                f"the limiter {self._settings.name!r} in {self.address} is in use with {rates.decode()}; expected the same "
                f"rates from all who share it, not {self._settings.rates}; change them everywhere and wait until the old "
                "windows are over, or take another name"
            )
        return int(wait) * 1000

    def pause(self, ns: int) -> None:
        """Let nobody have a permit for so long. Raises as `take` does."""
        self._call(self._pause, [-(-ns // 1000)])

    def close(self) -> None:
        """Let go of the connections. Safe twice; a later call makes new ones."""
        self._client.close()

    def _call(self, script: Callable[..., Any], arguments: list[Any]) -> Any:
        try:
            answer = script(keys=[self._key], args=arguments)
        except self._module.RedisError as error:
            raise self._translated(error) from error
        self._answered = True
        return answer

    def _translated(self, error: Exception) -> ConnectorError:
        """Return the kit's error for one of the client."""
        redis = self._module
        if isinstance(error, redis.AuthenticationError):
            return AuthenticationError(
                f"{self.address} refuses the credentials: {error}; expected those of a user that may run scripts; "
                "correct the user and the password in the limiter's URL"
            )
        if isinstance(error, redis.exceptions.NoPermissionError):
            return PermissionDeniedError(
                f"{self.address} does not allow what a limiter does: {error}; expected a user with "
                f"~connector_kit:limiter:* +eval +evalsha +script and the commands on hashes; extend its ACL"
            )
        if isinstance(error, redis.InvalidResponse):
            return self._no_redis(str(error))
        if isinstance(error, redis.ResponseError) and not any(word in str(error) for word in _PASSING):
            return ConfigError(
                f"{self.address} refuses what a limiter asks for: {error}; expected a Redis of version 5.0 or later with "
                f"nothing else in the key {self._key}; correct the URL, or the limiter's name"
            )
        if not self._answered and isinstance(error, redis.ConnectionError):
            other = self._other_server()
            if other is not None:
                return self._no_redis(other)
        return ConnectionFailedError(
            f"{self.address} is out of reach: {error}; expected an answer within {self._timeout:g} s; see that the "
            "server runs and that the address is right"
        )

    def _no_redis(self, answer: str) -> ConfigError:
        return ConfigError(
            f"{self.address} is no Redis: it says {answer[:80]!r}; expected Redis' protocol; correct the host and the port"
        )

    def _other_server(self) -> str | None:
        """Return what the server says to a ping, where that is no answer of a Redis.

        Many others hang up on a Redis client before it can read what they say.
        """
        address = self._client.connection_pool.connection_kwargs
        if "host" not in address or "rediss" in self.address:
            return None
        answer = b""
        with (
            suppress(OSError),
            socket.create_connection((address["host"], address["port"]), self._timeout) as line,
        ):
            line.sendall(b"PING\r\n")
            answer = line.recv(100)
        return None if answer[:1] in b"+-" else answer.decode("ascii", "replace").split("\n")[0].strip()


def _library() -> ModuleType:
    try:
        import redis  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "a RedisLimiter needs the redis package, which is not installed; expected the extra 'redis'; run "
            "pip install 'connector-kit[redis]'"
        ) from error
    return redis


def _client(module: Any, url: str, timeout: float) -> tuple[Any, str]:
    """Return the client, and the address that is shown: without user, password and options."""
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra
    from redis.retry import Retry  # noqa: PLC0415 - an extra

    try:
        client = module.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,
            # A call that may have been carried out is not made again: it would take a second permit.
            retry=Retry(NoBackoff(), 0),
        )
        client.connection_pool.make_connection()  # connects nowhere; refuses options that there are not
    except (ValueError, TypeError, AttributeError):
        # Neither the URL nor what the library says of it is shown: both may hold a part of the password.
        raise ConfigError(
            f"cannot make a limiter of this URL (not shown: it may hold a password); expected {_URL}; write signs like "
            "/, @ and # in a password as %2F, %40 and %23"
        ) from None
    address = client.connection_pool.connection_kwargs
    if "path" in address:
        return client, f"Redis at unix://{address['path']}"
    scheme = "rediss" if url.startswith("rediss:") else "redis"
    address.setdefault("host", "localhost")
    address.setdefault("port", 6379)
    return client, f"Redis at {scheme}://{address['host']}:{address['port']}/{address.get('db') or 0}"
