"""A connector for somebody's client, with no base class, and a stack around it.

Run it from the root of the repository, beside the API that the demo uses:

    FLIGHTS_TOKEN=secret .venv/bin/python docs/examples/flights_api.py --port 8013 &
    FLIGHTS_TOKEN=secret .venv/bin/python docs/examples/planes.py
"""

import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime

import anyio
import httpx2

from connector_kit import Catalog, Cursor, Entity, Page, Report, Resilience, Rule, protect, sync
from connector_kit.destinations import SQLiteDestination
from connector_kit.errors import (
    ConnectionFailedError,
    ConnectorError,
    RateLimitError,
    ServiceUnavailableError,
)


class Planes:
    """The planes of the flights API. Four methods make a connector; mypy checks that they fit."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.headers = url, {"Authorization": f"Bearer {token}"}

    async def connect(self) -> None:
        self.client = httpx2.AsyncClient(base_url=self.url, headers=self.headers)

    async def disconnect(self) -> None:
        if hasattr(self, "client"):
            await self.client.aclose()

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("planes", primary_key="id", incremental="cursor")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        entity = (await self.discover_schema())[entity].name  # refuses an unknown one
        more, last = True, cursor or 0
        while more:
            answer = await self.client.get(f"/{entity}", params={"after_id": str(last), "limit": "100"})
            body = answer.raise_for_status().json()
            more, records = body["has_more"], body[entity]
            last = records[-1]["id"] if records else last
            yield Page(records, cursor=last)


def by_status(error: Exception) -> ConnectorError | None:
    """Say what the client's status error stands for: what may be tried again, and when."""
    assert isinstance(error, httpx2.HTTPStatusError)
    wait = error.response.headers.get("Retry-After", "")
    if error.response.status_code == 429:
        return RateLimitError("the API says: slow down", float(wait) if wait.isdecimal() else None)
    return ServiceUnavailableError(str(error)) if error.response.status_code >= 500 else None


RULES = [
    Rule(httpx2.HTTPStatusError, by_status),
    Rule((httpx2.TransportError, httpx2.DecodingError), ConnectionFailedError),
]


async def main(url: str, token: str, file: str = "planes.sqlite") -> Report:
    """Read what is new into a file; every row lands exactly once, however often this fails or is killed."""
    planes = protect(Planes(url, token), Resilience(rate="40/s"), rules=RULES)
    return await sync(planes, SQLiteDestination(file))


if __name__ == "__main__":
    report = anyio.run(main, "http://127.0.0.1:8013", os.environ["FLIGHTS_TOKEN"])
    print(f"{report.rows} new rows, {report.retries} retries")
    sys.exit("\n".join(str(entity.error) for entity in report.failed) or None)
