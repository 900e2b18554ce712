"""What was recorded is played back exactly, with nothing in the file that should not be there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
import attrs
import pytest
import sources
from anyio.lowlevel import checkpoint
from doubles import Able, Slow
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import close_stream
from connector_kit.cassettes.errors import (
    CassetteCutShortError,
    CassetteError,
    CassetteVersionError,
    NotRecordedError,
    ReplayedError,
    UnrecordableError,
    WrongCassetteError,
)
from connector_kit.cassettes.recording import Recording
from connector_kit.cassettes.redaction import Redaction
from connector_kit.cassettes.replaying import Replaying
from connector_kit.cassettes.values import (
    catalog_from_json,
    catalog_to_json,
    error_from_json,
    error_to_json,
    from_json,
    to_json,
)
from connector_kit.errors import (
    CircuitOpenError,
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    DataError,
    Problem,
    RateLimitError,
    RetriesExhaustedError,
    TransientError,
)
from connector_kit.records.catalog import Catalog, Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.page import Cursor, Page, Quota
from connector_kit.redaction import Secret
from connector_kit.testing.strategies import schedules
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Schedule
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.translation.wrapper import Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector_kit.protocols import Connector, FullConnector

backends = st.sampled_from(["asyncio", "trio"])
SHOWN = Redaction()
BERLIN = ZoneInfo("Europe/Berlin")
STRANGE = {
    "moment": datetime(2024, 5, 1, 12, 30, 1, 5, tzinfo=UTC),
    "local": datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "twice": [datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1)],
    "naive": datetime(2024, 5, 1),  # noqa: DTZ001 - some sources have no zone
    "day": date(2024, 5, 1),
    "hour": time(12, 30, tzinfo=UTC),
    "lasts": timedelta(days=-1, microseconds=7),
    "price": Decimal("9.50"),
    "raw": b"\x00\xff",
    "buffer": bytearray(b"ab"),
    "number": UUID(int=5),
    "endless": float("-inf"),
    "big": 2**80,
    "tags": {"b", "a"},
    "point": (1, (2.5, None)),
    "$dollar": {"$decimal": "1"},
    "by number": {1: "one", None: "none"},
    "half": "\ud800",
    "line": "a\u2028b\nc\rd",
    "nested": [{"at": [date(2024, 1, 1)]}],
}


@attrs.define(eq=False)
class Teller:
    """Delivers the pages it was given; the cursor is the number of the page. `config` is what a connector was made of."""

    pages: Sequence[Page] = ()
    config: object = None

    async def connect(self) -> None:
        await checkpoint()

    async def disconnect(self) -> None:
        pass

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("orders")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        await checkpoint()
        for page in self.pages[cursor if isinstance(cursor, int) else 0 :]:
            yield page


@attrs.frozen
class Settings:
    """A config with secrets, one of them further down."""

    token: Secret
    more: Mapping[str, Secret] = attrs.field(factory=dict)


def same(one: object, other: object) -> bool:
    """Whether two outcomes are alike: errors by class and everything they carry."""
    if isinstance(one, Exception) and isinstance(other, Exception):
        return (
            type(one) is type(other)
            and str(one) == str(other)
            and same(list(vars(one).values()), list(vars(other).values()))
            and same(one.__cause__, other.__cause__)
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


async def outcome(call: Callable[[], Awaitable[object]]) -> object:
    """Give what a call gives or raises."""
    try:
        return await call()
    except Exception as error:  # noqa: BLE001 - what is raised is compared
        return error


async def read(
    connector: Connector,
    entity: str = "orders",
    since: datetime | None = None,
    cursor: Cursor = None,
    stop: int = 99,
) -> list[object]:
    """Give the pages of a read, up to `stop` of them, and the error it ends with."""
    found: list[object] = []
    stream = connector.fetch_data(entity, since=since, cursor=cursor)
    try:
        while len(found) < stop:
            found.append(await anext(stream))
    except StopAsyncIteration:
        found.append("end")
    except Exception as error:  # noqa: BLE001 - what is raised is compared
        found.append(error)
    await close_stream(stream)
    return found


async def recorded(
    connector: Connector, path: Path, *reads: dict[str, Any], redact: Sequence[str | Secret] = ()
) -> None:
    """Record some reads of orders; one from the start if none is given."""
    recording = Recording(connector, path, redact=redact)
    await recording.connect()
    for each in reads or ({},):
        await read(recording, **each)
    await recording.disconnect()


def text_of(path: Path) -> str:
    return path.read_bytes().decode()


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in text_of(path).split("\n")[:-1]]


tables = st.builds(
    sources.Table,
    size=st.integers(0, 9),
    page_size=st.integers(1, 4),
    cursors=st.lists(st.booleans(), min_size=1, max_size=3).map(tuple),
)
asks = st.lists(
    st.fixed_dictionaries(
        {
            "entity": st.sampled_from(["orders", "items", "nothing"]),
            "since": st.none()
            | st.integers(0, 9).map(lambda minutes: sources.START + timedelta(minutes=minutes)),
            "cursor": st.none() | st.integers(0, 9).map(lambda index: {"after": index}),
            "stop": st.integers(0, 5),
        }
    ),
    max_size=6,
)


class TestExact:
    @given(tables, asks, schedules(max_size=12), backends)
    def test_the_same_requests_get_the_same_answers(
        self, table: sources.Table, reads: list[dict[str, Any]], schedule: Schedule, backend: str
    ) -> None:
        """Whatever is asked, however it fails, wherever a read is left: pages, cursors, quotas, errors and their places."""
        clock = VirtualClock()

        async def everything(connector: FullConnector) -> list[object]:
            found = [await outcome(connector.connect), await outcome(connector.discover_schema)]
            found += [
                await outcome(partial(connector.get_sample_data, "orders", limit)) for limit in (3, 3, 1)
            ]
            found += [await read(connector, **each) for each in reads]
            found.append(await outcome(partial(connector.partition_data, "orders", target=3)))
            found += [await outcome(connector.connect), await outcome(connector.disconnect)]
            return found

        async def test() -> None:
            shop = sources.Shop({"orders": table, "items": sources.Table(4, 2)})
            faulty = Translating(Faulty(shop, schedule, clock=clock))
            with TemporaryDirectory() as folder:
                path = Path(folder, "shop.jsonl")
                seen = await everything(Recording(faulty, path))
                assert same(seen, await everything(Replaying(path, connector="Shop")))
                before = text_of(path)
                await everything(Recording(Translating(Faulty(shop, schedule, clock=clock)), path))
                assert text_of(path) == before
            assert shop.opened == shop.closed

        clock.run(test, backend=backend)

    @given(tables, st.integers(0, 9), st.integers(0, 9), backends)
    def test_a_read_goes_on_at_every_cursor_that_was_delivered(
        self, table: sources.Table, stop: int, minutes: int, backend: str
    ) -> None:
        """Though nobody read from there; and a read that was left and gone on with plays as one."""
        since = sources.START + timedelta(minutes=minutes)
        table = attrs.evolve(table, cursors=(True,))

        async def test() -> None:
            shop = sources.Shop({"orders": table})
            whole = await read(shop, since=since)
            last = [page.cursor for page in whole[:stop] if isinstance(page, Page)][-1:]
            with TemporaryDirectory() as folder:
                ways: list[list[dict[str, Any]]] = [
                    [{}],
                    [{"stop": stop}, *({"cursor": cursor} for cursor in last)],
                ]
                for reads in ways:
                    path = Path(folder, "shop.jsonl")
                    await recorded(shop, path, *({**each, "since": since} for each in reads))
                    replaying = Replaying(path)
                    assert await read(replaying, since=since.astimezone(BERLIN)) == whole or not last
                    for number, page in enumerate(whole[:-1]):
                        assert isinstance(page, Page)
                        rest = await read(replaying, since=since, cursor=page.cursor)
                        assert rest == whole[number + 1 :] or not last

        VirtualClock().run(test, backend=backend)

    @given(schedules(max_size=12), backends)
    def test_a_stack_around_the_cassette_does_what_it_did_around_the_connector(
        self, schedule: Schedule, backend: str
    ) -> None:
        clock = VirtualClock()

        async def test() -> None:
            with TemporaryDirectory() as folder:
                path = Path(folder, "shop.jsonl")
                retry = Retry(attempts=5)
                recording = Recording(Faulty(sources.Shop(), schedule, clock=clock), path)
                seen = await read(Retrying(recording, retry, clock=clock))
                recording.save()
                assert same(seen, await read(Retrying(Replaying(path), retry, clock=clock)))
            assert seen == await read(sources.Shop())

        clock.run(test, backend=backend)

    @pytest.mark.anyio
    async def test_values_that_json_has_no_form_for_survive(self, tmp_path: Path) -> None:
        page = Page([STRANGE], ("a", 1), Quota(10, 0, 1.5))
        await recorded(Teller([page, Page(())]), tmp_path / "x")
        found = await read(Replaying(tmp_path / "x"))
        assert found == [page, Page([]), "end"]
        assert isinstance(found[0], Page)
        back = found[0].records[0]
        assert list(back) == list(STRANGE)
        assert [moment.fold for moment in back["twice"]] == [0, 1]
        assert back["twice"][0].tzinfo is BERLIN

    @pytest.mark.anyio
    async def test_a_cursor_that_was_stored_as_json_finds_its_place(self, tmp_path: Path) -> None:
        await recorded(Teller([Page([], {"b": (1, 2), "a": 0}), Page([{"id": 1}])]), tmp_path / "x")
        assert await read(Replaying(tmp_path / "x"), cursor={"a": 0, "b": [1, 2]}) == [
            Page([{"id": 1}]),
            "end",
        ]

    @pytest.mark.anyio
    async def test_what_is_changed_after_it_was_delivered_is_recorded_as_delivered(
        self, tmp_path: Path
    ) -> None:
        recording = Recording(Teller([Page([{"id": 1}])]), tmp_path / "x")
        async for page in recording.fetch_data("orders"):
            for record in page.records:
                assert isinstance(record, dict)
                record.clear()
        recording.save()
        assert await read(Replaying(tmp_path / "x")) == [Page([{"id": 1}]), "end"]

    @pytest.mark.anyio
    async def test_all_seven_methods_are_recorded(self, tmp_path: Path) -> None:
        able, path = Able(wrong="no token"), tmp_path / "x"
        recording = Recording(able, path)
        seen: list[list[object]] = []
        for connector in (recording, Replaying(path) if path.exists() else None):
            connector = connector or Replaying(path)  # noqa: PLW2901 - there is a file now
            with pytest.raises(ConfigError, match="no token"):
                connector.validate_config()
            await connector.connect()
            seen.append(
                [
                    await connector.discover_schema(),
                    await connector.get_sample_data("orders", 3),
                    await connector.partition_data("orders", target=5),
                ]
            )
            await connector.disconnect()
            able.wrong = ""
        assert seen[0] == seen[1]
        recording.validate_config()


class TestStable:
    @given(st.permutations(["orders", "items", "customers"]), st.permutations([2, 10, 1]), backends)
    def test_the_order_of_requests_leaves_no_trace(
        self, names: list[str], after: list[int], backend: str
    ) -> None:
        """Reads of several entities and partitions at once end up in the same file, whoever was first."""

        async def test() -> None:
            shop = sources.Shop({name: sources.Table(12, 2) for name in names})
            with TemporaryDirectory() as folder:
                path, other = Path(folder, "x"), Path(folder, "y")
                recording = Recording(shop, path)
                async with anyio.create_task_group() as tasks:
                    for name in names:
                        for index in after:
                            tasks.start_soon(partial(read, recording, name, cursor={"after": index}))
                recording.save()
                second = Recording(shop, other)
                for name in sorted(names):
                    for index in sorted(after):
                        await read(second, name, cursor={"after": index})
                second.save()
                assert text_of(path) == text_of(other)
                places = [line["request"] for line in lines_of(path) if "request" in line]
                assert [place["cursor"]["after"] for place in places[:3]] == [1, 2, 10]

        VirtualClock().run(test, backend=backend)

    @pytest.mark.anyio
    async def test_the_file_reads_as_it_is_documented(self, tmp_path: Path) -> None:
        await recorded(
            Teller([Page([{"id": 1, "price": Decimal("9.50")}], 1, Quota(remaining=3))]), tmp_path / "x"
        )
        assert (tmp_path / "x").read_text() == (
            '{"cassette": "connector_kit", "version": 1, "connector": "Teller"}\n'
            '{"request": {"operation": "connect"}}\n'
            '{"returned": null}\n'
            '{"request": {"operation": "fetch_data", "entity": "orders"}}\n'
            '{"record": {"id": 1, "price": {"$decimal": "9.50"}}}\n'
            '{"page": {"records": 1, "cursor": 1, "quota": {"remaining": 3}}}\n'
            '{"ended": true}\n'
            '{"request": {"operation": "disconnect"}}\n'
            '{"returned": null}\n'
            '{"lines": 9}\n'
        )


SECRET = 'to/k&n "ä\\ß" 77'


class TestRedaction:
    @given(
        st.recursive(
            st.sampled_from([SECRET, f"Bearer {SECRET}!", f"x{SECRET}y".encode(), 7, None, Decimal(1)]),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", SECRET, "b"]), inner)
            ),
            max_leaves=10,
        ),
        backends,
    )
    def test_no_secret_is_in_the_file(self, value: object, backend: str) -> None:
        """Wherever it was planted: in values, names, cursors, requests, errors and their causes."""
        error = ConfigError(f"not {SECRET!r}", [Problem("token", SECRET, "another", f"not {SECRET}")])
        error.__cause__ = ValueError(SECRET, {"in": [SECRET]})

        async def test() -> None:
            teller = Teller([Page([{"v": value}], {"next": f"/?t={SECRET}"})], Settings(Secret(SECRET)))
            with TemporaryDirectory() as folder:
                path = Path(folder, "x")
                recording = Recording(Faulty(teller, [None, None, Fail(lambda _: error)]), path)
                await read(recording, cursor={"next": SECRET})
                assert await outcome(recording.connect) is error
                recording.save()
                assert "****" in text_of(path)
                assert SECRET not in text_of(path)
                for line in lines_of(path):
                    assert SECRET not in repr(from_json(line)).replace("\\\\", "\\").replace("\\'", "'")
                    assert SECRET not in str(from_json(line))
                found = await read(Replaying(path), cursor={"next": "****"})
                assert found[-1] == "end"

        VirtualClock().run(test, backend=backend)

    @pytest.mark.parametrize(
        "planted",
        [
            "https://x/?key=to%2Fk%26n%20%22%C3%A4%5C%C3%9F%22%2077",
            "https://x/?key=to%2Fk%26n+%22%C3%A4%5C%C3%9F%22+77",
            repr(SECRET),
            json.dumps(SECRET),
            json.dumps({"a": SECRET}, ensure_ascii=False),
            "Basic dG8vayZuICLDpFzDnyIgNzc=",
        ],
    )
    def test_a_secret_in_disguise_is_known(self, planted: str) -> None:
        redaction = Redaction(secrets=[SECRET])
        assert redaction.occurs_in(planted)
        assert "77" not in redaction.text(planted)
        assert "Nzc" not in redaction.text(planted)
        assert SECRET not in repr(redaction)

    def test_what_is_told_as_text_is_hidden_whole(self) -> None:
        redaction = Redaction(secrets=["4711", "47110815", ""])
        value = {"pin": 4711, "price": Decimal(4711), "at": "see 47110815", "raw": b"-4711-", "n": 47}
        assert from_json(to_json(value, redaction)) == {
            "pin": "****",
            "price": "****",
            "at": "see ****",
            "raw": b"-****-",
            "n": 47,
        }

    @pytest.mark.anyio
    async def test_chosen_fields_and_further_secrets_are_hidden(self, tmp_path: Path) -> None:
        record = {
            "id": 1,
            "Email": "a@b",
            "in": [{"email": ["c@d"], "note": "by s3cr3t"}],
            "by": {2: {"email": None}},
        }
        teller = Teller([Page([record])], Settings(Secret("deep"), {"x": Secret("deeper")}))
        await recorded(teller, tmp_path / "x", redact=["email", Secret("s3cr3t")])
        assert await read(Replaying(tmp_path / "x")) == [
            Page(
                [
                    {
                        "id": 1,
                        "Email": "****",
                        "in": [{"email": "****", "note": "by ****"}],
                        "by": {2: {"email": None}},
                    }
                ]
            ),
            "end",
        ]

    @pytest.mark.anyio
    async def test_one_name_is_a_name_and_no_row_of_letters(self, tmp_path: Path) -> None:
        await recorded(Teller([Page([{"id": 1, "i": 2}])]), tmp_path / "x", redact="id")
        assert await read(Replaying(tmp_path / "x")) == [Page([{"id": "****", "i": 2}]), "end"]


class Foreign(Exception):  # noqa: N818 - a client's own
    """What no cassette knows."""


class OwnRefusalError(RateLimitError):
    """An author's own."""


