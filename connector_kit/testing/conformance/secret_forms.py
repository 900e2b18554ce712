"""The forms in which a secret may show: as it is, escaped, in a URL, in base64; and the texts an error shows itself in."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import attrs

from connector_kit.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SHORTEST", "SecretForms", "texts_of"]

SHORTEST = 4
"""Letters. A shorter secret would be found in any text."""

_AROUND = 60  # letters of a text on both sides of a secret in it
_SHORTEST_ENCODED = 8


@attrs.frozen
class SecretForms:
    """What to look for. The longest ones first, so that what is left of a text after hiding them tells nothing."""

    forms: tuple[str, ...]

    @classmethod
    def of(cls, secrets: tuple[str, ...]) -> SecretForms:
        """Give the forms of all secrets that are long enough to be told from other text."""
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms_of(secret)}
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def excerpt(self, text: str) -> str | None:
        """Give what stands around the first secret in a text, with it hidden; None where there is none."""
        places = [place for form in self.forms if (place := text.find(form)) >= 0]
        if not places:
            return None
        before = "…" if min(places) > _AROUND else ""
        rest = text[max(0, min(places) - _AROUND) :]
        for form in self.forms:
            rest = rest.replace(form, HIDDEN)
        return before + (rest if len(rest) <= 3 * _AROUND else f"{rest[: 3 * _AROUND]}…")


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    yield quote_plus(secret)
    # Inside a longer text in base64 ("user:secret") it looks one of three ways, by its place there; what its neighbours
    # have a share in is left out.
    for offset in range(3):
        encoded = b64encode(bytes(offset) + secret.encode()).decode()
        certain = encoded[-(-offset * 8 // 6) : (offset + len(secret.encode())) * 8 // 6]
        if len(certain) >= _SHORTEST_ENCODED:
            yield certain


def texts_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Give what a traceback of an error shows, without the lines of source: where it stands, and the text.

    Its causes count, and the errors of a group; a context that was suppressed does not.
    """
    seen: set[int] = set()
    left = [(error, "")]
    while left:
        one, whose = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        name = f"{type(one).__name__}{whose}"
        yield f"the message of {name}", _safely(str, one)
        yield f"the repr of {name}", _safely(repr, one)
        for note in getattr(one, "__notes__", ()):
            yield f"a note of {name}", str(note)
        behind = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if behind is not None:
            left.append((behind, f", the cause of {type(one).__name__}"))
        if isinstance(one, BaseExceptionGroup):
            left += [(each, f", in {type(one).__name__}") for each in one.exceptions]


def _safely(show: Callable[[BaseException], str], error: BaseException) -> str:
    try:
        return show(error)
    except Exception as failed:  # noqa: BLE001 - an error that cannot be shown shows nothing
        return f"({type(failed).__name__})"
