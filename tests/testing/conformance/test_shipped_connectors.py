"""Every connector that is shipped keeps the laws of connectors; `rest` also while its requests fail on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from rest_server import TableApi, serving

from connector_kit.config.auth import Bearer
from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.connectors.rest import LastRecord, Offset, Pagination, Resource, RestConfig, RestConnector
from connector_kit.redaction import Secret
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_connector
from connector_kit.testing.conformance.http_proxy import HttpProxy

BOUNDS = Bounds(seconds=300, call_seconds=20, plans=8)
"""A busy machine is no fault of theirs."""

TOKEN = "tok-5f2a91c7d3"
START = datetime(2024, 1, 1, tzinfo=UTC)
RECORDS = [
    {"id": number, "at": (START + timedelta(minutes=number // 2)).isoformat().replace("+00:00", "Z")}
    for number in range(13)
]


@pytest.mark.unmeasured
@pytest.mark.anyio
async def test_the_mock_connector_keeps_all_laws(anyio_backend: str) -> None:
    make = partial(MockConnector, MockConfig(size=40, page_size=10))
    report = await check_connector(make, bounds=BOUNDS, secrets=[TOKEN], backend=anyio_backend)
    report.require()
    assert {verdict.outcome for verdict in report.verdicts} == {"held"}


@pytest.mark.unmeasured
@pytest.mark.anyio
@pytest.mark.parametrize("pagination", [LastRecord(size_param="limit"), Offset(size_param="limit")])
async def test_the_rest_connector_keeps_all_laws(pagination: Pagination, anyio_backend: str) -> None:
    things = Resource(
        "/things",
        "data.items",
        pagination=pagination,
        page_size=4,
        since_param="since",
        primary_key="id",
        replication_key="at",
        ordered=True,
        incremental="since",
    )
    with serving(TableApi(RECORDS, pagination.type)) as server, HttpProxy(server.url) as proxy:
        config = RestConfig(proxy.url, {"things": things}, auth=Bearer(Secret(TOKEN)))
        report = await check_connector(
            partial(RestConnector, config), bounds=BOUNDS, wire=proxy, secrets=[TOKEN], backend=anyio_backend
        )
    report.require()
    assert {verdict.outcome for verdict in report.verdicts} == {"held"}
    (resume,) = [verdict for verdict in report.verdicts if verdict.law.name == "resume"]
    assert any("on the wire" in what for what in resume.checked)