class TestErrors:
    def test_the_kits_errors_come_back_with_all_they_carry(self) -> None:
        """The problems, the attempts, the place and the cause included."""
        config = ConfigError("wrong", [Problem("a.b", "x", "y", "z")])
        config.locate(connector="Shop", operation="connect", cursor={"after": (1,)}, attempt=3)
        exhausted = RetriesExhaustedError("all", [RateLimitError("slow", 2.5), TimeoutError("late")])
        exhausted.__cause__ = config
        for error in (config, exhausted, CircuitOpenError("open", 30.0), TransientError("later")):
            assert same(error_from_json(json.loads(json.dumps(error_to_json(error, SHOWN)))), error)

    @pytest.mark.parametrize(
        "error", [KeyError("x"), ConnectionResetError(104, "reset"), ValueError(), OSError()]
    )
    def test_pythons_own_come_back_by_their_arguments(self, error: Exception) -> None:
        back = error_from_json(error_to_json(error, SHOWN))
        assert (type(back), back.args) == (type(error), error.args)

    def test_a_class_of_somebodys_own_comes_back_as_the_nearest_known_one(self) -> None:
        told = error_to_json(OwnRefusalError("slow", 5), SHOWN)
        assert told["was"] == f"{__name__}.OwnRefusalError"
        back = error_from_json(told)
        assert type(back) is RateLimitError
        assert back.retry_after == 5
        assert type(error_from_json(error_to_json(json.JSONDecodeError("bad", "x", 0), SHOWN))) is ValueError

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (Foreign("oh"), f"{__name__}.Foreign: oh"),
            (ExceptionGroup("several", [ValueError()]), "ExceptionGroup: ['several (1 sub-exception)']"),
        ],
    )
    def test_what_cannot_be_made_again_is_told(self, error: Exception, message: str) -> None:
        back = error_from_json(error_to_json(error, SHOWN))
        assert isinstance(back, ReplayedError)
        assert str(back) == message

    def test_a_chain_of_causes_without_end_is_cut(self) -> None:
        one, other = ConnectorError("one"), ConnectorError("other")
        one.__cause__, other.__cause__ = other, one
        assert isinstance(error_from_json(error_to_json(one, SHOWN)), ConnectorError)
        endless = RetriesExhaustedError("all")
        endless.attempts = (endless,)
        assert isinstance(error_from_json(error_to_json(endless, SHOWN)), RetriesExhaustedError)

    @pytest.mark.anyio
    async def test_an_error_is_made_anew_each_time(self, tmp_path: Path) -> None:
        recording = Recording(Faulty(Teller(), [Fail()]), tmp_path / "x")
        assert isinstance(await outcome(recording.connect), ConnectionFailedError)
        recording.save()
        replaying = Replaying(tmp_path / "x")
        first, second = await outcome(replaying.connect), await outcome(replaying.connect)
        assert same(first, second)
        assert first is not second

    @pytest.mark.anyio
    async def test_a_read_that_fails_when_it_is_opened_fails_when_it_is_played(self, tmp_path: Path) -> None:
        @attrs.define(eq=False)
        class Blunt(Teller):
            def fetch_data(  # no generator: it raises in the call
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                raise ConnectorError("at once")

        recording = Recording(Blunt(), tmp_path / "x")
        seen = await read(recording)
        recording.save()
        assert same(seen, await read(Replaying(tmp_path / "x")))
        assert same(seen, [ConnectorError("at once")])

    @pytest.mark.anyio
    async def test_a_value_without_a_form_is_an_error_that_names_its_type(self, tmp_path: Path) -> None:
        teller = Teller([Page([{"id": 1}], 1), Page([{"id": Foreign()}], 2)])
        recording = Recording(teller, tmp_path / "x")
        first, error = await read(recording)
        assert first == teller.pages[0]
        assert isinstance(error, UnrecordableError)
        assert "type Foreign has no form" in str(error)
        recording.save()
        played = await read(Replaying(tmp_path / "x"))
        assert played[0] == first
        assert type(played[1]) is DataError


class TestNotRecorded:
    @pytest.mark.anyio
    async def test_a_request_without_an_answer_is_named_with_what_there_is(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "x")
        replaying = Replaying(tmp_path / "x")
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            r"discover_schema\(\) was not recorded; .* has no discover_schema": replaying.discover_schema,
            r"get_sample_data\('orders', limit=2\) was not": partial(replaying.get_sample_data, "orders", 2),
            r"partition_data\('orders', target=2\) was not": partial(
                replaying.partition_data, "orders", target=2
            ),
            r"fetch_data\('items'\) was not recorded; the cassette .* has fetch_data\('orders'\); record it anew": (
                lambda: anext(replaying.fetch_data("items"))
            ),
            r"fetch_data\('orders', cursor=\{'after': 1\}\) was not": (
                lambda: anext(replaying.fetch_data("orders", cursor={"after": 1}))
            ),
        }
        for message, call in calls.items():
            with pytest.raises(NotRecordedError, match=message) as raised_:
                await call()
            assert (raised_.value.operation or "-") in message

    @pytest.mark.anyio
    async def test_many_recorded_requests_are_named_in_part(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "x", *({"cursor": {"after": index}} for index in range(8)))
        (error,) = await read(Replaying(tmp_path / "x"), "items")
        assert "cursor={'after': 4}); and 3 more; record" in str(error)

    @pytest.mark.anyio
    @pytest.mark.parametrize("table", [sources.Table(), sources.Table(cursors=(False,))])
    async def test_a_read_that_was_left_plays_up_to_there(self, table: sources.Table, tmp_path: Path) -> None:
        await recorded(sources.Shop({"orders": table}), tmp_path / "x", {"stop": 2})
        first, second, error = await read(Replaying(tmp_path / "x"))
        assert [first, second] == (await read(sources.Shop({"orders": table})))[:2]
        assert isinstance(error, NotRecordedError)
        assert "recorded up to page 2, where the read was closed" in str(error)

    @pytest.mark.anyio
    async def test_a_read_that_was_left_goes_on_as_another_one_did(self, tmp_path: Path) -> None:
        shop = sources.Shop({"orders": sources.Table(cursors=(False,))})
        await recorded(shop, tmp_path / "x", {"stop": 1}, {}, {"stop": 2})
        replaying = Replaying(tmp_path / "x")
        for _ in range(4):
            assert await read(replaying) == await read(shop)

    @pytest.mark.anyio
    async def test_connecting_has_nothing_to_answer(self, tmp_path: Path) -> None:
        recording = Recording(sources.Shop(), tmp_path / "x")
        await recording.discover_schema()
        recording.save()
        replaying = Replaying(tmp_path / "x")
        replaying.validate_config()
        await replaying.connect()
        await replaying.disconnect()
        await replaying.disconnect()

    @pytest.mark.anyio
    async def test_a_stream_that_was_closed_or_has_ended_stays_so(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "x")
        for connector in (Replaying(tmp_path / "x"), Recording(sources.Shop(), tmp_path / "x")):
            stream = connector.fetch_data("orders")
            await close_stream(stream)
            assert [page async for page in stream] == []
            stream = connector.fetch_data("orders")
            assert len([page async for page in stream]) == 4
            assert [page async for page in stream] == []


