"""What a run found, as values that are kept in peer_results.json; and what is made of them: medians, ratios, targets."""

from __future__ import annotations

from statistics import median

import attrs

__all__ = [
    "MIB",
    "OURS",
    "WORDS",
    "Curve",
    "Faulted",
    "Measured",
    "Point",
    "Run",
    "Start",
    "Target",
    "targets",
]

MIB = 1024 * 1024
OURS = "connector_kit"


@attrs.frozen
class Measured:
    """All rounds of one contestant; `seconds` and `processor` are without its start-up, `memory` is in bytes."""

    name: str
    group: str
    records: int
    seconds: tuple[float, ...]
    processor: tuple[float, ...]
    memory: tuple[int, ...]
    startup: tuple[float, ...]
    lost: int
    repeated: int

    @property
    def per_second(self) -> float:
        """Records a second of elapsed time, in the median round."""
        return self.records / median(self.seconds)

    @property
    def per_processor_second(self) -> float:
        """Records a second of processor time, in the median round."""
        return self.records / median(self.processor)

    @property
    def spread(self) -> float:
        """The median deviation from the median of the seconds, as a share of it."""
        middle = median(self.seconds)
        return median(abs(each - middle) for each in self.seconds) / middle

    @property
    def peak(self) -> float:
        """The highest memory of any round, in MiB."""
        return max(self.memory) / MIB


@attrs.frozen
class Faulted:
    """What became of one read while one kind of fault was about. `code` is the exit code; `seconds` are with the waits."""

    name: str
    group: str
    fault: str
    records: int
    seconds: float
    code: int
    lost: int
    repeated: int


@attrs.frozen
class Point:
    """One run of a scaling curve."""

    at: int
    records: int
    seconds: float
    processor: float
    memory: int


@attrs.frozen
class Curve:
    """How cost grows with one thing; `along` says which."""

    along: str
    points: tuple[Point, ...]


@attrs.frozen
class Start:
    """Seconds from the start of the process, medians."""

    what: str
    seconds: float


@attrs.frozen
class Run:
    """A whole run: on what, of which versions, when, and what was found."""

    date: str
    machine: str
    load: float
    python: str
    versions: dict[str, str]
    rounds: int
    records: int
    page_size: int
    memory_records: int
    measured: tuple[Measured, ...]
    faulted: tuple[Faulted, ...] = ()
    curves: tuple[Curve, ...] = ()
    starts: tuple[Start, ...] = ()

    def of(self, group: str) -> tuple[Measured, ...]:
        """Give the contestants of a group."""
        return tuple(each for each in self.measured if each.group == group)

    def one(self, group: str, name: str) -> Measured | None:
        """Give one contestant, if it took part."""
        return next((each for each in self.of(group) if each.name == name), None)


@attrs.frozen
class Target:
    """Something that is to be at least so much, or, where `bound` is "at most", at most so much."""

    what: str
    found: float
    wanted: float
    bound: str = "at least"
    unit: str = ""
    by_processor: float | None = None
    """The same ratio of processor time, where it is one."""

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.found >= self.wanted if self.bound == "at least" else self.found <= self.wanted


RATIOS = (
    ("jsonl", "raw bytes, httpx2", 0.8),
    ("jsonl", "bare httpx2 + orjson", 2.5),
    ("jsonl", "airbyte-cdk, Python", 10.0),
    ("jsonl", "singer-sdk", 25.0),
    ("jsonl", "dlt", 40.0),
    ("sqlite", "bare httpx2 + msgspec + executemany", 0.8),
    ("memory", "plain async generator + msgspec", 0.8),
)
"""How many times the records a second of each we want to have."""
MOST_MEMORY = 80.0
MOST_SECONDS = {"connector-kit --help": 0.3, "first record of connector-kit read": 0.6}
WORDS = {"jsonl": "HTTP to JSONL", "sqlite": "HTTP to SQLite", "memory": "memory to JSONL"}


def targets(run: Run) -> list[Target]:
    """Compare what was found with what it has to be; leaves out what was not measured."""
    pairs = (
        (group, name, wanted, run.one(group, OURS), run.one(group, name)) for group, name, wanted in RATIOS
    )
    found = [
        Target(
            f"{WORDS[group]}, in times of {name}",
            ours.per_second / theirs.per_second,
            wanted,
            by_processor=ours.per_processor_second / theirs.per_processor_second,
        )
        for group, name, wanted, ours, theirs in pairs
        if ours is not None and theirs is not None
    ]
    if ours := run.one("jsonl", OURS):
        found.append(Target("HTTP to JSONL, peak memory", ours.peak, MOST_MEMORY, "at most", " MiB"))
    found.extend(
        Target(start.what, start.seconds, MOST_SECONDS[start.what], "at most", " s")
        for start in run.starts
        if start.what in MOST_SECONDS
    )
    return found
