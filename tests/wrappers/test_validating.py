"""`Validating`: what does not fit the catalog goes where it was said to go, and everything else passes."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from doubles import Able, Ear
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import close_stream
from connector_kit.errors import ConfigError, ConnectionFailedError, DestinationError, SchemaMismatchError
from connector_kit.events import RecordsRejected, observing
from connector_kit.records.catalog import Catalog, Entity, Field, ListOf, Scalar, Struct
from connector_kit.records.page import Cursor, Page, Quota, Record
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Cut, Faulty
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.validation.policy import Announced, Rejected, Validation
from connector_kit.wrappers.validation.quarantine import QuarantineFile
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.protocols import Connector

backends = st.sampled_from(["asyncio", "trio"])
ORDERS = Entity("orders", [Field("id", Scalar.INTEGER), Field("price", Scalar.NUMBER)], primary_key="id")
CATALOG = Catalog([ORDERS, Entity("notes", primary_key="id")])
GOOD: Record = {"id": 1, "price": 2.5, "more": "is fine"}
BAD: Record = {"id": 2, "price": "free"}


@attrs.define(eq=False)
class Till:
    """Delivers the pages it was given; the cursor is the number of the page. Counts how often it was asked for what."""

    pages: Sequence[Page] = ()
    catalog: Catalog = CATALOG
    schemas: int = 0
    fails: int = 0
    open: int = 0

    async def connect(self) -> None:
        await checkpoint()

    async def disconnect(self) -> None:
        await checkpoint()

    async def discover_schema(self) -> Catalog:
        self.schemas += 1
        await checkpoint()
        if self.schemas <= self.fails:
            raise ConnectionFailedError("no answer")
        return self.catalog

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.open += 1
        try:
            for page in self.pages[cursor if isinstance(cursor, int) else 0 :]:
                await checkpoint()
                yield page
        finally:
            self.open -= 1


@attrs.define(eq=False)
class Once(Sequence[Record]):
    """A lazy sequence that may be gone through once."""

    records: list[Record]
    looked: int = 0

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("it was looked into")

    def __iter__(self) -> Iterator[Record]:
        self.looked += 1
        assert self.looked == 1
        return iter(self.records)


async def read(connector: Connector, entity: str = "orders", cursor: Cursor = None) -> list[Page]:
    return [page async for page in connector.fetch_data(entity, cursor=cursor)]


def till(*pages: Sequence[Record]) -> Till:
    return Till([Page(records, number) for number, records in enumerate(pages, 1)])


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


records = st.fixed_dictionaries(
    {"id": st.integers(0, 3) | st.none() | st.just("x")},
    optional={"price": st.none() | st.floats(0, 9) | st.text()},
)
some_pages = st.lists(st.lists(records, max_size=4), max_size=4)


def fits(record: Record) -> bool:
    return isinstance(record["id"], int) and isinstance(record.get("price"), float | None)


class TestPolicies:
    @given(some_pages, st.sampled_from(["drop", "quarantine"]), backends)
    def test_what_fits_is_delivered_and_all_the_rest_is_rejected(
        self, contents: list[list[Record]], action: Any, backend: str
    ) -> None:
        """Every page comes, with its cursor, also an empty one; no record is in both places or in none."""
        aside: list[Rejected] = []
        inner, ear = till(*contents), Ear()

        async def test() -> None:
            validating = Validating(
                inner, Validation(action), quarantine=aside.append if action == "quarantine" else None
            )
            with observing(ear):
                found = await read(validating)
            assert [page.cursor for page in found] == [page.cursor for page in inner.pages]
            assert [page.records for page in found] == [list(filter(fits, content)) for content in contents]

        VirtualClock().run(test, backend=backend)
        bad = [record for content in contents for record in content if not fits(record)]
        assert [each.record for each in aside] == (bad if action == "quarantine" else [])
        told = [event for event in ear.heard if isinstance(event, RecordsRejected)]
        assert sum(event.count for event in told) == len(bad)
        assert all(event.count and 1 <= len(event.reasons) <= 3 for event in told)

    @pytest.mark.anyio
    async def test_fail_names_record_key_field_value_and_type(self) -> None:
        """It comes instead of the page, ends the stream, and shows no more of the record than the value."""
        bad = {"id": 7, "price": "x" * 100, "secret": "unseen"}
        inner, ear = till([GOOD], [GOOD, bad, BAD]), Ear()
        stream = Validating(inner).fetch_data("orders")
        assert await anext(stream) is inner.pages[0]
        with pytest.raises(SchemaMismatchError) as raised, observing(ear):
            await anext(stream)
        assert str(raised.value).startswith("record 1 (id=7): price: 'xxxxxxx")
        assert "does not fit; expected number; 2 of 3 records of the page do not fit" in str(raised.value)
        assert "x" * 50 not in str(raised.value)
        assert "unseen" not in str(raised.value)
        assert (raised.value.operation, raised.value.entity) == ("fetch_data", "orders")
        assert (
            str(raised.value)
            .partition("; mend ")[2]
            .startswith(
                'the source or its catalog, or let such records be dropped or put aside (action="quarantine")'
            )
        )
        assert [page async for page in stream] == []
        assert inner.open == 0
        (event,) = ear.heard
        assert isinstance(event, RecordsRejected)
        assert (event.entity, event.count, event.action, len(event.reasons)) == ("orders", 2, "fail", 2)

    @pytest.mark.anyio
    async def test_the_examples_of_an_event_are_bounded(self) -> None:
        ear = Ear()
        with observing(ear):
            await read(Validating(till([BAD] * 5), Validation("drop", examples=2)))
        assert ear.heard == [
            RecordsRejected(
                "orders",
                5,
                "drop",
                tuple(f"record {i} (id=2): price: 'free' does not fit; expected number" for i in (0, 1)),
            )
        ]

    @pytest.mark.anyio
    async def test_pages_in_which_all_fit_pass_as_they_are(self) -> None:
        pages = [Page(Once([GOOD]), 1), Page((), 2), Page([GOOD], None, Quota(5))]
        found = await read(Validating(Till(pages)))
        assert all(one is other for one, other in zip(found, pages, strict=True))

    @pytest.mark.anyio
    async def test_a_lazy_sequence_is_gone_through_once(self) -> None:
        pages = [Page(Once([GOOD, BAD]), 1, Quota(5))]
        assert await read(Validating(Till(pages), Validation("drop"))) == [Page([GOOD], 1, Quota(5))]

    @pytest.mark.anyio
    @pytest.mark.parametrize("entity", ["notes", "unheard of"])
    async def test_where_nothing_is_announced_everything_passes(self, entity: str) -> None:
        pages = [Page([{}, BAD, {"id": None}], 1)]
        assert await read(Validating(Till(pages)), entity) == pages

    @pytest.mark.anyio
    async def test_keys_that_occur_twice_pass(self) -> None:
        assert await read(Validating(till([GOOD, GOOD])))


class TestReasons:
    @pytest.mark.parametrize(
        ("record", "reasons"),
        [
            ({"id": 1, "price": None}, []),
            ({"id": None}, ["id: is None; expected a value, since it is in the primary key"]),
            ({"price": 1}, ["id: is missing; expected a value, since it is in the primary key"]),
            (
                {"id": "x", "price": True},
                ["id: 'x' does not fit; expected integer", "price: True does not fit; expected number"],
            ),
            (
                [1, 2],
                [
                    "[1, 2] is no record; expected a mapping of field name to value; write dict(zip(names, row))"
                ],
            ),
        ],
    )
    def test_each_thing_that_is_wrong_is_named(self, record: Any, reasons: list[str]) -> None:
        assert list(Announced(ORDERS).reasons(record)) == reasons

    def test_a_key_that_is_not_nullable_is_named_once(self) -> None:
        entity = Entity("a", [Field("id", Scalar.INTEGER, nullable=False)], primary_key="id")
        assert Announced(entity).reasons({}) == ("id: is missing and is not nullable; expected integer",)

    def test_nested_values_are_looked_at_and_many_reasons_are_bounded(self) -> None:
        entity = Entity("a", [Field("lines", ListOf(Struct([Field("n", Scalar.INTEGER)])))])
        reasons = Announced(entity).reasons({"lines": [{"n": "x"}] * 30})
        assert reasons[0] == "lines[0].n: 'x' does not fit; expected integer"
        assert reasons[-1] == "and 10 more"
        assert len(reasons) == 21

    def test_what_is_no_record_has_no_key(self) -> None:
        found = Announced(ORDERS).split([GOOD, 5])  # type: ignore[list-item]  # the point of it
        assert found is not None
        assert (
            str(found.rejected[0])
            == "record 1: 5 is no record; expected a mapping of field name to value; write dict(row)"
        )

    @pytest.mark.parametrize("given", [{"action": "ignore"}, {"examples": -1}])
    def test_a_policy_that_means_nothing_is_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"action|examples"):
            Validation(**given)


@pytest.mark.anyio
class TestCatalog:
    async def test_it_is_asked_for_once_however_many_read(self) -> None:
        inner = till([GOOD])
        validating = Validating(inner)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(read, validating)
        assert inner.schemas == 1

    async def test_it_is_asked_for_again_after_each_connect(self) -> None:
        inner = till([GOOD, BAD])
        validating = Validating(inner, Validation("drop"))
        await validating.connect()
        assert len((await read(validating))[0].records) == 1
        inner.catalog = Catalog([Entity("orders")])
        assert len((await read(validating))[0].records) == 1
        await validating.connect()
        assert len((await read(validating))[0].records) == 2
        assert inner.schemas == 2

    async def test_what_was_discovered_is_used(self) -> None:
        inner = till([GOOD])
        validating = Validating(inner)
        assert await validating.discover_schema() == inner.catalog
        await read(validating)
        assert inner.schemas == 1

    async def test_where_it_cannot_be_had_the_read_fails_before_it_begins_and_the_next_one_asks_again(
        self,
    ) -> None:
        inner = till([GOOD])
        inner.fails = 1
        validating = Validating(inner)
        with pytest.raises(ConnectionFailedError):
            await read(validating)
        assert len(await read(validating)) == 1

    async def test_who_waits_asks_when_the_first_one_is_cancelled(self) -> None:
        inner = till([GOOD])
        validating = Validating(inner)
        found: list[Page] = []

        async def second() -> None:
            found.extend(await read(validating))

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(second)
                scope.cancel()
                await read(validating)
        assert found == inner.pages


@pytest.mark.anyio
class TestSamples:
    async def test_a_sample_has_only_what_a_read_would_deliver(self) -> None:
        @attrs.define(eq=False)
        class Showing(Till):
            async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
                return [GOOD, BAD][:limit]

        validating = Validating(Showing(), Validation("drop"))
        assert await validating.get_sample_data("orders") == [GOOD]
        assert await validating.get_sample_data("notes") == [GOOD, BAD]

    async def test_a_sample_from_a_read_is_filled_up_with_records_that_fit(self) -> None:
        validating = Validating(till([BAD, GOOD], [GOOD, GOOD]), Validation("drop"))
        assert await validating.get_sample_data("orders", 2) == [GOOD, GOOD]

    async def test_the_other_methods_reach_a_connector_that_has_them(self) -> None:
        able = Able(wrong="no token")
        validating = Validating(able)
        with pytest.raises(ConfigError, match="no token"):
            validating.validate_config()
        assert await validating.partition_data("orders", target=5) == [{"after": 0}, {"after": 5}]
        await validating.disconnect()
        assert able.calls == ["validate_config", "partition_data", "disconnect"]


@pytest.mark.anyio
class TestStreams:
    async def test_closing_early_closes_the_inner_stream(self) -> None:
        inner = till([GOOD], [GOOD])
        stream = Validating(inner).fetch_data("orders")
        await anext(stream)
        await close_stream(stream)
        await close_stream(stream)
        assert inner.open == 0
        assert [page async for page in stream] == []

    async def test_cancelled_it_closes_the_inner_stream(self) -> None:
        inner = till([GOOD], [GOOD])
        stream = Validating(inner).fetch_data("orders")
        await anext(stream)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(stream)
        assert scope.cancelled_caught
        assert inner.open == 0
        assert [page async for page in stream] == []


class TestPlaces:
    @pytest.mark.parametrize(
        ("validation", "quarantine", "message"),
        [
            (Validation("quarantine"), None, "with no place"),
            (Validation("quarantine", "a.jsonl"), "b.jsonl", "with the file 'a.jsonl' and another place"),
            (Validation("drop"), "b.jsonl", 'the action is "drop"'),
            (Validation("fail", "a.jsonl"), None, 'the action is "fail"'),
        ],
    )
    def test_a_place_and_an_action_that_contradict_are_refused(
        self, validation: Validation, quarantine: str | None, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            Validating(till(), validation, quarantine=quarantine)

    @pytest.mark.anyio
    @pytest.mark.parametrize("in_policy", [True, False])
    async def test_the_file_may_stand_in_the_policy_or_be_given(
        self, tmp_path: Path, *, in_policy: bool
    ) -> None:
        path = tmp_path / "bad.jsonl"
        validating = (
            Validating(till([BAD]), Validation("quarantine", str(path)))
            if in_policy
            else Validating(till([BAD]), Validation("quarantine"), quarantine=path)
        )
        await read(validating)
        await validating.disconnect()
        assert lines_of(path) == [
            {"entity": "orders", "reasons": ["price: 'free' does not fit; expected number"], "record": BAD}
        ]


def rejected(number: int, **more: Any) -> Rejected:
    return Rejected("orders", 0, ("wrong",), {"id": number, **more})


async def put(path: Path, *numbers: int, **options: int) -> None:
    """Put records aside, each in a page of its own."""
    file = QuarantineFile(path, **options)
    for number in numbers:
        await file.add([rejected(number)])
    await file.close()


def ids_in(path: Path) -> list[int]:
    return [line["record"]["id"] for line in lines_of(path)]


class TestFile:
    @given(
        st.integers(0, 400), st.lists(st.integers(0, 5), max_size=6), st.lists(st.integers(0, 5), max_size=6)
    )
    def test_cut_anywhere_it_has_whole_lines_and_every_record_once(
        self, cut: int, before: list[int], after: list[int]
    ) -> None:
        """A crash tears at most the last line; the records of it are put aside again when they are read again."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "bad.jsonl")
            anyio.run(partial(put, path, *before))
            content = path.read_bytes() if before else b""
            path.write_bytes(content[:cut])
            anyio.run(partial(put, path, *before, *after))
            found = ids_in(path)
        assert found == list(dict.fromkeys([*before, *after]))

    @given(st.integers(1, 8), backends)
    def test_a_read_that_goes_on_before_the_break_puts_nothing_aside_twice(
        self, cut: int, backend: str
    ) -> None:
        clock = VirtualClock()

        async def test(path: Path) -> None:
            inner = till([BAD, GOOD], [{"id": 3, "price": "?"}], [GOOD, {"id": None}])
            for _ in range(2):  # the next run reads all of it again
                validating = Validating(inner, Validation("quarantine"), quarantine=path)
                faulty = Faulty(validating, [*[None] * cut, Cut()], clock=clock)
                await read(Retrying(faulty, clock=clock))
                await validating.disconnect()
            assert ids_in(path) == [2, 3, None]

        with TemporaryDirectory() as folder:
            clock.run(partial(test, Path(folder, "bad.jsonl")), backend=backend)

    @pytest.mark.anyio
    async def test_only_so_many_lines_are_remembered(self, tmp_path: Path) -> None:
        await put(tmp_path / "x", 1, 2, 3, 1, remembered=2)
        assert ids_in(tmp_path / "x") == [1, 2, 3, 1]
        await put(tmp_path / "x", 3, 1, 2, remembered=2)
        assert ids_in(tmp_path / "x") == [1, 2, 3, 1, 2]

    @pytest.mark.anyio
    async def test_records_that_are_alike_count_once_in_a_page_too(self, tmp_path: Path) -> None:
        file = QuarantineFile(tmp_path / "x")
        await file.add([rejected(1), rejected(1), rejected(2)])
        await file.add([rejected(2)])
        await file.close()
        await file.close()
        assert ids_in(tmp_path / "x") == [1, 2]

    @pytest.mark.anyio
    async def test_it_is_shared_by_several_at_once(self, tmp_path: Path) -> None:
        file = QuarantineFile(tmp_path / "x")
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(file.add, [rejected(number)])
        await file.close()
        assert sorted(ids_in(tmp_path / "x")) == [0, 1, 2, 3, 4]

    @pytest.mark.anyio
    async def test_values_of_any_kind_can_be_put_aside(self, tmp_path: Path) -> None:
        class Odd:
            def __repr__(self) -> str:
                return "an odd thing"

        file = QuarantineFile(tmp_path / "x")
        await file.add([rejected(1, odd=Odd(), raw=b"a", row=range(2), view=MappingProxyType({"a": 1}))])
        await file.close()
        (line,) = lines_of(tmp_path / "x")
        assert line["record"]["odd"] == "an odd thing"
        assert line["record"]["row"] == [0, 1]
        assert line["record"]["view"] == {"a": 1}

    @pytest.mark.anyio
    @pytest.mark.parametrize("content", ['{"id": 1}\n', "hello", "\n"])
    async def test_a_file_of_somebody_elses_is_left_alone(self, content: str, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_text(content)
        with pytest.raises(ConfigError) as raised:
            await put(path, 1)
        assert path.read_text() == content
        assert raised.value.message == (
            f'{path} is no quarantine file: it begins with {content[:10].encode()!r}, expected {{"entity":; name a file of '
            "its own"
        )

    @pytest.mark.anyio
    async def test_a_place_that_cannot_be_opened_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cannot be opened: .*; name a file that can be written"):
            await put(tmp_path, 1)

    @pytest.mark.anyio
    @pytest.mark.parametrize(("room", "message"), [(0, "File too large"), (5, "5 of .* bytes were taken")])
    async def test_a_disk_that_is_full_ends_the_read_and_leaves_whole_lines(
        self, room: int, message: str, tmp_path: Path
    ) -> None:
        """Records are not lost in silence; once there is room, they are taken."""
        file = QuarantineFile(tmp_path / "x")
        await file.add([rejected(1)])
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "x").stat().st_size + room, limits[1]))
        try:
            with pytest.raises(DestinationError, match=f"could not be put aside in .*{message}"):
                await file.add([rejected(2)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert ids_in(tmp_path / "x") == [1]
        await file.add([rejected(2)])
        await file.close()
        assert ids_in(tmp_path / "x") == [1, 2]


LINES = Announced(
    Entity(
        "lines",
        [Field("order", Scalar.INTEGER), Field("line", Scalar.INTEGER)],
        primary_key=("order", "line"),
    )
)


def rejected_lines(*records: object) -> tuple[Rejected, ...]:
    found = LINES.split(records)  # type: ignore[arg-type]  # some are no records
    assert found is not None
    return found.rejected


def test_a_record_is_told_by_its_place_and_its_whole_key() -> None:
    fitting = {"order": 7, "line": 1}
    (told,) = rejected_lines(fitting, {"order": 7, "line": "x"})
    assert (told.entity, told.index, told.key) == ("lines", 1, "order=7, line='x'")
    assert str(told) == f"record 1 (order=7, line='x'): {'; '.join(told.reasons)}"
    found = LINES.split([fitting, {}])
    assert found is not None
    assert found.fitting == [fitting]


def test_a_part_of_the_key_that_is_none_or_missing_is_a_reason_each() -> None:
    (told,) = rejected_lines({"order": None})
    assert told.reasons == (
        "order: is None; expected a value, since it is in the primary key",
        "line: is missing; expected a value, since it is in the primary key",
    )


def test_what_is_no_record_is_shown() -> None:
    (told,) = rejected_lines(3)
    assert (told.key, told.reasons) == (
        "",
        ("3 is no record; expected a mapping of field name to value; write dict(row)",),
    )


def test_all_that_fit_are_nothing_to_sort_out() -> None:
    assert LINES.split([{"order": 1, "line": 2}]) is None
