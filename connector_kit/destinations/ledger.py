"""The rules of every destination: what start, write, finish and reset make of the entry that it keeps of an entity. Pure.

A destination reads the entry, asks for the next one, and stores it in the atomic step that also stores the rows. The entry
says which rows count. How rows and entries are stored is the destination's.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import attrs

from connector_kit.errors import ConfigError, DataError, DestinationError
from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from connector_kit.records.catalog import Entity

__all__ = [
    "MOVES",
    "Entry",
    "Generation",
    "Move",
    "Phase",
    "Start",
    "decoded_state",
    "refuse_gap",
    "refuse_mode",
    "started_read",
]

R = TypeVar("R")


class Phase(Enum):
    """What is under way with an entity."""

    IDLE = "idle"
    APPENDING = "appending"
    UPSERTING = "upserting"
    REPLACING = "replacing"
    SWAPPING = "swapping"
    """A replace is finished, and its generation is about to take the place of the current one."""


Move: TypeAlias = Literal["append", "upsert", "replace", "write", "finish", "announce", "swap", "reset"]
"""A start in one of the modes, or another change of an entry."""

_ANY_TIME: Mapping[Move, Phase] = {
    "append": Phase.APPENDING,
    "upsert": Phase.UPSERTING,
    "replace": Phase.REPLACING,
    "reset": Phase.IDLE,
}

MOVES: Mapping[Phase, Mapping[Move, Phase]] = {
    Phase.IDLE: _ANY_TIME,
    Phase.APPENDING: {**_ANY_TIME, "write": Phase.APPENDING, "finish": Phase.IDLE},
    Phase.UPSERTING: {**_ANY_TIME, "write": Phase.UPSERTING, "finish": Phase.IDLE},
    Phase.REPLACING: {
        **_ANY_TIME,
        "write": Phase.REPLACING,
        "finish": Phase.IDLE,
        "announce": Phase.SWAPPING,
    },
    Phase.SWAPPING: {"swap": Phase.IDLE},
}
"""The legal moves in each phase, with the phase that follows. A process may be killed in any phase, so that a start is
legal in each of them but one: a swap that was announced is carried out first."""


@attrs.frozen
class Generation:
    """The rows of an entity that are shown, or that a replace builds beside those.

    `checkpoint` is encoded as JSON. `covered` is how far it reaches, in the store's own measure (a row number, rows,
    bytes): what lies beyond is provisional. None: it covers all rows that are there. `log` is which of the entity's logs of
    fingerprints belongs to it, for stores that number them; how much of that counts, the checkpoint says.
    """

    checkpoint: bytes | None = None
    covered: int | None = None
    log: int = 0

    def decoded(self) -> Checkpoint | None:
        """Return the checkpoint as a value. Raise `DataError` where it is none."""
        return None if self.checkpoint is None else Checkpoint.from_json(self.checkpoint)


@attrs.frozen
class Entry:
    """What a destination keeps of one entity beside its rows.

    `run` counts starts and resets, so that a write of an earlier run can be told from one of the latest. `owned` says
    that the destination has made the entity's table or file: what is there without being owned is somebody else's.
    """

    entity: str
    run: int = 0
    owned: bool = False
    phase: Phase = Phase.IDLE
    current: Generation = Generation()
    following: Generation | None = None

    @property
    def target(self) -> Generation:
        """The generation that a write goes to."""
        return self.following if self.following and self.phase is Phase.REPLACING else self.current

    @property
    def state(self) -> EntityState | None:
        """The last checkpoint, of the generation that a replace builds if that has one, or why it cannot be decoded."""
        encoded = (self.following and self.following.checkpoint) or self.current.checkpoint
        return None if encoded is None else decoded_state(self.entity, encoded)

    def start(self, mode: Mode, *, resume: bool, unfinished: bool = True, rows_first: bool = False) -> Start:
        """Begin a read, whatever an earlier one has left.

        `unfinished` says that the rows of the following generation are still there. `rows_first` is for stores in which
        rows land before the checkpoint that covers them: there `covered` is always set.
        """
        after, following = self._after(mode), None
        continued = self._is_continued(mode, resume=resume and unfinished)
        if mode == "replace":
            following = self.following if continued else Generation(covered=0)
        entry = attrs.evolve(self, run=self.run + 1, phase=after, following=following)
        if not rows_first:
            entry = _all_covered(entry)
        return Start(
            entry,
            keep_current=None if self.phase is Phase.IDLE else self.current.covered,
            keep_following=following.covered if following and continued else None,
            continued=continued,
        )

    def adopt(self, covered: int) -> Entry:
        """Let rows count that others have added since the last complete read."""
        return attrs.evolve(self, current=attrs.evolve(self.current, covered=covered))

    def cover(self, checkpoint: bytes, covered: int | None = None, log: int = 0) -> Entry:
        """Write records together with the checkpoint that covers them and all before."""
        return self._written(Generation(checkpoint, covered, log))

    def leave_provisional(self, covered: int | None = None) -> Entry:
        """Write records without a checkpoint. `covered` is where they begin; it counts for the first ones only."""
        target = self.target
        return self._written(attrs.evolve(target, covered=covered) if target.covered is None else target)

    def finish(self, checkpoint: bytes, covered: int | None = None, log: int = 0) -> Entry:
        """End the read in one step: the generation it wrote to is the current one, and all of its rows count."""
        return self._ended("finish", Generation(checkpoint, covered, log))

    def announce(self, checkpoint: bytes, covered: int | None = None, log: int = 0) -> Entry:
        """End a replace in two steps: say that its generation is about to take the current one's place."""
        return self._ended("announce", Generation(checkpoint, covered, log))

    def swap(self) -> Entry:
        """Note that the generation has taken that place."""
        return attrs.evolve(self, phase=self._after("swap"))

    def reset(self, covered: int | None = None) -> Entry:
        """Forget both checkpoints and the following generation."""
        return Entry(self.entity, self.run + 1, self.owned, self._after("reset"), Generation(covered=covered))

    def refuse_superseded(self, stored: int | None) -> None:
        """Raise `DestinationError` unless the store still has the run of this entry."""
        if stored != self.run:
            raise DestinationError(
                f"another run has started to write entity {self.entity!r}, or has reset it; expected to be the only one; "
                "let one run at a time write an entity"
            )

    def _is_continued(self, mode: Mode, *, resume: bool) -> bool:
        return mode == "replace" and resume and bool(self.following and self.following.checkpoint)

    def _after(self, move: Move) -> Phase:
        phase = MOVES[self.phase].get(move)
        if phase is None:
            raise _illegal(self.entity, self.phase, move)
        return phase

    def _written(self, generation: Generation) -> Entry:
        phase = self._after("write")
        current, following = self.current, self.following
        if phase is Phase.REPLACING:
            following = generation
        else:
            current = generation
        # Not `attrs.evolve`, which takes four times as long: this is done for each page.
        return Entry(self.entity, self.run, self.owned, phase, current, following)

    def _ended(self, move: Move, generation: Generation) -> Entry:
        return attrs.evolve(self, phase=self._after(move), current=generation, following=None)


