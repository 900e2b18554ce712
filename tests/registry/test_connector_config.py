"""What a file says about one connector, and how its settings reach the connector's own class."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from connector_kit.config.auth import Auth, Basic, Bearer, NoAuth
from connector_kit.config.load import Environment, load_config
from connector_kit.config.structuring import make_converter
from connector_kit.config.url import Url
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.limiters.rates import Rates
from connector_kit.redaction import Secret
from connector_kit.registry.connector_config import ConnectorConfig, load_connector, settings_for
from connector_kit.runtime.options import EntityOptions
from connector_kit.wrappers.stack.resilience import Resilience

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FLIGHTS = """
connector = "rest"
name = "flights"

[settings]
base_url = "https://example.com"

[auth]
type = "bearer"
token = { env = "TOKEN" }

[resilience]
rate = "10/s, 10000/day"
deadline = "none"
retry = { attempts = 3, first_wait = "100ms" }

[entities.flights]
mode = "upsert"
lookback = "1d"
start = 2013-01-01T00:00:00Z

[entities.airports]
"""


@attrs.frozen
class RestSettings:
    base_url: Url
    auth: Auth = attrs.field(factory=NoAuth)
    page_size: int = 100


@attrs.frozen
class PlainSettings:
    size: int


@attrs.frozen
class BearerSettings:
    auth: Bearer


def find(name: str) -> type[Any]:
    if name != "rest":
        raise ConfigError(f"no connector {name!r}; install it")
    return RestSettings


def lines(caught: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return [str(problem) for problem in caught.value.problems]


def test_a_file_says_all_about_one_connector(tmp_path: Path) -> None:
    path = tmp_path / "flights.toml"
    path.write_text(FLIGHTS)
    config = load_config(ConnectorConfig, path, env={"TOKEN": "t0k3n"})
    assert config == ConnectorConfig(
        "rest",
        name="flights",
        settings={"base_url": "https://example.com"},
        auth=Bearer(Secret("t0k3n")),
        resilience=config.resilience,
        entities={
            "flights": EntityOptions(
                "upsert", lookback=Duration(86_400), start=datetime(2013, 1, 1, tzinfo=UTC)
            ),
            "airports": EntityOptions(),
        },
    )
    assert config.resilience.rate == Rates.parse("10/s, 10000/day")
    assert config.resilience.deadline is None
    assert config.resilience.retry is not None
    assert (config.resilience.retry.attempts, config.resilience.retry.first_wait) == (3, Duration(0.1))
    settings = settings_for(config, RestSettings, make_converter())
    assert settings == RestSettings(Url("https://example.com"), Bearer(Secret("t0k3n")))
    assert load_connector(path, find, env={"TOKEN": "t0k3n"}) == (config, settings)


def test_only_the_connector_must_be_named() -> None:
    assert load_config(ConnectorConfig, {"connector": "mock"}) == ConnectorConfig(
        "mock", resilience=Resilience()
    )


def test_settings_are_not_shown_until_their_class_says_what_is_secret() -> None:
    config = ConnectorConfig("rest", settings={"password": "s3cr3t"})
    assert "password" in repr(config)
    assert "s3cr3t" not in repr(config)


def test_auth_may_stand_in_the_settings_too() -> None:
    config = ConnectorConfig(
        "rest",
        settings={"base_url": "https://a", "auth": {"type": "basic", "username": "me", "password": "p"}},
    )
    assert settings_for(config, RestSettings, make_converter()).auth == Basic("me", Secret("p"))


def test_saying_that_there_is_no_auth_fits_every_connector() -> None:
    config = load_config(
        ConnectorConfig, {"connector": "x", "auth": {"type": "none"}, "settings": {"size": 1}}
    )
    assert settings_for(config, PlainSettings, make_converter()) == PlainSettings(1)


@pytest.mark.parametrize(
    ("config", "cls", "expected"),
    [
        (
            ConnectorConfig("x", settings={"size": "1"}, auth=Bearer(Secret("s3cr3t"))),
            PlainSettings,
            [
                "auth: given; expected no auth, for PlainSettings has no such field; remove it",
                'settings.size: "1"; expected an integer; write it without quotes',
            ],
        ),
        (
            ConnectorConfig("x", settings={"size": 1}, auth=Bearer(Secret("s3cr3t"))),
            PlainSettings,
            ["auth: given; expected no auth, for PlainSettings has no such field; remove it"],
        ),
        (
            ConnectorConfig("x", settings={"auth": {"token": 5}}, auth=Bearer(Secret("s3cr3t"))),
            BearerSettings,
            [
                "settings.auth: given beside auth; expected one of the two; remove one of them",
                'settings.auth.token: an integer; expected a secret: a string, { env = "NAME" } or { file = "PATH" }',
            ],
        ),
        (
            ConnectorConfig("x", auth=Basic("me", Secret("s3cr3t"))),
            BearerSettings,
            ['auth: a value of type Basic; expected a table with type = "bearer"'],
        ),
        (
            ConnectorConfig("x"),
            BearerSettings,
            ['auth: missing; expected a table with type = "bearer"; add auth = …'],
        ),
    ],
)
def test_problems_of_the_settings_are_told_by_their_place_in_the_file(
    config: ConnectorConfig, cls: type[Any], expected: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_for(config, cls, make_converter())
    assert lines(caught) == expected


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        (
            {
                "connector": "rest",
                "nmae": "x",
                "settings": {"page_size": "1"},
                "auth": {"type": "bearer"},
                "entities": {"a": {"mode": "x"}},
            },
            ["auth.token", "entities.a.mode", "nmae", "settings.base_url", "settings.page_size"],
        ),
        ({"connector": "rest", "settings": ["s3cr3t"]}, ["settings", "settings.base_url"]),
        ({"connector": "tser", "settings": {"x": 1}, "name": 1}, ["connector", "name"]),
        ({"connector": ""}, ["connector"]),
        ({"settings": {"x": 1}}, ["connector"]),
        ({"connector": 5}, ["connector"]),
        ({"connector": "rest", "settings": {"base_url": 5}}, ["settings.base_url"]),
        ({"connector": "rest", "auth": {"type": "none"}, "settings": {"base_url": 5}}, ["settings.base_url"]),
    ],
)
def test_a_file_and_its_settings_are_judged_together(source: Mapping[str, Any], paths: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_connector(source, find)
    assert sorted(problem.path for problem in caught.value.problems) == paths
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_connector_that_cannot_be_found_is_told_once_with_the_reason() -> None:
    with pytest.raises(ConfigError) as caught:
        load_connector({"connector": "tser"}, find)
    assert lines(caught) == [
        "connector: no connector 'tser'; install it; expected a connector that can be found"
    ]


def test_a_connector_comes_from_the_environment_as_well() -> None:
    env = {
        "FLIGHTS_CONNECTOR": "rest",
        "FLIGHTS_SETTINGS": '{"base_url": "https://a"}',
        "FLIGHTS_SETTINGS__X": "",
    }
    with pytest.raises(ConfigError, match="contradicts itself"):
        load_connector(Environment("FLIGHTS_"), find, env=env)
    del env["FLIGHTS_SETTINGS__X"]
    _, settings = load_connector(Environment("FLIGHTS_"), find, env=env)
    assert settings == RestSettings(Url("https://a"))
    with pytest.raises(ConfigError, match="FLIGHTS_SETTINGS__BASE_URL: missing"):
        load_connector(Environment("FLIGHTS_"), find, env=env | {"FLIGHTS_SETTINGS": "{}"})


@attrs.frozen
class _Pages:
    size: int = 100
    sort: str = "id"


@attrs.frozen
class _Paged:
    base_url: Url
    pages: _Pages = attrs.field(factory=_Pages)


def test_settings_given_beside_a_file_take_the_place_of_its_own() -> None:
    """Name by name and table by table; what is not given stays as it is in the file."""
    source = {
        "connector": "x",
        "settings": {"base_url": "https://example.com", "pages": {"size": 5, "sort": "name"}},
    }
    given = {"base_url": "https://staging.example.com", "pages": {"size": 7}}
    _, settings = load_connector(source, lambda _: _Paged, settings=given)
    assert settings == _Paged(Url("https://staging.example.com"), _Pages(7, "name"))
    with pytest.raises(ConfigError, match=r"settings\.pages: an integer; expected a table"):
        load_connector(source, lambda _: _Paged, settings={"pages": 3})
