"""`Specimen`: one wrong connector, the law it breaks, and its right twin, which is the class it derives from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import attrs

from connector_kit.testing.conformance.bounds import Bounds

from .ledger import Ledger
from .source import Source

__all__ = ["PATIENT", "QUICK", "Specimen"]

QUICK = Bounds(seconds=10.0, call_seconds=0.6, pages=20, plans=5)
"""The sources of the zoo are small and in memory, and answer at once or never."""

PATIENT = attrs.evolve(QUICK, seconds=60.0, call_seconds=5.0)
"""For right ones, of which none makes anybody wait: a busy machine must not look like a hang."""


@attrs.frozen
class Specimen:
    """A wrong connector and the name of the law that it breaks. Its docstring's first line says how.

    `of_none`: what is wrong with it concerns no entity in particular.
    """

    law: str
    wrong: type[Ledger]
    source: Callable[[], Source] = Source
    bounds: Bounds = QUICK
    of_none: bool = False

    @property
    def of_entity(self) -> bool:
        """Whether the evidence has to name an entity."""
        laws_of_entities = {"shape", "resume", "since", "progress", "cursors", "sample"}
        return self.law in laws_of_entities and not self.of_none

    @property
    def name(self) -> str:
        """The wrong one's name, in words: CursorSkipsOne is `cursor skips one`."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", self.wrong.__name__).lower()

    @property
    def right(self) -> type[Ledger]:
        """The right twin."""
        (twin,) = self.wrong.__bases__
        assert issubclass(twin, Ledger)
        return twin

    @property
    def differs(self) -> tuple[str, ...]:
        """The methods in which the two differ."""
        return tuple(name for name, value in vars(self.wrong).items() if inspect.isfunction(value))

    @property
    def story(self) -> str:
        """What is wrong, in a sentence."""
        return (inspect.getdoc(self.wrong) or "").partition("\n")[0]
