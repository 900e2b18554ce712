"""Pages in a row are one sequence, and stay what they were."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.batches import JoinedRecords, column, joined, parts_of, peeked
from connector_kit.records.json_lines import json_lines, json_size, wrapped_lines
from connector_kit.records.json_records import JsonRecords

rows = st.lists(
    st.fixed_dictionaries({"id": st.integers()}, optional={"at": st.text(max_size=3)}), max_size=4
)
pages = st.lists(st.tuples(rows, st.booleans()), min_size=2, max_size=4)


def lazy(records: list[dict[str, Any]]) -> JsonRecords:
    return JsonRecords.of_array(msgspec.json.encode(records))


def made(drawn: list[tuple[list[dict[str, Any]], bool]]) -> tuple[list[dict[str, Any]], JoinedRecords]:
    """Give the records of all pages as a list, and in a row: some pages as dicts, some as JSON."""
    records = joined([lazy(page) if as_json else page for page, as_json in drawn])
    assert isinstance(records, JoinedRecords)
    return [record for page, _ in drawn for record in page], records


class TestIsTheListOfAllOfThem:
    @given(pages)
    def test_in_every_way_a_sequence_is_looked_at(
        self, drawn: list[tuple[list[dict[str, Any]], bool]]
    ) -> None:
        eager, records = made(drawn)
        assert len(records) == len(eager)
        assert list(records) == eager
        assert list(reversed(records)) == eager[::-1]
        assert [records[place] for place in range(-len(eager), len(eager))] == eager * 2
        assert records == eager
        assert records != [*eager, {}]
        assert bool(records) == bool(eager)

    @given(pages, st.slices(12))
    def test_in_slices(self, drawn: list[tuple[list[dict[str, Any]], bool]], cut: slice) -> None:
        eager, records = made(drawn)
        assert records[cut] == eager[cut]

    @given(pages)
    def test_in_single_fields_and_looks(self, drawn: list[tuple[list[dict[str, Any]], bool]]) -> None:
        eager, records = made(drawn)
        assert column(records, "at") == [record.get("at") for record in eager]
        assert [peeked(records, place) for place in range(len(eager))] == eager

    @given(pages)
    def test_in_lines(self, drawn: list[tuple[list[dict[str, Any]], bool]]) -> None:
        eager, records = made(drawn)
        lines = b"".join(json_lines("orders", records)).splitlines()
        assert [msgspec.json.decode(line) for line in lines] == eager

    def test_there_is_no_record_beyond_the_last(self) -> None:
        with pytest.raises(IndexError):
            joined([[{"id": 1}], [{"id": 2}]])[2]

    def test_it_has_no_hash_and_is_not_equal_to_what_is_no_sequence_of_records(self) -> None:
        records: Any = joined([[], []])
        with pytest.raises(TypeError, match="unhashable"):
            hash(records)
        assert records != b""
        assert records != {}


class TestStaysWhatItWas:
    def test_a_single_page_is_handed_on_as_it_is(self) -> None:
        page = [{"id": 1}]
        assert joined([page]) is page
        assert list(parts_of(page)) == [page]

    def test_json_goes_on_as_it_came(self) -> None:
        """Looking at keys and single records decodes nothing for good."""
        records = joined([JsonRecords.of_array(b'[{"a": 1.10}]'), JsonRecords.of_array(b'[{"a": 2.20}]')])
        assert column(records, "a") == [1.1, 2.2]
        assert peeked(records, -1) == {"a": 2.2}
        assert list(json_lines("orders", records)) == [b'{"a": 1.10}\n', b'{"a": 2.20}\n']

    def test_each_page_is_a_piece_to_be_written(self) -> None:
        """So that the memory of one serves for the next."""
        records = joined([[{"id": 1}, {"id": 2}], [{"id": 3}]])
        assert list(json_lines("orders", records)) == [b'{"id":1}\n{"id":2}\n', b'{"id":3}\n']

    def test_a_thousand_are_encoded_at_once_and_no_more_before_they_are_asked_for(self) -> None:
        pieces = json_lines("orders", [{"id": 1}] * 2_500)
        assert [piece.count(b"\n") for piece in pieces] == [1000, 1000, 500]
        pieces = json_lines("orders", [{"id": 1}] * 1000 + [{"id": object()}])
        assert next(pieces).count(b"\n") == 1000
        with pytest.raises(SchemaMismatchError) as caught:
            next(pieces)
        assert isinstance(caught.value.__cause__, TypeError)

    @pytest.mark.parametrize("value", [object(), "\ud800", {("a", 1): 2}])
    def test_what_has_no_json_form_is_refused_inside_of_something_else_too(self, value: object) -> None:
        with pytest.raises(SchemaMismatchError, match="entity 'orders' has no JSON form"):
            list(wrapped_lines("orders", [{"id": value}], lambda record: {"record": record}))
        assert json_size([{"id": value}] * 3) == 3_000

    def test_what_has_no_json_form_is_told_behind_the_pages_before_it(self) -> None:
        pieces = json_lines("orders", joined([[{"id": 1}], [{"id": object()}]]))
        assert next(pieces) == b'{"id":1}\n'
        with pytest.raises(SchemaMismatchError, match="entity 'orders' has no JSON form"):
            next(pieces)


class TestSize:
    @given(rows)
    def test_of_json_it_is_known(self, page: list[dict[str, Any]]) -> None:
        assert json_size(lazy(page)) == len(lazy(page).json_lines())

    def test_of_a_part_of_it_the_share(self) -> None:
        records = lazy([{"id": number} for number in range(100, 200)])
        assert json_size(records[:10]) == json_size(records) // 10
        assert json_size(records + records) == 2 * json_size(records)

    def test_of_dicts_it_is_as_if_all_were_like_the_first(self) -> None:
        assert json_size([]) == 0
        assert json_size([{"id": 1}, {"id": 10_000}]) == 2 * len(b'{"id":1}')
        assert json_size(({"id": 1},)) == len(b'{"id":1}')

    @given(st.lists(st.booleans(), max_size=4), st.data())
    def test_of_several_parts_it_is_that_of_each(self, kinds: list[bool], data: st.DataObject) -> None:
        pages = [lazy(page) if kind else page for kind in kinds for page in [data.draw(rows)]]
        assert json_size(JoinedRecords(pages)) == sum(map(json_size, pages))

    def test_what_has_no_json_form_is_left_to_whoever_writes_it(self) -> None:
        assert json_size([{"id": object()}] * 3) > 0
