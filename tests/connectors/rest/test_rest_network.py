"""What the pool of connections learns of one: that it has ended, that it broke, that nobody could speak on it."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpcore2
import pytest
from anyio import to_thread
from rest_server import PATIENCE

from connector_kit.connectors.rest.network import AnyioBackend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@asynccontextmanager
async def connection() -> AsyncGenerator[tuple[httpcore2.AsyncNetworkStream, socket.socket]]:
    """Give our end of a connection and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = await AnyioBackend().connect_tcp(*listener.getsockname())
        theirs, _ = await to_thread.run_sync(listener.accept)
        with theirs:
            theirs.settimeout(PATIENCE)
            yield ours, theirs
        await ours.aclose()


def reset(theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()


@pytest.mark.anyio
async def test_an_idle_connection_has_something_to_read_once_the_server_hangs_up() -> None:
    async with connection() as (ours, theirs):
        assert ours.get_extra_info("is_readable") is False
        theirs.close()
        assert await ours.read(1) == b""
        assert ours.get_extra_info("is_readable") is True


@pytest.mark.anyio
async def test_a_connection_that_was_closed_is_not_taken_for_an_idle_one() -> None:
    async with connection() as (ours, _):
        await ours.aclose()
        assert ours.get_extra_info("is_readable") is True


@pytest.mark.anyio
async def test_a_connection_that_breaks_is_told_in_the_words_of_the_pool() -> None:
    async with connection() as (ours, theirs):
        reset(theirs)
        with pytest.raises(httpcore2.ReadError):
            await ours.read(1)
        with pytest.raises(httpcore2.WriteError):
            await ours.write(b"x")
        await ours.aclose()
        with pytest.raises(httpcore2.ReadError):
            await ours.read(1)
        with pytest.raises(httpcore2.WriteError):
            await ours.write(b"x")


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_server_that_speaks_no_tls_is_let_go_of(answer: bytes) -> None:
    """Whether it hangs up or says something else."""
    async with connection() as (ours, theirs):
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(httpcore2.ConnectError):
            await ours.start_tls(ssl.create_default_context(), "127.0.0.1")
        assert ours.get_extra_info("socket").fileno() == -1


@pytest.mark.anyio
async def test_a_handshake_that_is_cancelled_leaves_no_connection_open() -> None:
    async with connection() as (ours, _):
        with anyio.move_on_after(0) as scope:
            await ours.start_tls(ssl.create_default_context(), "127.0.0.1")
        assert scope.cancelled_caught
        assert ours.get_extra_info("socket").fileno() == -1


@pytest.mark.anyio
async def test_a_server_that_does_not_answer_in_tls_is_let_go_of_in_time() -> None:
    async with connection() as (ours, _):
        with anyio.fail_after(PATIENCE), pytest.raises(httpcore2.ConnectTimeout):
            await ours.start_tls(ssl.create_default_context(), "127.0.0.1", timeout=0)
        assert ours.get_extra_info("socket").fileno() == -1
