"""A string that nobody prints by accident, and how known secrets are hidden in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HIDDEN", "Secret", "without_secrets"]

HIDDEN = "****"
"""What is shown in place of a secret."""


class Secret:
    """Holds a string; `reveal()` returns it, everything else shows `****`.

    It is no attrs class and no string on purpose: what serialises those (msgspec, `attrs.asdict`, `json`) would write
    it in the clear, and refuses this. Pickling keeps the value, since worker processes need it: a pickle is as secret
    as what is in it.

    >>> token = Secret("s3cr3t")
    >>> print(f"{token}", repr(token))
    **** Secret('****')
    >>> token.reveal()
    's3cr3t'
    """

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str) -> None:
        # Whoever came here without a type checker may hold the secret in another shape: it is not shown either.
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a checker
            raise TypeError(f"a Secret holds a string, not {type(value).__name__}; pass the secret's text")
        object.__setattr__(self, "_value", str(value))

    @classmethod
    def of(cls, given: str | Secret) -> Secret:
        """Take a string, or a secret as it is. Serves as an attrs converter."""
        return given if isinstance(given, Secret) else cls(given)

    def reveal(self) -> str:
        """Return the secret in the clear: to the client that needs it, as late as possible."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a Secret does not change; {name!r} cannot be set: make a new one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Secret does not change; {name!r} cannot be deleted: make a new one")

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return type(self), (self._value,)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every one of these secrets hidden."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):  # one may be a part of another
        text = text.replace(secret, HIDDEN)
    return text