class TestCancelled:
    def test_what_was_cancelled_has_no_answer(self, anyio_backend: str, tmp_path: Path) -> None:
        """A read is recorded up to there, its stream closed; a call is not recorded at all."""
        clock = VirtualClock()

        async def test() -> None:
            slow = Slow(call=10, clock=clock)
            recording = Recording(slow, tmp_path / "x")
            stream = recording.fetch_data("orders")
            await anext(stream)
            for call in (partial(anext, stream), recording.discover_schema):
                with anyio.move_on_after(0.5) as scope:
                    await call()
                assert scope.cancelled_caught
            assert slow.opened == slow.closed == 1
            recording.save()

        clock.run(test, backend=anyio_backend)
        assert [next(iter(line)) for line in lines_of(tmp_path / "x")] == [
            "cassette",
            "request",
            "record",
            "page",
            "closed",
            "lines",
        ]

    def test_the_cassette_is_written_when_disconnecting_is_cancelled(
        self, anyio_backend: str, tmp_path: Path
    ) -> None:
        clock = VirtualClock()

        async def test() -> None:
            recording = Recording(Slow(call=10, clock=clock), tmp_path / "x")
            await recording.get_sample_data("orders")
            with anyio.move_on_after(1):
                await recording.disconnect()

        clock.run(test, backend=anyio_backend)
        assert Replaying(tmp_path / "x").cassette.connector == "Slow"


