"""For any broken file: every problem is told with its exact path, no secret is told, and the schema agrees."""

from __future__ import annotations

import copy
import json
import logging
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from connector_kit.config.auth import Auth
from connector_kit.config.json_schema import json_schema
from connector_kit.config.load import load_config
from connector_kit.config.url import Url
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.limiters.rates import Rates
from connector_kit.redaction import Secret
from connector_kit.registry.connector_config import ConnectorConfig

PLANTED = "s3cr3t"
"""Every secret that is put into a config below has this in it."""


@attrs.frozen
class Resource:
    path: str
    size: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    mode: Literal["append", "upsert"] = "append"
    key: Secret | None = None
    wait: Duration | None = None
    children: tuple[Resource, ...] = ()


@attrs.frozen
class Service:
    url: Url
    token: Secret
    auth: Auth
    rate: Rates | None = None
    share: float = 0.5
    verify: bool = True
    scopes: frozenset[str] = frozenset()
    pair: tuple[int, str] = (1, "a")
    label: int | str = 1
    resources: list[Resource] = attrs.field(factory=list)
    named: Mapping[str, Resource] = attrs.field(factory=dict)
    anything: Any = None


RESOURCES = st.recursive(
    st.fixed_dictionaries(
        {"path": st.text(max_size=3)},
        optional={
            "size": st.integers(1, 9),
            "mode": st.sampled_from(["append", "upsert"]),
            "key": st.just(PLANTED) | st.just({"env": "TOKEN"}) | st.none(),
            "wait": st.sampled_from(["30s", 5, 0.5, None, "none"]),
        },
    ),
    lambda inner: st.builds(
        lambda one, children: one | {"children": children}, inner, st.lists(inner, max_size=2)
    ),
    max_leaves=4,
)

CREDENTIALS = st.sampled_from(
    [
        {"type": "none"},
        {"type": "bearer", "token": PLANTED},
        {"type": "bearer", "token": {"env": "TOKEN"}},
        {"type": "basic", "username": "me", "password": PLANTED},
        {"type": "api_key", "key": PLANTED, "place": "query"},
    ]
)

SERVICES = st.fixed_dictionaries(
    {
        "url": st.sampled_from(["https://a/b", f"https://me:{PLANTED}@a"]),
        "token": st.just(PLANTED),
        "auth": CREDENTIALS,
    },
    optional={
        "rate": st.sampled_from(["10/s", "10/s, 100/15min", None]),
        "share": st.sampled_from([0.25, 1]),
        "verify": st.booleans(),
        "scopes": st.lists(st.text(max_size=2), unique=True, max_size=2),
        "pair": st.just([2, "b"]),
        "label": st.sampled_from([3, "three"]),
        "resources": st.lists(RESOURCES, max_size=3),
        "named": st.dictionaries(st.sampled_from(["flights", "a.b", "x y", "é"]), RESOURCES, max_size=2),
        "anything": st.just({"deep": [PLANTED]}),
    },
)

WRONG: dict[str, list[Any]] = {
    # Values that the key of this name refuses at its own path. Where a secret may be shown, none is planted.
    "path": [3, None, [PLANTED], {"env": PLANTED}],
    "size": [0, -1, "3", 1.0, True, [PLANTED]],
    "mode": ["upsrt", 1, {"x": PLANTED}],
    "key": [5, True, [PLANTED], {"env": "MISSING"}, {"env": f"{PLANTED}-x"}, {"file": PLANTED}, {}],
    "wait": ["fast", -1, True, [PLANTED]],
    "children": [PLANTED, {"x": PLANTED}, 5],
    "url": [5, f"ftp://me:{PLANTED}@a", f"me:{PLANTED}@a", f"a?key={PLANTED}", {"env": PLANTED}],
    "token": [5, 1.5, None, [PLANTED], {"env": "MISSING"}, {"env": PLANTED}, {"file": f"no/{PLANTED}"}],
    "auth": [PLANTED, 5, None, [PLANTED]],
    "rate": ["often", 5, [PLANTED], "0/s"],
    "share": ["0.5", None, True, [PLANTED]],
    "verify": ["false", 0, [PLANTED]],
    "scopes": [PLANTED, {"x": PLANTED}],
    "pair": [[1], PLANTED, [1, "a", PLANTED]],
    "label": [1.5, None, [PLANTED], {"x": PLANTED}],
    "resources": [PLANTED, {"x": PLANTED}, None],
    "named": [PLANTED, [PLANTED]],
}

