"""What to mend where an exception came out that is no `ConnectorError`. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["advice"]

_TRANSLATE: Final = "translate the client's exceptions (`Translating`) or mend the mistake"

_KNOWN: Final = (
    (
        "ignored GeneratorExit",
        "hand over no page while the read is closed: no `yield` in a `finally` or in an `except BaseException`",
    ),
    (
        "cancel scope",
        "hand over no page inside a task group or a cancel scope: whoever reads on or closes may be another task",
    ),
    (
        "different task",
        "hand over no page inside a task group or a timeout: whoever closes may be another task",
    ),
    ("is already running", "let a read not be asked for a page before the last one has come"),
    ("attached to a different loop", "make what belongs to an event loop in connect, not in __init__"),
)
"""Parts of what Python, asyncio, trio and anyio say, and what is behind it."""


def advice(error: BaseException) -> tuple[str, str]:
    """Give what is expected instead of the error, and what to mend, as far as its words tell."""
    text = str(error) if isinstance(error, RuntimeError) else ""
    mend = next((mend for words, mend in _KNOWN if words in text), "")
    return ("no error", mend) if mend else ("a ConnectorError, classified", _TRANSLATE)
