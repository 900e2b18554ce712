"""Sequences of calls of a destination, as the law `sequences` draws and shows them; `replay` plays one again."""

from connector_kit.testing.conformance.destination.call_sequences import (
    Crash,
    Finish,
    Reopen,
    ResetEntity,
    Start,
    Step,
    Write,
    replay,
)

__all__ = ["Crash", "Finish", "Reopen", "ResetEntity", "Start", "Step", "Write", "replay"]