class TestFiles:
    @pytest.mark.anyio
    async def test_disconnecting_alone_leaves_a_cassette_as_it_was(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "x")
        before = (tmp_path / "x").read_bytes()
        await Recording(sources.Shop(), tmp_path / "x").disconnect()
        assert (tmp_path / "x").read_bytes() == before

    @pytest.mark.anyio
    async def test_folders_are_made(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "cassettes" / "shop" / "x.jsonl")
        assert [each.name for each in (tmp_path / "cassettes" / "shop").iterdir()] == ["x.jsonl"]

    @pytest.mark.anyio
    async def test_a_file_of_somebody_elses_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "data.jsonl"
        path.write_text('{"id": 1}\n')
        with pytest.raises(CassetteError, match="is no cassette"):
            await Recording(sources.Shop(), path).connect()
        assert path.read_text() == '{"id": 1}\n'
        with pytest.raises(CassetteError, match="cannot be read"):
            await Recording(sources.Shop(), tmp_path).connect()

    @pytest.mark.anyio
    async def test_another_connectors_cassette_is_refused(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "x")
        with pytest.raises(WrongCassetteError, match="answers of Shop, expected those of Teller"):
            await Recording(Teller(), tmp_path / "x").connect()
        with pytest.raises(WrongCassetteError, match="answers of Shop, expected those of Teller"):
            Replaying(tmp_path / "x", connector="Teller")

    def test_every_cut_is_known(self, tmp_path: Path) -> None:
        """At the end of any line and in any line; only the last newline may be missing."""
        path = tmp_path / "x"
        shop = sources.Shop({"orders": sources.Table(2, 1)})
        VirtualClock().run(partial(recorded, shop, path))
        content = path.read_bytes()
        head = content.index(b"\n")
        for end in range(len(content) - 1):
            path.write_bytes(content[:end])
            with pytest.raises(CassetteCutShortError if end >= head else CassetteError):
                Replaying(path)
        path.write_bytes(content[:-1].replace(b"\n", b"\r\n"))
        assert [len(recorded.pages) for recorded in Replaying(path).cassette.calls] == [0, 2, 0]

    def test_what_cannot_be_a_cassette_is_refused_by_name(self, tmp_path: Path) -> None:
        header = '{"cassette": "connector_kit", "version": 1, "connector": "Shop"}\n'
        ask = '{"request": {"operation": "fetch_data", "entity": "orders"}}\n'
        wrong: dict[str, tuple[type[Exception], str]] = {
            "": (CassetteError, "is no cassette"),
            "[]\n": (CassetteError, "is no cassette"),
            header.replace("1", "2"): (CassetteVersionError, "version 2, expected 1 or less"),
            header.replace("1", '"x"'): (CassetteVersionError, "version 'x'"),
            header: (CassetteCutShortError, "cut short"),
            header + '{"ended": true}\n{"lines": 2}\n': (CassetteError, "line 2 of"),
            header + ask + 'x\n{"lines": 3}\n': (CassetteError, "line 3 of"),
            header + ask + '{"lines": 2}\n': (CassetteError, "it has no end"),
            header + ask + '{"record": {}}\n{"ended": true}\n{"lines": 4}\n': (
                CassetteError,
                "without a page",
            ),
            header + ask + '{"record": {}}\n{"lines": 3}\n': (CassetteError, "it has no end"),
            header + ask + '{"page": {"records": 1}}\n{"ended": true}\n{"lines": 4}\n': (
                CassetteError,
                "0 of them",
            ),
            header + ask + '{"failed": {"class": "Nope"}}\n{"lines": 3}\n': (
                CassetteError,
                "describes no error",
            ),
            header + ask + '{"failed": {"class": "RateLimitError"}}\n{"lines": 3}\n': (
                CassetteError,
                "no error",
            ),
            header + ask.replace("fetch", "get") + '{"ended": true}\n{"lines": 3}\n': (
                CassetteError,
                "get_data",
            ),
            header + ask + '{"returned": {"$odd": 1}}\n{"lines": 3}\n': (
                CassetteError,
                "no known kind of value",
            ),
            header + ask + '{"returned": {"$decimal": "x"}}\n{"lines": 3}\n': (
                CassetteError,
                "'x' is no decimal",
            ),
            header + ask + '{"returned": {"$uuid": 1}}\n{"lines": 3}\n': (CassetteError, "cannot be read"),
        }
        for content, (kind, message) in wrong.items():
            (tmp_path / "x").write_text(content)
            with pytest.raises(kind, match=message):
                Replaying(tmp_path / "x")
        with pytest.raises(CassetteError, match=r"cannot be read: .*; record it with Recording\(connector"):
            Replaying(tmp_path / "none")

    @pytest.mark.anyio
    async def test_a_call_without_an_answer_is_not_recorded(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text(
            '{"cassette": "connector_kit", "version": 1, "connector": "Shop"}\n'
            '{"request": {"operation": "discover_schema"}}\n{"closed": true}\n{"lines": 3}\n'
        )
        with pytest.raises(NotRecordedError, match="without an answer"):
            await Replaying(tmp_path / "x").discover_schema()

    @pytest.mark.anyio
    async def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for path, message in (
            (tmp_path / "file" / "x", "cannot be read"),
            (tmp_path / ("x" * 250), "cannot be written"),
        ):
            recording = Recording(sources.Shop(), path)
            await recording.discover_schema()
            with pytest.raises(CassetteError, match=message):
                await recording.disconnect()

    @pytest.mark.anyio
    async def test_an_empty_file_is_taken_for_none(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("")
        await recorded(sources.Shop(), tmp_path / "x")
        assert len(await read(Replaying(tmp_path / "x"))) == 5

    @pytest.mark.anyio
    async def test_a_line_that_is_missing_in_the_middle_is_missed(self, tmp_path: Path) -> None:
        await recorded(sources.Shop(), tmp_path / "x")
        lines = text_of(tmp_path / "x").split("\n")
        (tmp_path / "x").write_text("\n".join(lines[:5] + lines[6:]))
        with pytest.raises(CassetteCutShortError, match="it has 20 lines before its last one, which says 21"):
            Replaying(tmp_path / "x")


field_types: st.SearchStrategy[FieldType] = st.recursive(
    st.sampled_from(Scalar),
    lambda inner: (
        st.builds(ListOf, inner)
        | st.lists(st.builds(Field, st.text(max_size=3), inner, nullable=st.booleans()), max_size=3).map(
            Struct
        )
    ),
    max_leaves=5,
)
fields = st.lists(
    st.builds(Field, st.text(max_size=3), field_types, nullable=st.booleans()),
    unique_by=lambda field: field.name,
    min_size=1,
    max_size=4,
)


class TestValues:
    @given(fields, st.booleans())
    def test_a_catalog_comes_back_as_it_was(self, announced: list[Field], ordered: bool) -> None:  # noqa: FBT001 - drawn
        name = announced[0].name
        first = Entity("a", announced, [name], name or None, ordered=ordered and bool(name))
        catalog = Catalog([first, Entity("b")])
        assert catalog_from_json(json.loads(json.dumps(catalog_to_json(catalog)))) == catalog

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.text()
            | st.binary()
            | st.decimals(allow_nan=False)
            | st.datetimes(timezones=st.none() | st.timezones())
            | st.dates()
            | st.times()
            | st.timedeltas()
            | st.uuids(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.lists(inner, max_size=3).map(tuple)
                | st.dictionaries(
                    st.text(max_size=3) | st.sampled_from(["$set", "$map"]) | st.integers(), inner
                )
            ),
            max_leaves=8,
        )
    )
    def test_values_come_back_as_they_were(self, value: object) -> None:
        back = from_json(json.loads(json.dumps(to_json(value, SHOWN))))
        assert repr(back) == repr(value) or back == value

    def test_mappings_and_sequences_of_any_class_become_plain_ones(self) -> None:
        class Row(Mapping[str, int]):
            def __getitem__(self, name: str) -> int:
                return 1

            def __iter__(self) -> Any:
                return iter(["a"])

            def __len__(self) -> int:
                return 1

        assert from_json(to_json([Row(), range(2)], SHOWN)) == [{"a": 1}, [0, 1]]
