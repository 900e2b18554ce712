"""Connections for httpcore2, over anyio: on asyncio and trio, and with no more around each piece than is used.

Its own take a fifth of the time in which a page is read: a scope for a time limit that is not set, at most 64 KiB a
piece, and the socket looked up anew to see whether the server has hung up.
"""

from __future__ import annotations

import select
import ssl
import sys
from typing import TYPE_CHECKING, Any

import anyio
import httpcore2
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket

    from anyio.abc import ByteStream

__all__ = ["AnyioBackend"]

_READ_BYTES = 128 * 1024  # of larger pieces, malloc gives the memory back to the system each time


class AnyioBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - the pool is made without any
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, within `timeout` seconds."""
        try:
            with anyio.fail_after(timeout):
                stream = await anyio.connect_tcp(host, port, local_host=local_address)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except (OSError, anyio.BrokenResourceError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        return _AnyioStream(stream)


class _AnyioStream(httpcore2.AsyncNetworkStream):
    """A connection. How long reading and writing may take is for TimeLimited to say, so `timeout` is None there."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._socket: socket = stream.extra(SocketAttribute.raw_socket)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109 - as above
        """Return the bytes that have arrived, which may be more than `max_bytes`; none at the end."""
        try:
            return await self._stream.receive(max(max_bytes, _READ_BYTES))
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError) as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - as above
        """Send all of it."""
        try:
            await self._stream.send(buffer)
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
            ssl.SSLError,
        ) as error:
            raise httpcore2.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close it. Safe twice."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore2.AsyncNetworkStream:
        """Continue with TLS, established within `timeout` seconds."""
        try:
            with anyio.fail_after(timeout):
                stream = await TLSStream.wrap(
                    self._stream, ssl_context=ssl_context, hostname=server_hostname, standard_compatible=False
                )
        except TimeoutError as error:
            await anyio.aclose_forcefully(self._stream)
            raise httpcore2.ConnectTimeout(str(error)) from error
        except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError) as error:
            await anyio.aclose_forcefully(self._stream)
            raise httpcore2.ConnectError(str(error)) from error
        except BaseException:  # cancelled: nobody knows of the connection yet
            await anyio.aclose_forcefully(self._stream)
            raise
        return _AnyioStream(stream)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore2 asks for by these names; None for others."""
        match info:
            case "is_readable":
                return _is_readable(self._socket)
            case "ssl_object":
                return self._stream.extra(TLSAttribute.ssl_object, None)
            case "socket":
                return self._socket
            case _:
                return None


def _is_readable(connection: socket) -> bool:
    """Whether something is there to be read: on an idle connection, that it has ended."""
    if (number := connection.fileno()) < 0:
        return True
    if sys.platform == "win32":
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
