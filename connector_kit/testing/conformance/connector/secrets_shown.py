"""Where a secret showed while the law of errors looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connector_kit.testing.conformance.overheard import SHORTEST, SecretForms, texts_of

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings

__all__ = ["SecretsShown"]

_MOST: Final = 5  # places told; who mends these looks again


class SecretsShown:
    """Looks for secrets in texts, and remembers where it found one and what stood around it."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        self._forms = SecretForms.of(self._secrets)
        self._places: dict[str, str] = {}
        self._errors = 0
        self._texts = 0

    @property
    def any_looked_for(self) -> bool:
        """Whether there is a secret to look for."""
        return bool(self._forms.forms)

    def look_at(self, where: str, text: str) -> None:
        """Look for secrets in a text."""
        self._texts += 1
        excerpt = self._forms.excerpt(text)
        if excerpt is not None:
            self._places.setdefault(where, excerpt)

    def look_at_error(self, error: BaseException) -> None:
        """Look for secrets in all that a traceback of an error would show."""
        self._errors += 1
        for where, text in texts_of(error):
            self.look_at(where, text)

    def tell(self, found: Findings) -> None:
        """Tell where secrets showed, and what was not looked at."""
        if not self._secrets:
            found.unchecked("secrets in messages, logs, cursors and output (give secrets=[...])")
            return
        short = sum(len(secret) < SHORTEST for secret in self._secrets)
        if short:
            found.unchecked(f"{short} secrets of less than {SHORTEST} letters, which stand in any text")
        for where, excerpt in list(self._places.items())[:_MOST]:
            found.broken(
                f"a secret shows in {where}",
                expected="that no message, repr, log line or cursor contains one",
                mend="keep it in a Secret, and make messages of what was asked for, without headers and credentials",
                records=(excerpt,),
            )
        if self._texts and not self._places:
            found.checked(
                f"no secret in {self._errors} errors, nor in repr, catalog, cursors, logs, warnings and output"
            )
