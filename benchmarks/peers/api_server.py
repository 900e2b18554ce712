"""A paginated JSON API in a process of its own, fast enough that no client waits for it, and faulty on request.

    python benchmarks/peers/api_server.py --records 200000 --page-size 1000

prints the port once it listens. A read's requests are `GET /read/PID/FAULT/records?cursor=page-7`: PID is the process that
reads, FAULT one of `faults.KINDS` or `none`. `GET /started/PID` tells when the first of them came, on the clock that all
processes share, and what processor time the reading process had taken by then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import time
from typing import cast
from urllib.parse import parse_qs, urlsplit

from faults import NONE, Schedule
from served_records import bodies, page_of

STALL = 120.0
"""Seconds after which a stalled answer's connection is closed."""
SEND_BUFFER = 4 * 1024 * 1024
"""Bytes the system takes at once, so that a body is rarely copied here."""
END_OF_HEAD = b"\r\n\r\n"


def processor_time(process: int) -> float:
    """Give the processor seconds that another process has taken, by its clock (see clock_getcpuclockid(3)); Linux."""
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:  # no such process: somebody looks at the API by hand
        return 0.0


def answer(status: str, body: bytes, headers: str = "") -> bytes:
    """Give an answer as it is sent."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


class Read:
    """One process's read: when it began, and what is still to go wrong."""

    def __init__(self, process: int, fault: str, pages: int) -> None:
        self.started = {"at": time.monotonic(), "cpu": processor_time(process)}
        self.fault = fault
        self.schedule = Schedule(fault, pages)


class Api:
    """The prebuilt answers, and the reads that are under way."""

    def __init__(self, pages: list[bytes]) -> None:
        self.pages = [answer("200 OK", page) for page in pages]
        self.reads: dict[str, Read] = {}

    def read(self, process: str, fault: str) -> Read:
        """Give a process's read, which begins with its first request."""
        if process not in self.reads:
            self.reads[process] = Read(int(process), fault, len(self.pages))
        return self.reads[process]


class Connection(asyncio.Protocol):
    """Answers the requests of one connection, one after the other."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self.transport = cast("asyncio.Transport", transport)  # a TCP server is given nothing else
        self.socket: socket.socket = transport.get_extra_info("socket")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.received += data
        while END_OF_HEAD in self.received:
            head, _, self.received = self.received.partition(END_OF_HEAD)
            self.respond(head.split(b" ", 2)[1].decode())

    def respond(self, target: str) -> None:
        """Answer one request."""
        url = urlsplit(target)
        match url.path.strip("/").split("/"):
            case ["started", process] if process in self.api.reads:
                self.transport.write(
                    answer("200 OK", json.dumps(self.api.reads.pop(process).started).encode())
                )
            case ["read", process, fault, _]:
                read = self.api.read(process, fault)
                page = page_of(parse_qs(url.query).get("cursor", ["page-0"])[0])
                if read.fault != NONE and read.schedule.fails(page):
                    self.fail(read.fault, self.api.pages[page])
                else:
                    self.transport.write(self.api.pages[page])
            case _:
                self.transport.write(answer("404 Not Found", b"{}"))

    def fail(self, fault: str, page: bytes) -> None:
        """Do what is to go wrong instead of sending the page."""
        match fault:
            case "429":
                self.transport.write(answer("429 Too Many Requests", b"{}", "Retry-After: 1\r\n"))
            case "503":
                self.transport.write(answer("503 Service Unavailable", b"{}"))
            case "cut":
                self.transport.write(page[: len(page) // 2])
                self.transport.close()
            case "reset":
                # a close that leaves nothing to be sent lingering is a reset
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
            case "stall":
                self.transport.write(page[: len(page) // 2])
                asyncio.get_running_loop().call_later(STALL, self.transport.close)


async def serve(pages: list[bytes], port: int) -> None:
    """Serve until the process is ended; print the port when ready."""
    api = Api(pages)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(api), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Take the arguments, make the bodies, serve."""
    arguments = argparse.ArgumentParser(description="A paginated JSON API to measure readers with.")
    arguments.add_argument("--records", type=int, default=200_000)
    arguments.add_argument("--page-size", type=int, default=1_000)
    arguments.add_argument("--port", type=int, default=0, help="0 for a free one")
    options = arguments.parse_args()
    asyncio.run(serve(bodies(options.records, options.page_size), options.port))


if __name__ == "__main__":
    main()
