"""The one origin a connector speaks to, the credentials it is sent, and the targets (path and query) on it. No I/O.

Every URL a server hands over goes through `Origin.target_of`: what leads to another origin is refused, what carries
credentials loses them. So a target can be stored as a cursor, and resuming from it cannot send a credential elsewhere.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import quote, quote_plus, unquote_plus, urlencode, urljoin, urlsplit

import attrs

from connector_kit.config.auth import ApiKey, Auth, Basic, Bearer, NoAuth
from connector_kit.errors import RequestRejectedError
from connector_kit.redaction import HIDDEN

__all__ = ["Credentials", "Origin", "Parameter", "path_of"]


_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")

# Shorter values are no credentials, or ones that cannot be told from a page number.
_TELLING = 8


@attrs.frozen(repr=False)
class Credentials:
    """What is added to every request, and what must therefore never be shown or stored.

    `kind` names it in messages. `query` is a parameter's name and value. `words` are the texts to hide.
    """

    kind: str = "a request without credentials"
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    query: tuple[str, str] | None = None
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, auth: Auth, headers: Mapping[str, str]) -> Credentials:
        """Work out what `auth` adds. The values of `headers` from the config are hidden too: they may be secret."""
        words = tuple(value for value in headers.values() if len(value) >= _TELLING)
        match auth:
            case NoAuth():
                return cls(headers=dict(headers), words=words)
            case Bearer(token=token):
                secret, kind = token.reveal(), "the bearer token"
                return cls(kind, {**headers, "Authorization": f"Bearer {secret}"}, None, (secret, *words))
            case Basic(username=username, password=password):
                pair = b64encode(f"{username}:{password.reveal()}".encode()).decode()
                kind = "user name and password"
                return cls(
                    kind,
                    {**headers, "Authorization": f"Basic {pair}"},
                    None,
                    (pair, password.reveal(), *words),
                )
            case ApiKey(key=key, name=name, place="header"):
                return cls("the API key", {**headers, name: key.reveal()}, None, (key.reveal(), *words))
            case ApiKey(key=key, name=name):
                return cls("the API key", dict(headers), (name, key.reveal()), (key.reveal(), *words))

    @property
    def unfit(self) -> tuple[str, ...]:
        """The names of headers whose value cannot stand in a header: a line end, say, from a file with a token."""
        return tuple(name for name, value in self.headers.items() if not _HEADER_VALUE.fullmatch(value))

    def hidden_in(self, text: str) -> str:
        """Return the text without the secrets, in whatever way an answer may echo them."""
        shapes = {shape for word in self.words if word for shape in _shapes(word)}
        for shape in sorted(shapes, key=len, reverse=True):
            text = text.replace(shape, HIDDEN)
        return text

    def target(self, target: str) -> str:
        """Add the query parameter to path and query, if there is one."""
        if self.query is None:
            return target
        return f"{target}{'&' if '?' in target else '?'}{urlencode([self.query])}"

    def without(self, query: str) -> str:
        """Return a query without the parameters that carry a credential: servers echo them in the next page's URL."""
        return "&".join(part for part in query.split("&") if not (part and self._carries(part)))

    def _carries(self, part: str) -> bool:
        name, _, value = part.partition("=")
        own = self.query is not None and unquote_plus(name) == self.query[0]
        value = unquote_plus(value)
        return own or (len(value) >= _TELLING and value in self.words)

    def __repr__(self) -> str:
        return f"Credentials({self.kind})"


def _shapes(word: str) -> set[str]:
    return {word, quote(word), quote(word, safe=""), quote_plus(word), json.dumps(word)[1:-1]}


Parameter: TypeAlias = str | int | float | bool
"""A value in a query; `true` and `false` are written so."""

_SAFE = "/%:@!$&'()*+,;=~"
_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Origin:
    """Where requests go: scheme, host, port, the path all targets begin with, and the credentials they carry."""

    scheme: str
    host: str
    port: int
    root: str = ""
    credentials: Credentials = attrs.field(factory=Credentials)

    @classmethod
    def of(cls, base_url: str, credentials: Credentials) -> Origin:
        """Take a base URL apart. Whatever stands before an @ in it is left out: credentials belong in `auth`."""
        parts = urlsplit(base_url)
        scheme = parts.scheme.lower()
        return cls(
            scheme,
            parts.hostname or "",
            parts.port or _PORTS.get(scheme, 0),
            parts.path.rstrip("/"),
            credentials,
        )

    @property
    def authority(self) -> str:
        """Host and port, as in `api.example.com:443`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Scheme, host and port, as a URL begins with them."""
        return f"{self.scheme}://{self.authority}"

    def target(self, path: str, params: Mapping[str, Parameter]) -> str:
        """Return path and query of a request; the path is one below the base URL's."""
        query = urlencode({name: _text(value) for name, value in params.items()})
        full_path = f"{self.root}/{quote(path.lstrip('/'), safe=_SAFE)}"
        return f"{full_path}?{query}" if query else full_path

    def filled(self, target: str, params: Mapping[str, Parameter]) -> str:
        """Return a target with those of the parameters that it lacks."""
        path, _, query = target.partition("?")
        there = {unquote_plus(part.partition("=")[0]) for part in query.split("&")}
        missing = urlencode({name: _text(value) for name, value in params.items() if name not in there})
        return f"{path}?{'&'.join(part for part in (query, missing) if part)}" if query or missing else path

    def link_of(self, url: str, *, seen_at: str) -> str:
        """Return path and query of the next page, as `target_of` does.

        A path that is the one just asked for but for the base URL's is below the base URL, as servers write it that do
        not know where they are mounted: at `/v2/items`, the link `/items?page=2` leads to `/v2/items?page=2`.
        """
        target = self.target_of(url, seen_at=seen_at)
        return self.root + target if self.root and self.root + path_of(target) == path_of(seen_at) else target

    def target_of(self, url: str, *, seen_at: str) -> str:
        """Return path and query of a URL that the answer to the target `seen_at` handed over, without credentials.

        Raises `RequestRejectedError` where it leads to another origin. What says http where the base URL says https, of
        the same host, is what a server behind a proxy writes: the origin stays the one of the base URL.
        """
        try:
            parts = urlsplit(urljoin(self.url + seen_at, url.strip()))
            origin = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        except ValueError as error:
            raise RequestRejectedError(
                f"the answer for {path_of(seen_at)} leads to something that is no URL ({error}); "
                f"expected one on {self.url}; look at what the server sends"
            ) from None  # the original would show the URL with all that is in it
        if origin != (self.scheme, self.host, self.port) and not self._is_unaware_of_tls(origin):
            raise RequestRejectedError(
                f"the answer for {path_of(seen_at)} leads to {origin[0]}://{origin[1]}:{origin[2]}, expected one on "
                f"{self.url}: credentials are not sent to another origin; if that one is right, make it the base_url"
            )
        query = self.credentials.without(parts.query)
        path = quote(parts.path or "/", safe=_SAFE)
        return f"{path}?{query}" if query else path

    def _is_unaware_of_tls(self, origin: tuple[str, str | None, int | None]) -> bool:
        scheme, host, port = origin
        return (self.scheme, scheme, host) == ("https", "http", self.host) and port in (
            self.port,
            _PORTS["http"],
        )


def path_of(target: str) -> str:
    """Return a target without its query, for messages: a query may carry what nobody should read."""
    return target.split("?", 1)[0]


def _text(value: Parameter) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
