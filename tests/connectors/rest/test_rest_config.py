"""The config of a REST API: from TOML, checked without I/O, and what the catalog says of it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from rest_server import Said, serving

from connector_kit.config.structuring import make_converter, structure
from connector_kit.connectors.rest import (
    BodyError,
    CursorField,
    LastRecord,
    LinkHeader,
    NextUrl,
    NoPagination,
    Offset,
    PageNumber,
    Pagination,
    Resource,
    RestConfig,
    RestConnector,
)
from connector_kit.connectors.rest.origin import Origin
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.registry.connector_config import load_connector

if TYPE_CHECKING:
    from pathlib import Path

TOML = """
connector = "rest"
auth = { type = "bearer", token = { env = "TOKEN" } }

[settings]
base_url = { env = "API_URL" }
headers = { Accept-Language = "en" }
page_size = 200
connect_timeout = "3s"

[settings.resources.orders]
path = "/orders"
records = "data.items"
params = { status = "any", deep = true, version = 2 }
pagination = { type = "cursor_field", field = "meta.next", param = "after" }
since_param = "updated_since"
since_format = "epoch"
primary_key = ["id"]
replication_key = "updated_at"
incremental = "since"
fields = { id = "integer", updated_at = "datetime" }
"""


def test_a_toml_file_declares_an_api(tmp_path: Path) -> None:
    file = tmp_path / "api.toml"
    file.write_text(TOML)
    environment = {"TOKEN": "s3cr3t", "API_URL": "https://api.example.com/v1"}
    _, config = load_connector(file, lambda _: RestConfig, env=environment)
    assert isinstance(config, RestConfig)
    assert config.page_size == 200
    assert config.connect_timeout == Duration(3)
    assert config.origin.target("/x", {}) == "/v1/x"
    assert config.resources["orders"] == Resource(
        "/orders",
        "data.items",
        params={"status": "any", "deep": True, "version": 2},
        pagination=CursorField("meta.next", "after"),
        since_param="updated_since",
        since_format="epoch",
        primary_key="id",
        replication_key="updated_at",
        incremental="since",
        fields={"id": Scalar.INTEGER, "updated_at": Scalar.DATETIME},
    )
    RestConnector(config).validate_config()


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("none", NoPagination),
        ("cursor_field", CursorField),
        ("last_record", LastRecord),
        ("next_url", NextUrl),
        ("link_header", LinkHeader),
        ("page_number", PageNumber),
        ("offset", Offset),
    ],
)
def test_a_style_of_pagination_is_named_by_its_type(name: str, cls: type[Pagination]) -> None:
    resource = structure(Resource, {"path": "/x", "pagination": {"type": name}}, make_converter())
    assert resource.pagination == cls()


def problems_of(config: RestConfig) -> list[str]:
    """Check a config; give its problems, as path and what was given."""
    with pytest.raises(ConfigError) as caught:
        RestConnector(config).validate_config()
    return [f"{problem.path}: {problem.given}" for problem in caught.value.problems]


def resource_problems(**options: Any) -> list[str]:
    return problems_of(
        RestConfig("https://x.example", {"things": Resource(**{"path": "/things", **options})})
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"path": "https://x.example/y"}, "path: 'https://x.example/y'"),
        ({"path": "/things?x=1"}, "path: '/things?x=1'"),
        ({"page_size": 0}, "page_size: 0"),
        ({"incremental": "since", "replication_key": "at"}, "since_param: missing"),
        ({"incremental": "since", "since_param": "since"}, "replication_key: missing"),
        ({"ordered": True}, "replication_key: missing"),
        ({"replication_format": "epoch"}, "replication_format: no replication_key"),
        ({"replication_zone": "Europe/Berlin"}, "replication_zone: no replication_key"),
        ({"replication_key": "at", "replication_format": "unix"}, "replication_format: 'unix'"),
        (
            {"replication_key": "at", "replication_zone": "Europe/Nowhere"},
            "replication_zone: 'Europe/Nowhere'",
        ),
        (
            {
                "replication_key": "at",
                "fields": {"at": Scalar.BOOLEAN},
                "incremental": "since",
                "since_param": "since",
            },
            'fields.at: "boolean", and it is the replication_key',
        ),
        (
            {"since_format": "iso8601"},
            "since_format: 'iso8601', no format that has a name, and no pattern with % in it",
        ),
        ({"since_zone": "../etc"}, "since_zone: '../etc'"),
        (
            {"since_format": "epoch", "since_zone": "Europe/Berlin"},
            "since_zone: 'Europe/Berlin' with since_format 'epoch', which is in UTC",
        ),
        ({"since_template": "at>{time}"}, "since_template: 'at>{time}'"),
        ({"since_in": "body"}, 'since_in: "body" without a body'),
        ({"paging_in": "body"}, 'paging_in: "body" without a body'),
        ({"error": BodyError("")}, "error.path: empty"),
        ({"error": BodyError("ok", equals=False, unless=True)}, "error.unless: also `equals`"),
        ({"transient": (202, 200)}, "transient: 200"),
        (
            {"transient": (404,), "past_end": (404,), "pagination": Offset()},
            "transient: 404, also in past_end",
        ),
        ({"primary_key": "id", "fields": {"key": Scalar.STRING}}, "primary_key: 'id'"),
        ({"primary_key": "sys.id", "fields": {"key": Scalar.STRING}}, "primary_key: 'sys.id'"),
        ({"replication_key": "at", "fields": {"key": Scalar.STRING}}, "replication_key: 'at'"),
        *(
            (
                {"incremental": "cursor", "pagination": style},
                f'incremental: "cursor" with pagination "{style.type}", whose last page has no cursor to go on from',
            )
            for style in (NoPagination(), CursorField(), NextUrl(), LinkHeader(), PageNumber())
        ),
    ],
)
def test_a_resource_that_cannot_work_is_a_problem(options: dict[str, Any], problem: str) -> None:
    assert resource_problems(**options) == [f"resources.things.{problem}"]


@pytest.mark.parametrize("style", [LastRecord(), Offset()])
def test_later_runs_go_on_at_the_cursor_of_a_lasting_style(style: Pagination) -> None:
    resource = Resource("/things", pagination=style, incremental="cursor")
    RestConnector(RestConfig("https://x.example", {"things": resource})).validate_config()


def test_keys_may_be_paths_into_the_declared_fields() -> None:
    resource = Resource(
        "/things",
        primary_key="sys.id",
        replication_key="sys.at",
        since_param="since",
        incremental="since",
        fields={"sys": Scalar.JSON},
    )
    RestConnector(RestConfig("https://x.example", {"things": resource})).validate_config()


def test_what_is_said_of_answers_times_and_bodies_is_read_from_a_file(tmp_path: Path) -> None:
    """One error or several; statuses, and the word for an answer without a body."""
    file = tmp_path / "api.toml"
    file.write_text(
        'connector = "rest"\n[settings]\nbase_url = "https://x.example"\n'
        '[settings.resources.a]\npath = "/a"\nerror = { path = "ok", equals = false, raises = "transient" }\n'
        'transient = [202, "empty"]\nbody = { filter = { open = true, ids = [1, 2] } }\nsince_in = "body"\n'
        'replication_key = "sys.at"\nreplication_format = "%d.%m.%Y"\nreplication_zone = "Europe/Berlin"\n'
        '[settings.resources.b]\npath = "/b"\nerror = [{ path = "errors" }, { path = "status", unless = ["ok", 1] }]\n'
    )
    _, config = load_connector(file, lambda _: RestConfig)
    assert isinstance(config, RestConfig)
    RestConnector(config).validate_config()
    a, b = config.resources["a"], config.resources["b"]
    assert a.errors == (BodyError("ok", equals=False, raises="transient"),)
    assert a.transient == (202, "empty")
    assert a.body == {"filter": {"open": True, "ids": [1, 2]}}
    assert b.errors == (BodyError("errors"), BodyError("status", unless=("ok", 1)))
    entity = config.entity("a")
    assert (entity.replication_format, entity.replication_zone) == ("%d.%m.%Y", "Europe/Berlin")


def test_every_problem_of_a_config_is_told_at_once() -> None:
    config = RestConfig(
        "https://me:s3cr3t@x.example/v1?key=s3cr3t",
        {"a": Resource("/a", page_size=0), "b": Resource("/b#c")},
        headers={"X-Odd": "two\nlines"},
        page_size=0,
    )
    told = problems_of(config)
    assert [line.partition(":")[0] for line in told] == [
        "base_url",
        "base_url",
        "headers.X-Odd",
        "page_size",
        "resources.a.page_size",
        "resources.b.path",
    ]
    assert "s3cr3t" not in "".join(told)


def test_a_config_without_resources_is_a_problem() -> None:
    assert problems_of(RestConfig("https://x.example", {})) == ["resources: none"]


def test_a_header_that_auth_sets_too_is_a_problem() -> None:
    auth: Any = {"type": "api_key", "key": "s3cr3t", "name": "X-Key"}
    table = {"base_url": "https://x.example", "resources": {"a": {"path": "/a"}}, "auth": auth}
    config = structure(RestConfig, {**table, "headers": {"x-key": "other"}}, make_converter())
    assert problems_of(config) == ["headers.X-Key: also set by auth"]


@pytest.mark.parametrize(
    ("base_url", "target"),
    [
        ("https://x.example", "/things?a=b+c&d=true&e=1.5"),
        ("https://x.example/v1/", "/v1/things?a=b+c&d=true&e=1.5"),
    ],
)
def test_a_target_is_below_the_base_url(base_url: str, target: str) -> None:
    origin = attrs.evolve(RestConfig(base_url, {}).origin)
    assert origin.target("things", {"a": "b c", "d": True, "e": 1.5}) == target
    assert origin.target("/a b/é", {}) == f"{origin.root}/a%20b/%C3%A9"


def test_an_origin_has_the_port_of_its_scheme() -> None:
    assert (
        Origin.of("http://X.example", RestConfig("http://x.example", {}).origin.credentials).url
        == "http://x.example:80"
    )


@pytest.mark.anyio
async def test_the_catalog_has_what_is_declared_and_asks_the_server_nothing() -> None:
    with serving(lambda _: Said("nothing", 500)) as server:
        resources = {
            "a": Resource("/a", primary_key="id", fields={"id": Scalar.STRING, "size": Scalar.NUMBER}),
            "b": Resource("/b", primary_key="sys.id", replication_key="at", ordered=True),
        }
        connector = RestConnector(RestConfig(server.url, resources))
        await connector.connect()
        catalog = await connector.discover_schema()
        await connector.disconnect()
    fields = [Field("id", Scalar.STRING, nullable=False), Field("size", Scalar.NUMBER)]
    assert [attrs.evolve(entity, revision="") for entity in catalog] == [
        Entity("a", fields, "id"),
        Entity("b", (), "sys.id", replication_key="at", ordered=True),
    ]
    assert server.asked == []


def test_the_door_gives_classes_whose_settings_can_be_read() -> None:
    """Their annotations are resolved where they were written, in an interpreter that has imported nothing else."""
    script = "from connector_kit import json_schema; from connector_kit.connectors import Resource, RestConfig; json_schema(RestConfig)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
