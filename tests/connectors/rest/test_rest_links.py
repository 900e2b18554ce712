"""Links to the next page as servers write them: behind proxies, below a mount, without parameters, signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_server import Asked, Said, serving

from connector_kit.connectors.rest import LinkHeader, NextUrl, Pagination, Resource, RestConfig, RestConnector
from connector_kit.connectors.rest.origin import Credentials, Origin
from connector_kit.errors import RequestRejectedError

TLS = Origin.of("https://api.example.com:8443/v2", Credentials())
PLAIN = Origin.of("http://api.example.com/v2", Credentials())


@pytest.mark.parametrize(
    "link",
    [
        "http://api.example.com/v2/items?p=2",
        "http://api.example.com:80/v2/items?p=2",
        "http://api.example.com:8443/v2/items?p=2",
        "HTTP://API.example.com/v2/items?p=2",
    ],
)
def test_a_link_on_http_stays_on_https_where_the_base_url_is(link: str) -> None:
    """What is asked for is a target on the base URL's origin, so nothing is ever sent in the clear."""
    assert TLS.link_of(link, seen_at="/v2/items") == "/v2/items?p=2"


@pytest.mark.parametrize(
    ("origin", "link"),
    [
        (TLS, "http://api.example.com:8080/v2/items"),
        (TLS, "http://other.example.com/v2/items"),
        (TLS, "https://api.example.com/v2/items"),
        (TLS, "ftp://api.example.com:8443/v2/items"),
        (PLAIN, "https://api.example.com/v2/items"),
    ],
)
def test_a_link_to_another_origin_is_still_refused(origin: Origin, link: str) -> None:
    with pytest.raises(RequestRejectedError, match="credentials are not sent to another origin"):
        origin.link_of(link, seen_at="/v2/items")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("/items?p=2", "/v2/items?p=2"),
        ("/v2/items?p=2", "/v2/items?p=2"),
        ("items?p=2", "/v2/items?p=2"),
        ("?p=2", "/v2/items?p=2"),
        ("http://api.example.com/items?p=2", "/v2/items?p=2"),
        ("/others?p=2", "/others?p=2"),
        ("/v3/items?p=2", "/v3/items?p=2"),
    ],
)
def test_the_path_just_asked_for_without_that_of_the_base_url_is_below_it(link: str, target: str) -> None:
    """Servers write it that do not know where they are mounted; any other path is what it says."""
    assert PLAIN.link_of(link, seen_at="/v2/items?p=1") == target


def test_without_a_path_in_the_base_url_a_link_is_what_it_says() -> None:
    origin = Origin.of("http://api.example.com", Credentials())
    assert origin.link_of("/items?p=2", seen_at="/items") == "/items?p=2"


def test_a_redirect_to_the_same_path_above_the_base_url_goes_there() -> None:
    assert PLAIN.target_of("/items", seen_at="/v2/items") == "/items"


@pytest.mark.parametrize("query", ["a=1&&sig=x", "&a=1", "a=1&", "a=1&&&b=2", "a&b="])
def test_a_signed_query_stays_as_it_is(query: str) -> None:
    """Without an empty part the signature would not fit."""
    assert PLAIN.link_of(f"/v2/items?{query}", seen_at="/v2/items") == f"/v2/items?{query}"


@pytest.mark.parametrize(
    ("target", "filled"),
    [
        ("/items", "/items?status=any&since=a+b"),
        ("/items?p=2", "/items?p=2&status=any&since=a+b"),
        ("/items?status=none&p=2", "/items?status=none&p=2&since=a+b"),
        ("/items?st%61tus=&p=2&since=x", "/items?st%61tus=&p=2&since=x"),
    ],
)
def test_a_target_is_filled_up_with_the_parameters_that_it_lacks(target: str, filled: str) -> None:
    assert PLAIN.filled(target, {"status": "any", "since": "a b"}) == filled


@pytest.mark.anyio
@pytest.mark.parametrize(
    "style", [NextUrl(size_param="limit", keep_params=True), LinkHeader(size_param="limit", keep_params=True)]
)
async def test_links_that_drop_the_parameters_get_them_back(style: Pagination) -> None:
    """Filter, lower bound and page size: without them the pages behind the first would be those of another list."""

    def answering(asked: Asked) -> Said:
        page = int(asked.params.get("page", 1))
        link = f"{asked.path}?page={page + 1}" if page < 3 else ""
        headers = {"Link": f'<{link}>; rel="next"'} if link else {}
        return Said(json.dumps({"things": [{"id": page}], "next": link}), headers=headers)

    with serving(answering) as server:
        resource = Resource(
            "/things",
            "things",
            params={"status": "any"},
            pagination=style,
            since_param="since",
            page_size=5,
        )
        connector = RestConnector(RestConfig(server.url, {"things": resource}))
        await connector.connect()
        since = datetime(2024, 1, 1, tzinfo=UTC)
        pages = [page async for page in connector.fetch_data("things", since=since)]
        await connector.disconnect()
    assert [page.cursor for page in pages] == ["/things?page=2", "/things?page=3", None]
    kept: dict[str, Any] = {"status": "any", "since": "2024-01-01T00:00:00Z", "limit": "5"}
    assert [asked.params for asked in server.asked] == [kept, kept | {"page": "2"}, kept | {"page": "3"}]


@pytest.mark.anyio
async def test_a_link_below_the_base_url_is_read_to_its_end() -> None:
    def answering(asked: Asked) -> Said:
        if not asked.path.startswith("/api/v2/"):
            return Said("{}", 404)
        page = int(asked.params.get("page", 1))
        return Said(
            json.dumps({"things": [{"id": page}], "next": f"/things?page={page + 1}" if page < 3 else None})
        )

    with serving(answering) as server:
        resource = Resource("/things", "things", pagination=NextUrl())
        connector = RestConnector(RestConfig(f"{server.url}/api/v2", {"things": resource}))
        await connector.connect()
        read = [row["id"] async for page in connector.fetch_data("things") for row in page.records]
        await connector.disconnect()
    assert read == [1, 2, 3]