AUTH_BROKEN: list[tuple[Any, list[str]]] = [
    ({"type": "bearr", "token": PLANTED}, ["type"]),
    ({"token": PLANTED}, ["type"]),
    ({"type": {"x": PLANTED}}, ["type"]),
    ({"type": "bearer"}, ["token"]),
    ({"type": "bearer", "tokn": PLANTED}, ["token", "tokn"]),
    ({"type": "bearer", "token": {"enw": PLANTED}}, ["token", "token.enw"]),
    ({"type": "bearer", "token": {"env": 5}, "x": PLANTED}, ["token.env", "x"]),
    ({"type": "bearer", "token": {"env": "A", "file": PLANTED}}, ["token"]),
    ({"type": "basic", "password": [PLANTED]}, ["username", "password"]),
    ({"type": "api_key", "key": 5, "name": "", "place": "body"}, ["key", "name", "place"]),
    ({"type": "none", "token": PLANTED}, ["token"]),
]

Table = dict[str, Any]


@st.composite
def broken(draw: st.DrawFn) -> tuple[Table, list[str]]:
    """Draw a config and break it in several places; give it with the paths of what is wrong."""
    service = copy.deepcopy(draw(SERVICES))
    paths: list[str] = []
    _break_table(draw, service, "", paths, required=("url", "token", "auth"))
    return service, paths


def _often(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 3)) == 0


def _break_table(
    draw: st.DrawFn, table: Table, path: str, paths: list[str], required: tuple[str, ...]
) -> None:
    at = f"{path}." if path else ""
    for key in list(table):
        if key in WRONG and _often(draw):
            table[key] = draw(st.sampled_from(WRONG[key]))
            paths.append(f"{at}{key}")
        elif key in required and _often(draw):
            del table[key]
            paths.append(f"{at}{key}")
        else:
            _break_below(draw, table, key, f"{at}{key}", paths)
    if _often(draw):
        table["tokenn"] = draw(st.sampled_from([PLANTED, [PLANTED], {"x": PLANTED}]))
        paths.append(f"{at}tokenn")


def _break_below(draw: st.DrawFn, table: Table, key: str, path: str, paths: list[str]) -> None:
    if key == "auth" and _often(draw):
        table[key], below = copy.deepcopy(draw(st.sampled_from(AUTH_BROKEN)))
        paths.extend(f"{path}.{step}" for step in below)
    elif key == "scopes" and _often(draw):
        table[key] = ["a", 5, "a"]
        paths.extend([f"{path}[1]", f"{path}[2]"])
    elif key in ("resources", "children"):
        for index, below in enumerate(table[key]):
            _break_table(draw, below, f"{path}[{index}]", paths, required=("path",))
    elif key == "named":
        for name, below in table[key].items():
            step = name if name == "flights" else f'"{name}"'
            _break_table(draw, below, f"{path}.{step}", paths, required=("path",))


def load(cls: type[Any], tree: object) -> Any:
    """Load the tree as a JSON file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "service.json")
        path.write_text(json.dumps(tree))
        return load_config(cls, path, env={"TOKEN": PLANTED})


def everything_shown_of(error: ConfigError) -> str:
    """Give all the ways in which an error may come to somebody's eyes."""
    record = logging.LogRecord(
        "x", logging.ERROR, "x", 1, "%s %r", (error, error), (type(error), error, error.__traceback__)
    )
    logged = logging.Formatter().format(record)
    return "\n".join(
        [
            str(error),
            repr(error),
            repr(error.args),
            repr(error.problems),
            *traceback.format_exception(error),
            logged,
        ]
    )


@given(SERVICES)
def test_what_is_right_is_loaded_and_shows_no_secret(tree: Table) -> None:
    service = load(Service, tree)
    assert service.token.reveal() == PLANTED
    assert PLANTED not in repr(attrs.evolve(service, anything=None))


@given(broken())
def test_every_problem_is_told_with_its_path_and_no_secret_is(case: tuple[Table, list[str]]) -> None:
    tree, paths = case
    if not paths:
        load(Service, tree)
        return
    with pytest.raises(ConfigError) as caught:
        load(Service, tree)
    assert sorted(problem.path for problem in caught.value.problems) == sorted(paths)
    assert PLANTED not in everything_shown_of(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


SCHEMA = Draft202012Validator(json_schema(Service))


@given(SERVICES)
def test_what_is_right_fits_the_schema(tree: Table) -> None:
    SCHEMA.validate(tree)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "none", "x", "30s", "https://a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "path", "env"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def _places(node: Any) -> list[tuple[Any, Any]]:
    steps = list(
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    )
    return [(node, key) for key, _ in steps] + [place for _, below in steps for place in _places(below)]


@given(SERVICES, st.data())
def test_whatever_the_schema_refuses_the_converter_refuses_too(tree: Table, data: st.DataObject) -> None:
    tree = copy.deepcopy(tree)
    for _ in range(data.draw(st.integers(1, 3))):
        if places := _places(tree):
            node, key = data.draw(st.sampled_from(places))
            node[key] = data.draw(JSON)
    try:
        load(Service, tree)
    except ConfigError:
        return
    SCHEMA.validate(tree)


@pytest.mark.parametrize("make", [lambda: json_schema(Service), lambda: json_schema(ConnectorConfig)])
def test_schemas_are_valid_schemas(make: Callable[[], Table]) -> None:
    Draft202012Validator.check_schema(make())
