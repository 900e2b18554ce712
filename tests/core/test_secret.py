"""A secret is shown to nobody who does not ask for it."""

from __future__ import annotations

import copy
import json
import pickle

import attrs
import msgspec
import pytest

from connector_kit.redaction import Secret

TOKEN = "s3cr3t-t0k3n"


def test_only_reveal_gives_the_secret() -> None:
    secret = Secret(TOKEN)
    assert secret.reveal() == TOKEN
    percent = "%s"
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        f"{secret:>20}",
        percent % secret,
        repr([secret]),
    ]
    assert not [text for text in shown if TOKEN in text]
    assert f"{secret:>6}" == "  ****"


def test_no_serialiser_writes_it_in_the_clear() -> None:
    @attrs.frozen
    class Holder:
        token: Secret

    holder = Holder(Secret(TOKEN))
    with pytest.raises(TypeError):
        json.dumps(holder.token)
    with pytest.raises(TypeError):
        msgspec.json.encode(holder)
    assert TOKEN not in str(attrs.asdict(holder))
    assert not hasattr(holder.token, "__dict__")


def test_equal_by_value_and_usable_as_a_key() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_copies_and_pickles_keep_the_value() -> None:
    """Worker processes get their connectors pickled, and need the token."""
    secret = Secret(TOKEN)
    assert pickle.loads(pickle.dumps(secret)) == copy.deepcopy(secret) == secret


def test_does_not_change() -> None:
    secret = Secret(TOKEN)
    with pytest.raises(AttributeError, match="make a new one"):
        secret._value = "other"
    with pytest.raises(AttributeError, match="make a new one"):
        del secret._value
    assert secret.reveal() == TOKEN


def test_of_takes_text_and_secrets() -> None:
    secret = Secret.of(TOKEN)
    assert secret.reveal() == TOKEN
    assert Secret.of(secret) is secret


def test_refuses_what_is_no_string_without_showing_it() -> None:
    given: object = TOKEN.encode()
    with pytest.raises(TypeError, match="not bytes") as caught:
        Secret(given)  # type: ignore[arg-type]  # what a caller without a type checker may do
    assert TOKEN not in str(caught.value)
