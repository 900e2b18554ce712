"""URLs are checked, and shown without what is secret in them."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from connector_kit.config.problems import secrets_in
from connector_kit.config.url import Url


@pytest.mark.parametrize(
    "text",
    [
        "https://api.example.com",
        "http://127.0.0.1:8000/v1/",
        "https://[::1]:443/x",
        "https://me:pw@example.com/?a=1#b",
    ],
)
def test_takes_absolute_http_urls(text: str) -> None:
    assert Url.parse(text).reveal() == text
    assert Url.of(Url.of(text)) == Url(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.example.com",
        "/v1",
        "ftp://example.com",
        "https://",
        "https://:443",
        "https://example.com:99999",
        "https://example.com:0",
        "https://exa mple.com",
        "https://example.com\n",
        "https://example.com\\@other.com",
        "https://[::1",
        "https//me:s3cr3t@example.com",
    ],
)
def test_refuses_everything_else_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="an absolute URL like") as caught:
        Url.parse(text)
    assert caught.value.__context__ is None
    assert str(caught.value) == 'an absolute URL like "https://api.example.com/v1"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.com/v1", "https://example.com/v1"),
        ("https://me:s3cr3t@example.com/v1", "https://me:****@example.com/v1"),
        ("https://s3cr3t@example.com", "https://****@example.com"),
        ("https://example.com/?key=s3cr3t#s3cr3t", "https://example.com/?****#****"),
    ],
)
def test_shows_no_secret(text: str, shown: str) -> None:
    url = Url(text)
    assert str(url) == f"{url}" == shown
    assert repr(url) == f"Url({shown!r})"
    assert b"s3cr3t" not in msgspec.json.encode(url)


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("https://example.com/v1", []),
        ("https://me:s3cr3t@example.com/v1", ["https://me:s3cr3t@example.com/v1", "s3cr3t"]),
        ("https://t0ken@example.com?k=v#f", ["https://t0ken@example.com?k=v#f", "t0ken", "k=v", "f"]),
    ],
)
def test_only_what_it_hides_is_a_secret(text: str, secrets: list[str]) -> None:
    """Else every message that names the address of an API would show one."""
    assert list(secrets_in({"settings": [Url(text)]})) == secrets


def test_text_that_is_no_url_is_shown_only_where_it_can_have_no_secret() -> None:
    assert Url.redact("example.com/v1") == "example.com/v1"
    assert Url.redact("https//me:s3cr3t@example.com") is None
    assert Url.redact("example.com?key=s3cr3t") is None


def test_is_a_value() -> None:
    url = Url("https://example.com")
    assert url == pickle.loads(pickle.dumps(url))
    assert len({url, Url("https://example.com")}) == 1
    assert url.host == "example.com"
