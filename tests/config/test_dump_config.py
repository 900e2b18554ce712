"""The way back: plain values, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.config.auth import Basic
from connector_kit.config.dump import dump_config
from connector_kit.config.load import load_config
from connector_kit.config.url import Url
from connector_kit.durations import Duration
from connector_kit.limiters.rates import Rates
from connector_kit.redaction import Secret
from connector_kit.registry.connector_config import ConnectorConfig
from connector_kit.runtime.options import EntityOptions
from connector_kit.wrappers.stack.resilience import Resilience


class Colour(Enum):
    RED = "red"


@attrs.frozen
class Everything:
    _url: Url
    colour: Colour = Colour.RED
    folder: Path = Path("x")
    names: tuple[str, ...] = ()
    tags: frozenset[int] = frozenset()
    sizes: Mapping[str, float] = attrs.field(factory=dict)
    wait: Duration | None = None
    secret: Secret | None = None
    hidden: str = attrs.field(default="s3cr3t", repr=False)
    made: int = attrs.field(init=False, default=1)


def test_secrets_and_what_repr_hides_are_not_written() -> None:
    config = Everything(Url("https://me:s3cr3t@a"), secret=Secret("s3cr3t"), wait=Duration(90))
    assert dump_config(config) == {
        "url": "https://me:****@a",
        "colour": "red",
        "folder": "x",
        "names": [],
        "tags": [],
        "sizes": {},
        "wait": "1m30s",
        "secret": "****",
        "hidden": "****",
    }
    shown = dump_config(
        ConnectorConfig("x", settings={"password": "s3cr3t"}, auth=Basic("me", Secret("s3cr3t")))
    )
    assert "s3cr3t" not in json.dumps(shown)
    assert shown["auth"] == {"username": "me", "password": "****", "type": "basic"}


@given(
    st.builds(
        Everything,
        url=st.just(Url("https://a/b")),
        colour=st.sampled_from(Colour),
        names=st.lists(st.text(max_size=5)).map(tuple),
        tags=st.frozensets(st.integers()),
        sizes=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)),
        wait=st.none() | st.integers(0, 10**9).map(Duration),
    )
)
def test_what_has_no_secrets_loads_again_as_an_equal_value(config: Everything) -> None:
    tree = dump_config(config)
    del tree["secret"], tree["hidden"]
    assert load_config(Everything, json.loads(json.dumps(tree))) == config


def test_a_connectors_options_load_again() -> None:
    config = ConnectorConfig(
        "mock",
        resilience=Resilience(rate=Rates.parse("10/s, 100/15min"), deadline=None),
        entities={"a": EntityOptions("append", start=datetime(2024, 1, 1, tzinfo=UTC))},
    )
    tree = dump_config(config)
    assert load_config(ConnectorConfig, tree | {"settings": {}}) == config
