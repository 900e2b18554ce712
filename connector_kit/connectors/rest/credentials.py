"""What of a request is secret: the headers and the query parameter that `auth` stands for, and how to hide them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, unquote_plus, urlencode

import attrs

from connector_kit.config.auth import ApiKey, Auth, Basic, Bearer, NoAuth
from connector_kit.redaction import HIDDEN

__all__ = ["Credentials"]

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
        """Give the text without the secrets, in whatever way an answer may echo them."""
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
        """Give a query without the parameters that carry a credential: servers echo them in the next page's URL."""
        return "&".join(part for part in query.split("&") if part and not self._carries(part))

    def _carries(self, part: str) -> bool:
        name, _, value = part.partition("=")
        own = self.query is not None and unquote_plus(name) == self.query[0]
        value = unquote_plus(value)
        return own or (len(value) >= _TELLING and value in self.words)

    def __repr__(self) -> str:
        return f"Credentials({self.kind})"


def _shapes(word: str) -> set[str]:
    return {word, quote(word), quote(word, safe=""), quote_plus(word), json.dumps(word)[1:-1]}
