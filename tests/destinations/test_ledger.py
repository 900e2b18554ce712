"""The rules that all destinations share, for any sequence of calls and kills: pure, so without a destination."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.destinations.ledger import (
    MOVES,
    Entry,
    Generation,
    Move,
    Phase,
    Start,
    refuse_mode,
    started_read,
)
from connector_kit.errors import ConfigError, DestinationError
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode

MODES: list[Mode] = ["append", "upsert", "replace"]
STARTED = [Phase.APPENDING, Phase.UPSERTING, Phase.REPLACING]


def encoded(number: int) -> bytes:
    return Checkpoint("shop", "orders", "append", cursor=number).to_json()


CHECKPOINTS = st.integers(0, 99).map(encoded)
COVERED = st.none() | st.integers(0, 99)
GENERATIONS = st.builds(Generation, st.none() | CHECKPOINTS, COVERED)


def entries(*phases: Phase) -> st.SearchStrategy[Entry]:
    """Entries in one of these phases; a generation follows where a replace builds it."""
    return st.sampled_from(phases or tuple(Phase)).flatmap(
        lambda phase: st.builds(
            Entry,
            st.just("orders"),
            st.integers(0, 9),
            st.booleans(),
            st.just(phase),
            GENERATIONS,
            GENERATIONS if phase is Phase.REPLACING else st.none(),
        )
    )


def moved(entry: Entry, move: Move) -> Entry:
    """Return what a move makes of an entry."""
    match move:
        case "append" | "upsert" | "replace":
            return entry.start(move, resume=True).entry
        case "write":
            return entry.cover(encoded(1))
        case "finish":
            return entry.finish(encoded(1))
        case "announce":
            return entry.announce(encoded(1))
        case "swap":
            return entry.swap()
        case "reset":
            return entry.reset()


ALL_MOVES: list[Move] = ["append", "upsert", "replace", "write", "finish", "announce", "swap", "reset"]


@given(entry=entries(), move=st.sampled_from(ALL_MOVES))
def test_a_move_leads_to_the_phase_of_the_table_or_is_refused(entry: Entry, move: Move) -> None:
    """Refused, the error names the phase that is and those that were expected."""
    after = MOVES[entry.phase].get(move)
    if after is not None:
        assert moved(entry, move).phase is after
        return
    with pytest.raises(DestinationError) as caught:
        moved(entry, move)
    message = str(caught.value)
    assert f"while entity 'orders' is {entry.phase.value}; expected it to be " in message
    expected = message.partition("expected it to be ")[2].partition(";")[0]
    assert expected.split(" or ") == [phase.value for phase in Phase if move in MOVES[phase]]


def test_the_documentation_has_the_table_of_moves() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "destinations.md"
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in page.read_text().splitlines()
    ]
    [header] = [row for row in rows if row[0] == "move"]
    phases = [Phase(name) for name in header[1:]]
    for move in ALL_MOVES:
        name = f"start {move}" if move in MODES else move
        [written] = [row[1:] for row in rows if row[0] == name and len(row) == len(header)]
        after = [MOVES[phase].get(move) for phase in phases]
        assert written == ["refused" if phase is None else phase.value for phase in after]


@given(entry=entries(Phase.IDLE))
def test_a_write_without_a_checkpoint_needs_a_read_too(entry: Entry) -> None:
    with pytest.raises(DestinationError, match=r"write\(\) came while .* is idle"):
        entry.leave_provisional(3)


# -- one call -------------------------------------------------------------------------------------------------------


@given(entry=entries(Phase.IDLE, *STARTED), mode=st.sampled_from(MODES), rows_first=st.booleans())
def test_a_start_is_a_new_run_and_drops_what_the_current_generation_has_beyond_its_checkpoint(
    entry: Entry,
    mode: Mode,
    rows_first: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    start = entry.start(mode, resume=True, rows_first=rows_first)
    assert start.entry.run == entry.run + 1
    assert start.keep_current == (None if entry.phase is Phase.IDLE else entry.current.covered)
    assert start.entry.current == Generation(
        entry.current.checkpoint, entry.current.covered if rows_first else None
    )
    if mode != "replace":
        assert start.entry.following is None
        assert not start.continued


@given(
    current=GENERATIONS,
    following=st.builds(Generation, CHECKPOINTS, COVERED),
    rows_first=st.booleans(),
)
def test_a_replace_goes_on_with_its_generation(
    current: Generation,
    following: Generation,
    rows_first: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    entry = Entry("orders", 3, phase=Phase.REPLACING, current=current, following=following)
    start = entry.start("replace", resume=True, rows_first=rows_first)
    assert start.continued
    assert start.keep_following == following.covered
    assert start.entry.target == Generation(following.checkpoint, following.covered if rows_first else None)


@given(
    entry=entries(Phase.IDLE, *STARTED),
    reason=st.sampled_from(["not to resume", "its rows are gone", "no checkpoint"]),
    rows_first=st.booleans(),
)
def test_a_replace_begins_a_generation_where_none_can_go_on(
    entry: Entry,
    reason: str,
    rows_first: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    if reason == "no checkpoint" and entry.following is not None:
        entry = attrs.evolve(entry, following=Generation(None, entry.following.covered))
    start = entry.start(
        "replace",
        resume=reason != "not to resume",
        unfinished=reason != "its rows are gone",
        rows_first=rows_first,
    )
    assert not start.continued
    assert start.entry.target == Generation(covered=0 if rows_first else None)


@given(entry=entries(*STARTED), checkpoint=CHECKPOINTS, covered=COVERED)
def test_a_covered_write_covers_all_of_the_target_and_nothing_else(
    entry: Entry, checkpoint: bytes, covered: int | None
) -> None:
    after = entry.cover(checkpoint, covered)
    assert after.target == Generation(checkpoint, covered)
    unchanged = (
        {"following": entry.following} if entry.phase is not Phase.REPLACING else {"current": entry.current}
    )
    assert {name: getattr(after, name) for name in unchanged} == unchanged
    assert (after.run, after.phase) == (entry.run, entry.phase)


@given(entry=entries(*STARTED), begins=st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_provisional_rows_begin_where_the_first_of_them_do(entry: Entry, begins: list[int]) -> None:
    after = entry
    for begin in begins:
        after = after.leave_provisional(begin)
    assert after.target.checkpoint == entry.target.checkpoint
    assert after.target.covered == (begins[0] if entry.target.covered is None else entry.target.covered)


@given(entry=entries(*STARTED), checkpoint=CHECKPOINTS, covered=COVERED)
def test_an_end_shows_the_generation_that_was_written(
    entry: Entry, checkpoint: bytes, covered: int | None
) -> None:
    finished = entry.finish(checkpoint, covered)
    assert finished == attrs.evolve(
        entry, phase=Phase.IDLE, current=Generation(checkpoint, covered), following=None
    )
    if entry.phase is Phase.REPLACING:
        assert entry.announce(checkpoint, covered).swap() == finished


@given(entry=entries(Phase.IDLE, *STARTED), covered=COVERED)
def test_a_reset_forgets_everything_but_whose_the_rows_are(entry: Entry, covered: int | None) -> None:
    after = entry.reset(covered)
    assert after == Entry("orders", entry.run + 1, entry.owned, current=Generation(covered=covered))
    assert after.state is None


@given(entry=entries())
def test_the_last_checkpoint_is_that_of_the_unfinished_generation_if_it_has_one(entry: Entry) -> None:
    checkpoints = [each.decoded() for each in (entry.following, entry.current) if each is not None]
    last = next((each for each in checkpoints if each is not None), None)
    assert entry.state == (None if last is None else EntityState("orders", last))


def test_a_checkpoint_that_cannot_be_decoded_is_a_problem_of_its_entity() -> None:
    state = Entry("orders", current=Generation(b"{")).state
    assert state is not None
    assert (state.entity, state.checkpoint) == ("orders", None)
    assert "reset the entity's state" in state.problem


@given(entry=entries(*STARTED), move=st.sampled_from([*MODES, "reset"]))
def test_a_write_of_an_earlier_run_is_told_from_one_of_the_latest(entry: Entry, move: Move) -> None:
    later = moved(entry, move)
    later.refuse_superseded(later.run)
    for stored in (later.run, None):
        with pytest.raises(DestinationError, match="another run"):
            entry.refuse_superseded(stored)


# -- whole histories: a store of each kind, kept by the ledger, against a list of what has to be there ---------------

Kind: TypeAlias = Literal["one step", "rows first", "commits"]
"""Rows and checkpoint land in one step; or one after the other; or rows are kept back until a checkpoint covers them."""
KINDS: list[Kind] = ["one step", "rows first", "commits"]


@attrs.define
class Kept:
    """A store in memory that may be killed in any step. Its rows are numbers."""

    kind: Kind
    entry: Entry
    current: list[int] = attrs.field(factory=list[int])
    following: list[int] = attrs.field(factory=list[int])
    uncommitted: list[int] = attrs.field(factory=list[int])

    @property
    def target(self) -> list[int]:
        return self.following if self.entry.phase is Phase.REPLACING else self.current

    @property
    def covered(self) -> int | None:
        """How far a checkpoint reaches that covers all rows."""
        return len(self.target) if self.kind == "rows first" else None

    def start(self, mode: Mode, *, resume: bool) -> Start:
        if self.entry.phase is Phase.SWAPPING:
            self.swap()
        start = self.entry.start(mode, resume=resume, rows_first=self.kind == "rows first")
        self.uncommitted.clear()
        if start.keep_current is not None:
            del self.current[start.keep_current :]
        if not start.continued:
            self.following.clear()
        elif start.keep_following is not None:
            del self.following[start.keep_following :]
        self.entry = start.entry
        return start

    def write(self, row: int, checkpoint: bytes | None, *, killed: bool) -> None:
        """Killed, a store whose rows land first has the row and not its checkpoint; another has neither."""
        begin = len(self.target)
        if self.kind == "rows first" or not killed:
            (self.uncommitted if self.kind == "commits" else self.target).append(row)
        if killed:
            return
        if checkpoint is None:
            self.entry = self.entry.leave_provisional(begin if self.kind == "one step" else None)
        else:
            self.commit()
            self.entry = self.entry.cover(checkpoint, self.covered)

    def finish(self, checkpoint: bytes, *, killed: bool) -> None:
        """Killed, a store that needs two steps has announced the swap; another has done nothing."""
        replacing = self.entry.phase is Phase.REPLACING
        if self.kind == "rows first" and replacing:
            self.entry = self.entry.announce(checkpoint, self.covered)
            if not killed:
                self.swap()
        elif not killed:
            self.commit()
            self.entry = self.entry.finish(checkpoint, self.covered)
            if replacing:
                self.current, self.following = self.following, []

    def commit(self) -> None:
        self.target.extend(self.uncommitted)
        self.uncommitted.clear()

    def swap(self) -> None:
        self.current, self.following = self.following, []
        self.entry = self.entry.swap()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from(["append", "replace"]), st.booleans()),
        st.tuples(st.just("write"), st.booleans(), st.booleans()),
        st.tuples(st.just("write"), st.booleans(), st.just(value=False)),
        st.tuples(st.just("finish"), st.just(value=True), st.booleans()),
    ),
    max_size=20,
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS)
def test_what_a_checkpoint_covers_is_there_after_any_number_of_kills(
    kind: Kind, steps: list[tuple[str, Any, bool]]
) -> None:
    """The rows that a start leaves are those that were there when the checkpoint it gives was stored."""
    kept = Kept(kind, Entry("orders", current=Generation(covered=0 if kind == "rows first" else None)))
    covered: dict[bytes, list[int]] = {}
    under_way = False
    for number, (call, choice, flag) in enumerate(steps):
        checkpoint = encoded(number)
        if call == "start":
            start = kept.start(choice, resume=flag)
            found = start.entry.target.checkpoint
            assert kept.target == ([] if found is None else covered[found])
            shown = start.entry.current.checkpoint
            assert kept.current == ([] if shown is None else covered[shown])
            under_way = True
        elif under_way:
            rows = [*kept.target, *kept.uncommitted]
            if call == "write":
                covered[checkpoint] = [*rows, number]
                kept.write(number, checkpoint if choice else None, killed=flag)
            else:
                covered[checkpoint] = rows
                kept.finish(checkpoint, killed=flag)
            under_way = not flag and call == "write"


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "primary_key", "message"),
    [
        ("upsert", "id", "JSONL has no mode 'upsert' .*expected append, replace; use 'append' and"),
        ("overwrite", "id", "JSONL has no mode 'overwrite' .*choose one of them"),
    ],
)
def test_a_mode_that_a_destination_does_not_have(mode: str, primary_key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        refuse_mode(mode, {"append", "replace"}, Entity("orders", primary_key=primary_key), "JSONL")


def test_upsert_needs_a_primary_key() -> None:
    with pytest.raises(ConfigError, match="has no primary_key"):
        refuse_mode("upsert", {"upsert"}, Entity("orders"), "SQLite")


def test_a_read_that_was_not_started_names_what_to_call() -> None:
    assert started_read({"orders": 1}, "orders", "write") == 1
    with pytest.raises(
        DestinationError, match=r"finish\(\) came while entity 'lines' is idle; .*call start\(\)"
    ):
        started_read({"orders": 1}, "lines", "finish")
