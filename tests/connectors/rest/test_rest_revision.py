"""The revision of a resource: what changes it, and what does not."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from connector_kit.auth import ApiKey, Bearer
from connector_kit.connectors.rest import CursorField, Offset, Resource, RestConfig
from connector_kit.redaction import Secret

BASE = RestConfig(
    "https://api.example.com/v1",
    {
        "things": Resource(
            "/things",
            "data.items",
            params={"status": "open", "deep": True},
            pagination=Offset(size_param="limit"),
            primary_key="id",
            replication_key="at",
            since_param="since",
            incremental="since",
        )
    },
)


def revision(config: RestConfig = BASE, **changes: Any) -> str:
    """Return the revision of the resource, changed like this."""
    changed = {"things": attrs.evolve(config.resources["things"], **changes)}
    return attrs.evolve(config, resources=changed).entity("things").revision


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/others"},
        {"records": "data"},
        {"params": {"status": "any", "deep": True}},
        {"params": {"status": "open"}},
        {"body": {}},
        {"body": {"filter": 1}},
        {"pagination": Offset(size_param="limit", first=1)},
        {"pagination": CursorField()},
        {"since_param": "from"},
        {"since_format": "%Y-%m-%d"},
        {"since_template": "at>{since}"},
        {"replication_zone": "Europe/Berlin"},
        {"revision": "2"},
    ],
    ids=str,
)
def test_what_decides_which_records_are_served_changes_it(changes: dict[str, Any]) -> None:
    assert revision(**changes) != revision()


@pytest.mark.parametrize("base_url", ["https://api.example.com/v2", "https://eu.example.com/v1"])
def test_another_server_changes_it(base_url: str) -> None:
    assert revision(attrs.evolve(BASE, base_url=base_url)) != revision()


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "things"},
        {"params": {"deep": True, "status": "open"}},
        {"page_size": 7},
        {"pagination": Offset(size_param="per_page")},
        {"fields": {}},
        {"transient": (409,)},
    ],
    ids=str,
)
def test_what_decides_nothing_of_that_does_not(changes: dict[str, Any]) -> None:
    assert revision(**changes) == revision()


def test_credentials_headers_and_sizes_are_no_part_of_it() -> None:
    """A token that is renewed begins no read anew, also where a parameter carries it."""
    key = ApiKey(Secret("a-long-secret"), "key", "query")
    with_key = attrs.evolve(BASE, auth=key)
    params = {"status": "open", "deep": True, "token": "a-long-secret"}
    assert revision(with_key, params=params) == revision()
    others = attrs.evolve(
        BASE,
        auth=Bearer(Secret("t0ken")),
        headers={"X-Key": "secret"},
        page_size=7,
        base_url="https://api.example.com:443/v1/",
    )
    assert revision(others) == revision()


def test_it_is_short_and_the_same_in_every_process() -> None:
    assert revision() == "8cc240954dba2a27"
