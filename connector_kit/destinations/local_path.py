"""The path in what a person types for a destination that is a file or a folder."""

from __future__ import annotations

from pathlib import Path

from connector_kit.errors import ConfigError

__all__ = ["local_path"]


def local_path(text: str, form: str) -> Path:
    """Return the path behind the scheme of a `form` like `sqlite:FILE`. Raise `ConfigError` for nothing and for a URL."""
    scheme = form.partition(":")[0]
    if not text:
        raise ConfigError(
            f"destination {scheme}: names no place; expected {form}; write where the data should go"
        )
    if text.startswith("//"):
        # It is not shown: it may hold a password.
        raise ConfigError(
            f"destination {scheme}: is written as a URL; expected {form}; leave out the slashes, but for the one that an "
            "absolute path begins with"
        )
    return Path(text)
