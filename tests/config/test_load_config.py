"""From files, mappings and the environment, to a value or to one error that says everything."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from connector_kit.config.auth import Auth, Bearer, NoAuth
from connector_kit.config.load import Environment, load_config
from connector_kit.config.url import Url
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.redaction import Secret


@attrs.frozen
class Service:
    base_url: Url
    auth: Auth = attrs.field(factory=NoAuth)
    pages: int = 10
    share: float = 0.5
    verify: bool = True
    timeout: Duration | None = attrs.field(default=Duration(30))
    since: datetime | None = None
    level: Literal[1, 2, True, "all"] = 1
    scopes: tuple[str, ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    limit: int | str | None = None
    extra: Any = None
    folder: Path = Path("x")


EXPECTED = Service(
    base_url=Url("https://example.com"),
    auth=Bearer(Secret("t0k3n")),
    timeout=None,
    since=datetime(2024, 1, 31, tzinfo=UTC),
    scopes=("a", "b"),
)

TOML = """
base_url = "https://example.com"
timeout = "none"
since = 2024-01-31T00:00:00Z
scopes = ["a", "b"]
auth = { type = "bearer", token = { env = "TOKEN" } }
"""

TREE = {
    "base_url": "https://example.com",
    "timeout": None,
    "since": "2024-01-31T00:00:00+00:00",
    "scopes": ["a", "b"],
    "auth": {"type": "bearer", "token": "t0k3n"},
}


def message(source: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(Service, source, **kwargs)
    return str(caught.value)


def test_the_same_value_from_every_source(tmp_path: Path) -> None:
    toml, json_file = tmp_path / "service.toml", tmp_path / "SERVICE.JSON"
    toml.write_text(TOML)
    json_file.write_text("\ufeff" + json.dumps(TREE), "utf-8")
    variables = {
        "SVC_BASE_URL": "https://example.com",
        "SVC_TIMEOUT": "none",
        "SVC_SINCE": "2024-01-31T00:00:00Z",
        "SVC_SCOPES": '["a", "b"]',
        "SVC_AUTH__TYPE": "bearer",
        "SVC_AUTH__TOKEN": "t0k3n",
        "OTHER": "x",
    }
    assert load_config(Service, TREE) == EXPECTED
    assert load_config(Service, toml, env={"TOKEN": "t0k3n"}) == EXPECTED
    assert load_config(Service, str(json_file)) == EXPECTED
    assert load_config(Service, Environment("SVC_"), env=variables) == EXPECTED


def test_files_named_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0k3n\n")
    path = tmp_path / "service.toml"
    path.write_text(
        'base_url = "https://example.com"\nfolder = "data"\nauth = { type = "bearer", token = { file = "token" } }'
    )
    service = load_config(Service, path)
    assert service.auth == Bearer(Secret("t0k3n"))
    assert service.folder == tmp_path / "data"


def test_variables_come_from_the_process_where_no_environment_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "t0k3n")
    tree = TREE | {"auth": {"type": "bearer", "token": {"env": "SERVICE_TOKEN"}}}
    assert load_config(Service, tree) == EXPECTED
    assert "SERVICE_TOKEN is not set" in message(tree, env={})
    monkeypatch.setenv("SVC_BASE_URL", "https://example.com")
    assert load_config(Service, Environment("SVC_")) == Service(Url("https://example.com"))
    assert os.environ["SERVICE_TOKEN"] == "t0k3n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.toml",
            b"x = 1\ny = = 2",
            "a.toml is no valid TOML: Invalid value (at line 2, column 5); expected lines like",
        ),
        ("a.toml", b"x = 1\nx = 2", "Cannot overwrite a value (at"),
        ("a.toml", b"x = " + b"[" * 100_000, "it is nested too deeply"),
        (
            "a.toml",
            b"x = '\xff'",
            "a.toml cannot be read: it is no UTF-8 text; expected a TOML or JSON file; save it",
        ),
        ("a.json", b'{"x": 1,\n "y" 2}', "a.json is no valid JSON: Expecting ':' delimiter: line 2 column 6"),
        ("a.json", b'{"x": {"y": 1, "y": 2}}', "the key y is there twice; expected one JSON object"),
        ("a.json", b'{"x": NaN}', "NaN is no JSON number"),
        ("a.json", b"[" * 100_000, "it is nested too deeply"),
        (
            "a.json",
            b"[1]",
            "a.json holds a list; expected a JSON object at the top level; put braces around it",
        ),
        (
            "a.yaml",
            b"x: 1",
            "a.yaml is no configuration file; expected a file that ends in .toml or .json; rename it",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_three_parts(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert said in message(path)


def test_a_file_that_is_not_there_is_told_with_the_reason(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory; expected a configuration file; create it" in message(
        tmp_path / "a.toml"
    )
    (tmp_path / "b.toml").mkdir()
    assert "cannot be read: Is a directory" in message(tmp_path / "b.toml")


def test_a_broken_file_shows_nothing_of_its_content(tmp_path: Path) -> None:
    for name, content in [
        ("a.toml", b"token = 's3cr3t"),
        ("a.json", b'{"token": "s3cr3t'),
        ("b.toml", b"# s3cr3t \xff"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load_config(Service, path)
        assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__context__ is None


def test_problems_of_a_file_are_told_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text('base_url = "https://example.com"\npages = "3"')
    assert message(path).splitlines() == [
        f"{path} has a problem:",
        '  pages: "3"; expected an integer; write it without quotes',
    ]
    assert message({"pages": "3"}).splitlines()[0] == "the configuration has 2 problems:"


@pytest.mark.parametrize(
    ("name", "text", "field", "expected"),
    [
        ("PAGES", "30", "pages", 30),
        ("SHARE", "0.25", "share", 0.25),
        ("VERIFY", "false", "verify", False),
        ("VERIFY", "true", "verify", True),
        ("LEVEL", "2", "level", 2),
        ("LEVEL", "true", "level", True),
        ("LEVEL", "all", "level", "all"),
        ("HEADERS", '{"a": "b"}', "headers", {"a": "b"}),
        ("HEADERS__X", "y", "headers", {"x": "y"}),
        ("AUTH", '{"type": "bearer", "token": "t"}', "auth", Bearer(Secret("t"))),
        ("LIMIT", "30", "limit", 30),
        ("LIMIT", "many", "limit", "many"),
        ("EXTRA", "30", "extra", "30"),
        ("TIMEOUT", "1m", "timeout", Duration(60)),
        ("TIMEOUT", "none", "timeout", None),
    ],
)
def test_text_of_the_environment_is_read_as_the_type_that_is_declared(
    name: str, text: str, field: str, expected: object
) -> None:
    service = load_config(
        Service, Environment("S_"), env={"S_BASE_URL": "https://example.com", f"S_{name}": text}
    )
    value = getattr(service, field)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("S_PAGES", "3.0", '"3.0"; expected an integer'),
        ("S_PAGES", "", '""; expected an integer'),
        ("S_SHARE", "1e999", "expected a number; give a finite one"),
        ("S_VERIFY", "yes", '"yes"; expected true or false'),
        ("S_LEVEL", "3", '"3"; expected one of 1, 2, true, "all"'),
        ("S_SCOPES", "s3cr3t", "a string that is no JSON; expected a list, as JSON"),
        ("S_SCOPES", "[" * 100_000, "a string that is no JSON; expected a list, as JSON"),
        ("S_SCOPES[0]", "[1]", "1; expected a string; write it in quotes"),
        ("S_AUTH", "s3cr3t", "a string that is no JSON; expected a table with type ="),
        ("S_AUTH", '"s3cr3t"', "a string; expected a table with type ="),
        ("S_AUTH__TYPE", "bearr", 'did you mean "bearer"?'),
        ("S_NAME", "s3cr3t", "an unknown key; expected one of base_url"),
    ],
)
def test_problems_of_the_environment_are_told_by_variable(name: str, text: str, said: str) -> None:
    variable = name.partition("[")[0]
    told = message(Environment("S_"), env={"S_BASE_URL": "https://example.com", variable: text})
    assert f"  {name}: " in told
    assert said in told
    assert "s3cr3t" not in told


def test_a_missing_variable_is_told_with_the_line_that_sets_it() -> None:
    assert "S_BASE_URL: missing; expected an absolute URL" in message(Environment("S_"), env={})
    assert "; export S_BASE_URL=…" in message(Environment("S_"), env={})


def test_variables_that_contradict_each_other_are_refused() -> None:
    env = {
        "S_AUTH": "s3cr3t",
        "S_AUTH__TYPE": "none",
        "S_AUTH__X__Y": "1",
        "S_PAGES": "1",
        "S_pages": "2",
        "S_": "x",
    }
    assert message(Environment("S_"), env=env).splitlines() == [
        "the environment (S_…) contradicts itself:",
        "  S_AUTH__TYPE: set beside a variable of the same place; expected one of them; unset S_AUTH__TYPE",
        "  S_AUTH__X__Y: set beside a variable of the same place; expected one of them; unset S_AUTH__X__Y",
        "  S_pages: set beside a variable of the same place; expected one of them; unset S_pages",
    ]


def test_the_environment_needs_a_prefix() -> None:
    with pytest.raises(ValueError, match="prefix"):
        Environment("")
