"""How a verb's help ends: what one may type, and what comes next."""

from __future__ import annotations

__all__ = ["examples"]


def examples(*commands: str, then: str) -> str:
    """Give the end of a help text, in the form in which click leaves its lines alone."""
    lines = "\n".join(f"  connector-kit {command}" for command in commands)
    return f"\b\nExamples:\n{lines}\n\nNext: {then}"
