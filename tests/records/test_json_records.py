"""Lazy records: to whoever looks, they are the list that their JSON stands for."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.json_body import find, split_json
from connector_kit.records.json_lines import json_lines, wrapped_lines
from connector_kit.records.json_records import JsonRecords
from connector_kit.wrappers.validation.policy import Announced

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
NAMES = ["id", "at", "naïve", 'a"b', "a\\b", "", "class"]
dicts = st.dictionaries(st.sampled_from(NAMES) | texts, values, max_size=5)
rows = st.lists(dicts, max_size=4)
spellings = st.sampled_from(
    [{}, {"indent": 2}, {"indent": "\r\n"}, {"ensure_ascii": False}, {"separators": (",\r", ":\r")}]
)


def lazy(records: list[dict[str, Any]], spelling: dict[str, Any] | None = None) -> JsonRecords:
    return JsonRecords.of_array(json.dumps(records, **(spelling or {})).encode())


class TestIsTheListItStandsFor:
    @given(rows, spellings)
    def test_in_every_way_a_sequence_is_looked_at(
        self, eager: list[dict[str, Any]], spelling: dict[str, Any]
    ) -> None:
        """Each on a fresh one, since looking leaves traces inside."""
        assert len(lazy(eager, spelling)) == len(eager)
        assert list(lazy(eager, spelling)) == eager
        assert list(reversed(lazy(eager, spelling))) == eager[::-1]
        assert [lazy(eager, spelling)[place] for place in range(-len(eager), len(eager))] == eager * 2
        assert lazy(eager, spelling) == eager
        assert eager == lazy(eager, spelling)
        assert lazy(eager, spelling) == lazy(eager)
        assert bool(lazy(eager)) == bool(eager)
        assert all(record in lazy(eager) for record in eager)

    @given(rows, st.slices(8), st.slices(8))
    def test_in_slices_of_slices(self, eager: list[dict[str, Any]], first: slice, second: slice) -> None:
        records = lazy(eager)
        assert list(records[first][second]) == eager[first][second]
        assert lazy(eager)[first][second] == eager[first][second]
        assert lazy(eager)[first].field("id") == [record.get("id") for record in eager[first]]
        assert lines_of(lazy(eager)[first]) == eager[first]

    @given(rows, rows, rows)
    def test_in_a_row_with_others(
        self, one: list[dict[str, Any]], two: list[dict[str, Any]], three: list[dict[str, Any]]
    ) -> None:
        assert lazy(one) + lazy(two) == one + two
        assert lazy(one) + two == one + two
        assert lines_of(lazy(one)[1:] + lazy(two) + lazy(three)[:2]) == one[1:] + two + three[:2]

    @given(rows, rows)
    def test_other_content_is_not_equal(self, one: list[dict[str, Any]], two: list[dict[str, Any]]) -> None:
        assert (lazy(one) == lazy(two)) == (one == two)
        assert (lazy(one) == two) == (one == two)

    def test_what_was_changed_is_not_equal_to_what_it_was(self) -> None:
        """On either side, although both came as the same JSON."""
        changed, as_it_came = lazy([{"id": 1}]), lazy([{"id": 1}])
        record = changed[0]
        assert isinstance(record, dict)
        record["id"] = 2
        assert changed != as_it_came
        assert as_it_came != changed

    @given(rows)
    def test_also_as_a_copy(self, eager: list[dict[str, Any]]) -> None:
        assert pickle.loads(pickle.dumps(lazy(eager))) == eager
        assert copy.deepcopy(lazy(eager)) == eager

    @given(rows, st.sampled_from(NAMES))
    def test_a_field_is_that_of_every_record(self, eager: list[dict[str, Any]], name: str) -> None:
        wanted = [record.get(name) for record in eager]
        assert lazy(eager).field(name) == wanted
        looked_at = lazy(eager)
        list(looked_at)
        assert looked_at.field(name) == wanted

    def test_a_record_is_the_same_object_wherever_it_is_taken_from(self) -> None:
        records = lazy([{"id": 1}, {"id": 2}, {"id": 3}])
        assert records[1] is records[1] is records[1:][0] is list(records)[1] is records[-2]
        assert next(iter(records)) is records[0]

    def test_there_is_no_record_beyond_the_last(self) -> None:
        with pytest.raises(IndexError):
            lazy([{"id": 1}])[1]

    def test_it_has_no_hash_as_a_list_has_none(self) -> None:
        with pytest.raises(TypeError, match="unhashable"):
            hash(lazy([]))

    def test_it_is_not_equal_to_what_is_no_sequence_of_records(self) -> None:
        assert lazy([]) != b""
        assert lazy([]) != {}
        assert lazy([{"id": 1}]) != [{"id": 1}, {"id": 1}]


def lines_of(records: JsonRecords | Any) -> list[Any]:
    lines = records.json_lines().splitlines(keepends=True)  # at carriage returns, too
    assert all(line.endswith(b"\n") and not line.endswith(b"\r\n") for line in lines)
    return [msgspec.json.decode(line) for line in lines]


class TestPassingOn:
    @given(rows, spellings)
    def test_a_line_for_each_record_whatever_the_layout(
        self, eager: list[dict[str, Any]], spelling: dict[str, Any]
    ) -> None:
        assert lines_of(lazy(eager, spelling)) == eager
        assert list(JsonRecords.of_lines(lazy(eager, spelling).json_lines())) == eager

    def test_the_json_goes_on_as_it_came(self) -> None:
        """Spelling, order, doubled names and big numbers: nothing was decoded."""
        body = rb'[{"b": 1.10, "a":"\u00e9"},{"n":1e400},{"x":1,"x":123456789012345678901234567890}]'
        lines = JsonRecords.of_array(body).json_lines()
        assert (
            lines == b'{"b": 1.10, "a":"\\u00e9"}\n{"n":1e400}\n{"x":1,"x":123456789012345678901234567890}\n'
        )

    def test_looking_at_fields_and_comparing_leaves_it_as_it_came(self) -> None:
        records = JsonRecords.of_array(b'[{"a": 1.10}, {"a": 2.20}]')
        assert records.field("a") == [1.1, 2.2]
        assert records == [{"a": 1.1}, {"a": 2.2}]
        assert records.peek(-1) == {"a": 2.2}
        assert records.json_lines() == b'{"a": 1.10}\n{"a": 2.20}\n'

    def test_a_record_that_was_handed_out_goes_on_as_what_has_become_of_it(self) -> None:
        records = JsonRecords.of_array(b'[{"a": 1.10}, {"a": 2.20}]')
        record = records[1]
        assert isinstance(record, dict)
        record["a"] = "changed"
        assert records.json_lines() == b'{"a": 1.10}\n{"a":"changed"}\n'
        assert records.field("a") == [1.1, "changed"]
        assert records == [{"a": 1.1}, {"a": "changed"}]
        assert records[1:].json_lines() == b'{"a":"changed"}\n'
        assert (records + records).field("a") == [1.1, "changed"] * 2
        assert (lazy([{"a": 0}]) + records).field("a") == [0, 1.1, "changed"]
        assert (records + lazy([{"a": 0}])).field("a") == [1.1, "changed", 0]

    @pytest.mark.parametrize("back", [1, -1])
    def test_records_that_are_changed_in_turn_stay_changed(self, back: int) -> None:
        records = lazy([{"id": 1}, {"id": 2}, {"id": 3}])
        for record in records[::back]:
            assert isinstance(record, dict)
            record["id"] *= 10
        assert lines_of(records) == list(records) == [{"id": 10}, {"id": 20}, {"id": 30}]

    def test_what_was_handed_out_is_not_sure_to_fit_any_more(self) -> None:
        """It may have been changed; whether it fits is then for a look at each record to say."""
        entity = Entity("orders", [Field("a", Scalar.INTEGER)])
        records = lazy([{"a": 1}])
        assert records.surely_fit(entity)
        record = records[0]
        assert isinstance(record, dict)
        record["a"] = "changed"
        assert not records.surely_fit(entity)

    @given(rows)
    def test_inside_of_something_else(self, eager: list[dict[str, Any]]) -> None:
        def around(record: object) -> object:
            return {"entity": "orders", "record": record}

        wanted = [{"entity": "orders", "record": record} for record in eager]
        for records in (lazy(eager, {"indent": 1})[:], eager):
            lines = b"".join(wrapped_lines("orders", records, around)).splitlines()
            assert [msgspec.json.decode(line) for line in lines] == wanted

    def test_eager_records_make_the_same_lines(self) -> None:
        eager = [{"id": place, "text": "é"} for place in range(2_500)]
        compact = JsonRecords.of_array(msgspec.json.encode(eager))
        assert b"".join(json_lines("orders", compact)) == b"".join(json_lines("orders", eager))


class TestWhatIsDefined:
    def test_integers_keep_all_digits_and_the_last_of_two_values_counts(self) -> None:
        records = JsonRecords.of_array(b'[{"n": 123456789012345678901234567890, "x": 1, "x": 2}]')
        assert records[0] == {"n": 123456789012345678901234567890, "x": 2}
        assert records.field("x") == [2]

    def test_a_number_beyond_a_float_is_a_decimal(self) -> None:
        """What was passed on as JSON and what was made of it say the same."""
        records = JsonRecords.of_array(b'[{"n": 1}, {"n": 1e400, "m": 1.5}, {"n": 3}]')
        assert list(records) == [{"n": 1}, {"n": Decimal("1e400"), "m": 1.5}, {"n": 3}]
        assert records.field("n") == [1, Decimal("1e400"), 3]
        assert records.unusable() == []

    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            (b"null", "it is null"),
            (b"[1]", "it is no object"),
            (rb'{"v": ["cut \ud83d"]}', "field 'v' has half of a surrogate pair"),
            (rb'{"\udc00": 1}', "half of a surrogate pair"),
        ],
    )
    def test_what_is_no_record_is_the_error_of_its_position_alone(self, document: bytes, reason: str) -> None:
        records = JsonRecords.of_array(b'[{"n": 1},' + document + b',{"n": 3}]')
        reading = iter(records)
        assert next(reading) == {"n": 1}
        with pytest.raises(SchemaMismatchError, match="record 1 of a page cannot be decoded") as caught:
            next(reading)
        assert reason in caught.value.message
        assert records[2] == {"n": 3}
        assert records.field("n") == [1, None, 3]
        assert (records.unusable(), records[1:].unusable(), records[::2].unusable()) == ([1], [0], [])
        assert (records + records).unusable() == [1, 4]
        assert records.text(1) == document.decode()

    @pytest.mark.parametrize("text", [rb"\ud83d\ude00", rb"\\ud83d", rb"\u00e9", rb"\n"])
    def test_text_that_only_looks_like_half_a_pair_is_good(self, text: bytes) -> None:
        assert JsonRecords.of_array(b'[{"v": "' + text + b'"}]').unusable() == []

    def test_names_that_come_twice_are_seen_at_any_depth(self) -> None:
        records = JsonRecords.of_array(b'[{"a": 1, "b": [{"c": 1, "c": 2}]}, {"a": 1, "b": {"a": 1}}]')
        assert [records.has_doubled_names(position) for position in (0, 1)] == [True, False]

    @pytest.mark.parametrize(
        "body",
        [
            b'[{"a": NaN}]',
            b'[{"a": 01}]',
            b'[{"a": "\xff"}]',
            b'[{"a": "\\q"}]',
            b'[{"a": 1,}]',
            b"[1]",
            b"[null]",
            b"{}",
            b"",
            b'[{"a": 1}',
            b'[{"a": 1}] x',
            b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        ],
    )
    def test_what_is_no_list_of_objects_is_refused_at_once(self, body: bytes) -> None:
        """Also what is deep inside of a record that nobody looks at."""
        with pytest.raises(SchemaMismatchError, match="expected a JSON array of objects"):
            JsonRecords.of_array(body)

    @pytest.mark.parametrize("body", [b"[2]\n", b'{"a": 1}\n{"a"', b'{"a": "\xff"}'])
    def test_lines_that_are_no_objects_are_refused_at_once(self, body: bytes) -> None:
        with pytest.raises(SchemaMismatchError, match="expected a JSON object on each line"):
            JsonRecords.of_lines(body)

    def test_a_handed_out_record_without_a_json_form_is_told(self) -> None:
        records = lazy([{"id": 1}])
        record = records[0]
        assert isinstance(record, dict)
        record["id"] = object()
        with pytest.raises(SchemaMismatchError, match="entity 'orders' has no JSON form"):
            list(json_lines("orders", records))


paths = st.sampled_from(["data", "data.items", "/data/items", "/a.b/items", "a.b.c"])


class TestSplitting:
    @given(rows, paths, values, values, st.booleans())
    def test_gives_the_records_and_what_stands_beside_them(
        self,
        eager: list[dict[str, Any]],
        path: str,
        beside: object,
        top: object,
        mark: bool,  # noqa: FBT001 - hypothesis gives it
    ) -> None:
        """As decoding the whole body and looking for each does."""
        steps = path.removeprefix("/").split("/" if path.startswith("/") else ".")
        body: Any = eager
        for depth, step in enumerate(reversed(steps)):
            body = {"before": beside, step: body, "next": {"at": beside} if depth else beside}
        body["total"] = top
        encoded = b"\xef\xbb\xbf" * mark + json.dumps(body).encode()
        wanted = ("total", "next", "gone.further")
        records, rest = split_json(encoded, path, wanted)
        assert list(records) == find(body, path) == eager
        assert (find(rest, "total"), find(rest, "next")) == (top, body["next"])
        assert {"before", "gone"}.isdisjoint(rest if isinstance(rest, dict) else ())

    @pytest.mark.parametrize(
        ("body", "path", "wanted"),
        [
            (b'{"items": 1}', "items", ()),
            (b'{"items": null}', "items", ()),
            (b'{"other": []}', "items", ()),
            (b'{"items": [1]}', "items", ()),
            (b"[]", "items", ()),
            (b'{"items": []}', "", ()),
            (b'{"items": [], "links": [{"next": 1}]}', "items", ("links.0.next",)),
            (b'{"items": []}', "items", ("items.0.id",)),
            (b'{"items": {"of": []}}', "items.of", ("items",)),
            (b'{"a\\"b": []}', 'a"b', ()),
            (b'{"items": []', "items", ()),
        ],
    )
    def test_says_so_where_it_cannot(self, body: bytes, path: str, wanted: tuple[str, ...]) -> None:
        with pytest.raises(
            ValueError, match=r"no list|Expected|malformed|no object|on the way|truncated|must not contain"
        ):
            split_json(body, path, wanted)

    def test_an_object_that_is_null_has_nothing_in_it(self) -> None:
        """As the last page of many an API has it."""
        records, rest = split_json(b'{"items": [{"id": 1}], "paging": null}', "items", ("paging.next.after",))
        assert (list(records), rest) == ([{"id": 1}], {"paging": None})


@pytest.mark.parametrize("key", ["id", "sys.id"])
def test_records_that_lack_a_key_are_not_sure_to_fit_though_the_catalog_announces_no_such_field(
    key: str,
) -> None:
    entity = Entity("orders", primary_key=key)
    whole = JsonRecords.of_lines(b'{"id": 1, "sys": {"id": 2}}\n{"id": 2, "sys": {"id": 3}}\n')
    lacking = JsonRecords.of_lines(b'{"id": 1, "sys": {"id": 2}}\n{"id": null, "sys": {}}\n')
    assert (whole.surely_fit(entity), lacking.surely_fit(entity)) == (True, False)
    assert Announced(entity).split([*whole]) is None
    rejected = Announced(entity).split(lacking)
    assert rejected is not None
    assert [each.index for each in rejected.rejected] == [1]
