"""What must not stand in a cassette: known secrets wherever they occur, and the values of chosen fields."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import attrs

from connector_kit.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Redaction"]


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def _disguises(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return every form in which a secret may occur in text, longer ones first: `abc` may be a part of `abcd`."""
    return tuple(
        sorted({form for secret in secrets if secret for form in _forms(secret)}, key=len, reverse=True)
    )


def _forms(secret: str) -> Iterator[str]:
    """Return a secret as it is, in a URL, in another text's quotes, and as a header has it."""
    yield secret
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    encoded = b64encode(secret.encode("utf-8", "surrogatepass")).decode()
    yield from (encoded, encoded.rstrip("="))


@attrs.frozen
class Redaction:
    """Puts `****` in place of what must not be seen.

    `fields` are names whose values are hidden at any depth, in capitals or not; a None stays. `secrets` are hidden
    in every text, name and number they occur in, also as they stand in a URL or in base64.
    """

    fields: frozenset[str] = attrs.field(default=frozenset(), converter=_folded)
    secrets: tuple[str, ...] = attrs.field(default=(), converter=_disguises, repr=False)

    def hides(self, name: str) -> bool:
        """Whether the value of this field is hidden."""
        return bool(self.fields) and name.casefold() in self.fields

    def occurs_in(self, text: str) -> bool:
        """Whether there is a secret in a text."""
        return any(secret in text for secret in self.secrets)

    def text(self, text: str) -> str:
        """Return the text with every secret in it hidden."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def content(self, content: bytes) -> bytes:
        """Return bytes with every secret in them hidden."""
        for secret in self.secrets:
            content = content.replace(secret.encode("utf-8", "surrogatepass"), HIDDEN.encode())
        return content