@attrs.frozen
class Start:
    """A read that begins: what the store has to drop first, and the entry to store."""

    entry: Entry
    keep_current: int | None
    """Drop what the current generation has beyond this; nothing where it is None."""
    keep_following: int | None
    """The same for the following generation, if it is continued."""
    continued: bool
    """Whether the following generation is continued; otherwise all of it is dropped."""


def started_read(reads: Mapping[str, R], entity: str, move: Move) -> R:
    """Return the read that this process has started of an entity. Raise `DestinationError` where there is none."""
    read = reads.get(entity)
    if read is None:
        raise _illegal(entity, Phase.IDLE, move)
    return read


def refuse_gap(entity: str, log: FingerprintLog, stored: int) -> None:
    """Raise `DestinationError` for a log that keeps more bytes than are stored of it."""
    if log.keep > stored:
        raise DestinationError(
            f"the log of entity {entity!r} is to keep its first {log.keep} bytes, and {stored} are stored; expected no more than "
            "those; hand over the log that start() has returned with what was added since"
        )


def decoded_state(entity: str, checkpoint: bytes | str) -> EntityState:
    """Return a stored checkpoint as a value, or the problem with it."""
    try:
        return EntityState(entity, Checkpoint.from_json(checkpoint))
    except DataError as error:
        return EntityState(entity, problem=error.message)


def refuse_mode(mode: str, modes: AbstractSet[str], entity: Entity, destination: str) -> None:
    """Raise `ConfigError` for a mode that the destination does not have or that the entity is not fit for."""
    if mode not in modes:
        known = ", ".join(sorted(modes))
        hint = (
            "use 'append' and remove repeated keys later, 'replace', or a database"
            if mode == "upsert"
            else "choose one of them"
        )
        raise ConfigError(
            f"{destination} has no mode {mode!r} for entity {entity.name!r}; expected {known}; {hint}"
        )
    if mode == "upsert" and not entity.primary_key:
        raise ConfigError(
            f"entity {entity.name!r} has no primary_key, and mode 'upsert' needs one; "
            "name its primary key or use mode 'append' or 'replace'"
        )


def _all_covered(entry: Entry) -> Entry:
    """Return the entry as it is once the rows that no checkpoint covers have been dropped."""
    following = entry.following and attrs.evolve(entry.following, covered=None)
    return attrs.evolve(entry, current=attrs.evolve(entry.current, covered=None), following=following)


def _illegal(entity: str, phase: Phase, move: Move) -> DestinationError:
    legal = [each.value for each in Phase if move in MOVES[each]]
    call = f"start() in mode {move!r}" if move in _ANY_TIME and move != "reset" else f"{move}()"
    hint = (
        "carry out the swap first"
        if phase is Phase.SWAPPING
        else "call start() first, and again after a write that failed"
    )
    return DestinationError(
        f"{call} came while entity {entity!r} is {phase.value}; expected it to be {' or '.join(legal)}; {hint}"
    )
