"""For authors and their tests: the laws as a test kit, a clock whose time is virtual, strategies, a destination in memory.

Every public name is imported when it is first used: the kit for tests is not what a program should pay for, and only
the strategies and the plans of faults need hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import laws, strategies
    from .conformance.bounds import Bounds
    from .conformance.check_connector import check_connector
    from .conformance.check_destination import check_destination
    from .conformance.check_wrapper import check_wrapper
    from .conformance.destination.place import Abandoning, Crashing, Killed, Occupiable, Place
    from .conformance.http_proxy import HttpProxy
    from .conformance.report import LawReport, LawsBrokenError
    from .conformance.subject import Subject
    from .conformance.verdict import Evidence, Law, Verdict
    from .conformance.wire import Answer, CutOff, Hold, Reset, Trickle, Wire
    from .law_tests import connector_laws, destination_laws, wrapper_laws
    from .memory import MemoryDestination
    from .virtual_clock import VirtualClock

__all__ = [
    "Abandoning",
    "Answer",
    "Bounds",
    "Crashing",
    "CutOff",
    "Evidence",
    "Hold",
    "HttpProxy",
    "Killed",
    "Law",
    "LawReport",
    "LawsBrokenError",
    "MemoryDestination",
    "Occupiable",
    "Place",
    "Reset",
    "Subject",
    "Trickle",
    "Verdict",
    "VirtualClock",
    "Wire",
    "check_connector",
    "check_destination",
    "check_wrapper",
    "connector_laws",
    "destination_laws",
    "laws",
    "strategies",
    "wrapper_laws",
]

_MODULES = {
    "conformance.bounds": ["Bounds"],
    "conformance.check_connector": ["check_connector"],
    "conformance.check_destination": ["check_destination"],
    "conformance.check_wrapper": ["check_wrapper"],
    "conformance.destination.place": ["Abandoning", "Crashing", "Killed", "Occupiable", "Place"],
    "conformance.http_proxy": ["HttpProxy"],
    "conformance.report": ["LawReport", "LawsBrokenError"],
    "conformance.subject": ["Subject"],
    "conformance.verdict": ["Evidence", "Law", "Verdict"],
    "conformance.wire": ["Answer", "CutOff", "Hold", "Reset", "Trickle", "Wire"],
    "law_tests": ["connector_laws", "destination_laws", "wrapper_laws"],
    "memory": ["MemoryDestination"],
    "virtual_clock": ["VirtualClock"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in {"laws", "strategies"}:  # modules, each a public name as a whole
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
