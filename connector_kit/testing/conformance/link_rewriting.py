"""How what an API says of itself is made to lead through a proxy: absolute URLs in headers and JSON bodies. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import attrs

__all__ = ["LinkRewriting"]

_HEADERS = frozenset({"link", "location", "content-location"})
_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class LinkRewriting:
    r"""Puts one origin (`http://127.0.0.1:8123`) in the place of another (`https://api.example.com`).

    Rewritten are the headers Link, Location and Content-Location, and bodies whose content type names JSON: every
    occurrence of the origin in their text, with or without its default port, with slashes plain or escaped (`\/`), in
    whatever case. An origin is only taken for one where it ends there: at a slash, a quote, `?`, `#`, white space.

    Not rewritten: URLs without scheme or host (they lead through the proxy by themselves), URLs with a user name,
    with the host percent-encoded (as the value of a parameter), or cut in two by JSON's \u escapes; cookies' domains;
    bodies of other types; bodies that are compressed. As records are bodies, too, a URL in a record is rewritten.
    """

    upstream: str
    here: str
    _pattern: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.upstream)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        usual = _PORTS.get(parts.scheme)
        port = f"(?::{usual})?" if parts.port in (None, usual) else f":{parts.port}"
        pattern = rf"{re.escape(parts.scheme)}:\\?/\\?/{re.escape(host)}{port}(?=[\\/?#\"'<>;,\s]|$)"
        object.__setattr__(self, "_pattern", re.compile(pattern, re.IGNORECASE))

    def header(self, name: str, value: str) -> str:
        """Give the value of a header."""
        return self._text(value) if name.lower() in _HEADERS else value

    def body(self, content_type: str, body: bytes) -> bytes:
        """Give a body. One that is no UTF-8 stays as it is."""
        if "json" not in content_type.lower():
            return body
        try:
            return self._text(body.decode()).encode()
        except UnicodeDecodeError:
            return body

    def _text(self, text: str) -> str:
        return self._pattern.sub(lambda _: self.here, text)
