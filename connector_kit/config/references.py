"""Structuring what is given as it is, or as where it is: `{ env = "TOKEN" }`, `{ file = "token.txt" }`.

That is secrets, and addresses: these differ from place to place, and may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector_kit.errors import Problem
from connector_kit.redaction import Secret

from .findings import Findings, Refused
from .scalars import scalar_hook
from .url import Url
from .wording import expectation, kind, nearest, step

if TYPE_CHECKING:
    from pathlib import Path

    from .scalars import Hook

__all__ = ["secret_hook", "url_hook"]

_PLACES = ("env", "file")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
"""How variables are named by custom. Anything else might be the secret itself, put where its name belongs."""


def secret_hook(env: Mapping[str, str], base: Path) -> Hook:
    """Give the hook for `Secret`: variables come from `env`, and files are relative to `base`."""

    def structure(given: Any, _: Any) -> Secret:
        if isinstance(given, Secret | str):
            return Secret.of(given)
        if not isinstance(given, Mapping):
            raise Refused(Problem("", kind(given), expectation(Secret)))
        place, name = _place(given)
        return Secret(_from_variable(name, env) if place == "env" else _from_file(name, base))

    return structure


def url_hook(env: Mapping[str, str], base: Path) -> Hook:
    """Give the hook for `Url`, found in the same places."""
    secret, parse = secret_hook(env, base), scalar_hook(Url)

    def structure(given: Any, target: Any) -> Url:
        text = secret(given, Secret).reveal() if isinstance(given, Mapping) else given
        url: Url = parse(text, target)
        return url

    return structure


def _place(given: Mapping[Any, Any]) -> tuple[str, str]:
    findings = Findings()
    for key, value in given.items():
        if key not in _PLACES:
            findings.add(
                Problem(step(key), "an unknown key", "env or file", nearest(key, _PLACES) or "remove it")
            )
        elif not isinstance(value, str) or not value:
            what = "the name of an environment variable" if key == "env" else "the path of a file"
            findings.add(Problem(step(key), kind(value) if value != "" else "an empty string", what))
    if sum(key in given for key in _PLACES) != 1:
        both = "both env and file" if all(key in given for key in _PLACES) else "neither env nor file"
        findings.add(Problem("", both, "one of them", 'write { env = "NAME" } or { file = "PATH" }'))
    findings.settle()
    ((place, name),) = given.items()
    return place, name


def _from_variable(name: str, env: Mapping[str, str]) -> str:
    if value := env.get(name):
        return value
    state = "is empty" if name in env else "is not set"
    if _VARIABLE.fullmatch(name):
        raise Refused(
            Problem("", f"environment variable {name} {state}", "the secret in it", f"export {name}=…")
        )
    raise Refused(
        Problem(
            "",
            f"the environment variable named here {state}",
            "the secret in it",
            "set it or correct its name",
        )
    )


def _from_file(name: str, base: Path) -> str:
    try:
        text, reason = (base / name).read_text("utf-8"), "it is empty"
    except OSError as error:
        text, reason = "", error.strerror or type(error).__name__
    except ValueError:
        # Not UTF-8, or a path with a null byte. What these errors carry is the file's content.
        text, reason = "", "it is no UTF-8 text"
    if secret := text.removesuffix("\n").removesuffix("\r"):
        return secret
    raise Refused(
        Problem(
            "",
            f"the file named here gives no secret: {reason}",
            f"a file with the secret in it; its path is relative to {base}",
            "write it or correct the path",
        )
    )
