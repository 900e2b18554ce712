"""The Redis server that keeps count: its client, its errors in the kit's terms, and nothing of its URL's secrets. Blocks."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    PermissionDeniedError,
)

from .redis_script import PAUSE, TAKE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .shared_terms import SharedTerms

__all__ = ["RedisStore"]

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


class RedisStore:
    """The permits that processes have taken under one name, in one hash of a Redis server, 5.0 or later.

    Raises `ConfigError` without the client library and for what is no URL of a Redis.
    """

    __slots__ = (
        "_answered",
        "_client",
        "_key",
        "_module",
        "_pause",
        "_take",
        "_terms",
        "_timeout",
        "address",
    )

    def __init__(self, url: str, terms: SharedTerms, timeout: float) -> None:
        self._module = _library()
        self._terms = terms
        self._timeout = timeout
        self._key = f"connector_kit:limiter:{terms.name}"
        self._answered = False
        self._client, self.address = _client(self._module, url, timeout)
        self._take = self._client.register_script(TAKE)
        self._pause = self._client.register_script(PAUSE)

    def take(self, cost: int) -> int:
        """Take `cost` permits if they are free and give 0, else the nanoseconds after which they may be.

        Raises `ConnectionFailedError` where Redis is out of reach, and a permanent error or `ConfigError` where it
        does not do what is asked.
        """
        arguments: list[int | str] = [cost, str(self._terms.rates)]
        for window in self._terms.windows:
            # A microsecond more: the server's clock shows whole ones.
            arguments += [window.limit, -(-window.ns // 1000) + 1, window.grain_ns // 1000]
        wait, rates = self._call(self._take, arguments)
        if wait < 0:
            raise ConfigError(
                f"the limiter {self._terms.name!r} in {self.address} is in use with {rates.decode()}; expected the same "
                f"rates from all who share it, not {self._terms.rates}; change them everywhere and wait until the old "
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
            raise self._said(error) from error
        self._answered = True
        return answer

    def _said(self, error: Exception) -> ConnectorError:
        """Say in the kit's terms what is the matter."""
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

    def _no_redis(self, said: str) -> ConfigError:
        return ConfigError(
            f"{self.address} is no Redis: it says {said[:80]!r}; expected Redis' protocol; correct the host and the port"
        )

    def _other_server(self) -> str | None:
        """Give what the server says to a ping, where that is no answer of a Redis.

        Many others hang up on a Redis client before it can read what they say.
        """
        place = self._client.connection_pool.connection_kwargs
        if "host" not in place or "rediss" in self.address:
            return None
        said = b""
        with (
            suppress(OSError),
            socket.create_connection((place["host"], place["port"]), self._timeout) as line,
        ):
            line.sendall(b"PING\r\n")
            said = line.recv(100)
        return None if said[:1] in b"+-" else said.decode("ascii", "replace").split("\n")[0].strip()


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
    """Make the client, and what it is shown as: the address without user, password and options."""
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
    place = client.connection_pool.connection_kwargs
    if "path" in place:
        return client, f"Redis at unix://{place['path']}"
    scheme = "rediss" if url.startswith("rediss:") else "redis"
    place.setdefault("host", "localhost")
    place.setdefault("port", 6379)
    return client, f"Redis at {scheme}://{place['host']}:{place['port']}/{place.get('db') or 0}"
