"""Every test of a read runs over both transports: httpx2 on asyncio and trio, aiohttp on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rest_server import WAYS

if TYPE_CHECKING:
    from rest_server import Way

    from connector_kit.connectors.rest.config import TransportName


@pytest.fixture(params=WAYS, ids="-".join)
def loop_and_transport(request: pytest.FixtureRequest) -> Way:
    """Give an event loop and a transport that runs on it."""
    given: Way = request.param
    return given


@pytest.fixture
def anyio_backend(loop_and_transport: Way) -> str:
    return loop_and_transport[0]


@pytest.fixture
def transport(loop_and_transport: Way) -> TransportName:
    return loop_and_transport[1]
