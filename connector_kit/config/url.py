"""The address of an HTTP service, checked, and shown without what is secret in it."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

import attrs

from connector_kit.redaction import HIDDEN, Secret

__all__ = ["Url"]

_EXPECTED = 'an absolute URL like "https://api.example.com/v1"'
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f\\]")
"""What urlsplit would drop without a word (tabs, line ends), and what clients read in different ways."""


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = SplitResult("", "", "", "", ""), False
    if not usable or _FORBIDDEN.search(text):
        raise ValueError(_EXPECTED)
    return parts


def _hidden(text: str | Secret) -> Secret:
    return Secret.of(text)


@attrs.frozen(repr=False, str=False)
class Url:
    """An absolute http(s) URL. `str()` and `repr()` hide its password, query and fragment; `reveal()` does not.

    Raises `ValueError` with what is expected, never with the text, where it is no such URL.

    >>> Url("https://me:s3cr3t@example.com/v1?key=abc")
    Url('https://me:****@example.com/v1?****')
    """

    _text: Secret = attrs.field(converter=_hidden)

    def __attrs_post_init__(self) -> None:
        _split(self.reveal())

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read an absolute http or https URL. Raises `ValueError` with what is expected, never with the text."""
        return cls(text)

    @classmethod
    def of(cls, given: str | Url) -> Url:
        """Take text, or a URL as it is. Serves as an attrs converter."""
        return given if isinstance(given, Url) else cls(given)

    @classmethod
    def redact(cls, text: str) -> str | None:
        """Return text that was meant as a URL without its secrets, None where they cannot be told apart."""
        return None if re.search("[@?#]", text) else text

    @property
    def host(self) -> str:
        """The host's name, without port and user."""
        return _split(self.reveal()).hostname or ""

    def reveal(self) -> str:
        """Return the whole URL, password and all: to the client that needs it."""
        return self._text.reveal()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The parts that `str()` hides: the password, or a user without one, the query and the fragment."""
        parts = _split(self.reveal())
        return tuple(part for part in (parts.password or parts.username, parts.query, parts.fragment) if part)

    def __str__(self) -> str:
        parts = _split(self.reveal())
        user, at, host = parts.netloc.rpartition("@")
        name, colon, _ = user.partition(":")
        # A user without a password is often a token.
        shown = f"{name}:{HIDDEN}@" if colon else f"{HIDDEN}@" if at else ""
        return parts._replace(
            netloc=f"{shown}{host}",
            query=HIDDEN if parts.query else "",
            fragment=HIDDEN if parts.fragment else "",
        ).geturl()

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"
