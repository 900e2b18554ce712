"""Settings from the command line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.cli.settings import parse_settings, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1000", 1000),
        ("1_000", 1000),
        ("0.5", 0.5),
        ("true", True),
        ('"true"', "true"),
        ('["a", 1]', ["a", 1]),
        ('{ env = "TOKEN" }', {"env": "TOKEN"}),
        ("30s", "30s"),
        ("https://example.com/#top", "https://example.com/#top"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_read_as_toml_and_anything_else_is_text(text: str, value: Any) -> None:
    assert parse_value(text) == value


@given(st.text())
def test_any_text_is_some_value(text: str) -> None:
    parse_value(text)


def test_dots_go_one_level_down() -> None:
    given_ = ["size=5", "auth.type=bearer", "auth.token.env=TOKEN", "a.b=x=y"]
    assert parse_settings(given_) == {
        "size": 5,
        "auth": {"type": "bearer", "token": {"env": "TOKEN"}},
        "a": {"b": "x=y"},
    }


@pytest.mark.parametrize(
    "texts", [["size=1", "size=2"], ["a=1", "a.b=2"], ["a.b=1", "a=2"], ["a=1", "a.b.c=2"]]
)
def test_a_setting_that_is_given_twice_is_refused_without_its_value(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="is given twice") as caught:
        parse_settings(texts)
    assert "1" not in str(caught.value)
    assert "2" not in str(caught.value)


@pytest.mark.parametrize("text", ["size", "=5", "a..b=5", ".a=5"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name=value"):
        parse_settings([text])
