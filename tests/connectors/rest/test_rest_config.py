"""The config of a REST API: from TOML, checked without I/O, and what the catalog says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from rest_server import Said, serving

from connector_kit.config.structuring import make_converter, structure
from connector_kit.connectors.rest import (
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
from connector_kit.connectors.rest.config import SinceFormat, since_text
from connector_kit.connectors.rest.origin import Origin
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
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
        ({"primary_key": "id", "fields": {"key": Scalar.STRING}}, "primary_key: 'id'"),
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
    ("form", "since", "written"),
    [
        ("iso", datetime(2013, 1, 31, 10, tzinfo=UTC), "2013-01-31T10:00:00Z"),
        ("iso", datetime(2013, 1, 31, 10, 0, 0, 120, tzinfo=UTC), "2013-01-31T10:00:00.000120Z"),
        ("iso", datetime(2013, 1, 31, 10, tzinfo=timezone(timedelta(hours=2))), "2013-01-31T08:00:00Z"),
        ("iso", datetime(2013, 1, 31, 10), "2013-01-31T10:00:00Z"),  # noqa: DTZ001 - a time without a zone is the case
        ("epoch", datetime(1970, 1, 2, 0, 0, 1, 999_999, tzinfo=UTC), 86_401),
        ("epoch", datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), -1),
        ("epoch_ms", datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC), 1_999),
    ],
)
def test_since_is_written_as_the_server_reads_it_and_never_later(
    form: SinceFormat, since: datetime, written: str | int
) -> None:
    assert since_text(since, form) == written


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
async def test_the_catalog_has_declared_fields_without_asking_and_infers_the_others() -> None:
    """Of a field that one page shows nobody knows whether it may be null; a primary key never is."""
    with serving(lambda _: Said('[{"id": 1, "name": "a", "at": "2024-01-01T00:00:00Z"}]')) as server:
        declared = Resource("/a", primary_key="id", fields={"id": Scalar.STRING, "size": Scalar.NUMBER})
        inferred = Resource("/b", primary_key="id", replication_key="at", ordered=True)
        connector = RestConnector(RestConfig(server.url, {"a": declared, "b": inferred}))
        await connector.connect()
        catalog = await connector.discover_schema()
        await connector.disconnect()
    assert catalog == Catalog(
        [
            Entity("a", [Field("id", Scalar.STRING, nullable=False), Field("size", Scalar.NUMBER)], "id"),
            Entity(
                "b",
                [
                    Field("id", Scalar.INTEGER, nullable=False),
                    Field("name", Scalar.STRING),
                    Field("at", Scalar.DATETIME),
                ],
                "id",
                replication_key="at",
                ordered=True,
            ),
        ]
    )
    assert [asked.path for asked in server.asked] == ["/b"]


@pytest.mark.anyio
async def test_a_schema_that_cannot_be_inferred_says_of_which_entity() -> None:
    with serving(lambda _: Said("nothing")) as server:
        connector = RestConnector(RestConfig(server.url, {"things": Resource("/things")}))
        await connector.connect()
        with pytest.raises(SchemaMismatchError) as caught:
            await connector.discover_schema()
        await connector.disconnect()
    assert (caught.value.operation, caught.value.entity) == ("discover_schema", "things")
