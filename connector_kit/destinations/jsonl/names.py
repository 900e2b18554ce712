"""Entity names as file names. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from connector_kit.errors import ConfigError

__all__ = ["file_name"]

# Windows takes these for devices, with any ending and in any case.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST = 200
"""Bytes: file systems take 255, and endings are added."""


def file_name(entity: str) -> str:
    """Give the file name, without an ending, of an entity.

    Letters, digits, `_`, `-`, `~` and dots inside stay; anything else becomes %XX, as in a URL, so that
    `urllib.parse.unquote` gives the entity again. Case stays, too: on a file system that ignores it, `folder` refuses the second of two names that differ only in case.

    >>> file_name("orders/2013")
    'orders%2F2013'

    Raises `ConfigError` for a name that is empty, too long or no valid text.
    """
    try:
        name = quote(entity, safe="")
    except UnicodeEncodeError:
        name = ""
    if not name or len(name) > _LONGEST:
        raise ConfigError(
            f"entity {entity!r} cannot be a file; expected a name that is valid text and takes 1 to {_LONGEST} bytes; "
            "give the entity another name"
        )
    if name.startswith(".") or _DEVICES.fullmatch(name):
        return f"%{ord(name[0]):02X}{name[1:]}"
    return name
