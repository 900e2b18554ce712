"""What each verb shows, to a person and to a program."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from commands import in_this_process

from connector_kit.connectors.mock import MockConfig

if TYPE_CHECKING:
    from pathlib import Path

    from commands import Ended, Run

SHOP = '''
import attrs
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page


@attrs.frozen
class ShopConfig:
    greeting: str = "hello"


class Shop:
    """A shop of somebody's own."""

    def __init__(self, config: ShopConfig) -> None:
        self.config = config

    async def connect(self): ...
    async def disconnect(self): ...

    async def discover_schema(self):
        return Catalog([Entity("things"), Entity("nothing")])

    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        if entity == "things":
            yield Page([{"greeting": self.config.greeting, "long": "x" * 100, "strange": "a\\tb\\x1b[31m"}])


class Broken(Shop):
    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        yield Page([{"id": object()}])
        raise AssertionError("is not asked for")


class Bug(Shop):
    async def discover_schema(self):
        raise KeyError("a secret, perhaps")


class NotYet(Shop):
    async def connect(self):
        from connector_kit.errors import ConnectionFailedError
        raise ConnectionFailedError("nobody there; expected a server; start it")
'''


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    (tmp_path / "shop.py").write_text(SHOP)
    return in_this_process(tmp_path, monkeypatch, capsys)


def as_json(ended: Ended) -> Any:
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def test_list_shows_what_is_installed_with_a_line_each(run: Run) -> None:
    found = {row["name"]: row for row in as_json(run("list", "--json"))}
    assert found["mock"]["package"] == "connector-kit"
    assert found["rest"]["module"] == "connector_kit.connectors.rest:RestConnector"
    table = run("list").out
    assert all(name in table and row["summary"] in table for name, row in found.items())


def test_list_without_any_connector_says_where_they_come_from(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector_kit.cli.verbs.list.installed", lambda _group: {})
    assert run("list").out == (
        "no package declares a connector in the entry-point group connector_kit.connectors\n"
    )
    assert run("list", "--json").out == "[]\n"


def test_list_says_what_a_connector_lacks(run: Run, tmp_path: Path) -> None:
    information = tmp_path / "shops-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: shops\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[connector_kit.connectors]\nshops = not_there:make\n")
    [line] = [line for line in run("list").out.splitlines() if line.startswith("shops ")]
    assert "not usable: no module 'not_there'" in line


def test_spec_is_the_schema_of_the_settings(run: Run) -> None:
    schema = as_json(run("spec", "mock"))
    assert schema["$defs"]["MockConfig"]["properties"]["size"]["default"] == MockConfig().size
    assert as_json(run("spec", "shop:Shop"))["$ref"] == "#/$defs/ShopConfig"


def test_spec_of_a_file_is_that_of_its_connector_and_needs_no_settings(run: Run, tmp_path: Path) -> None:
    (tmp_path / "api.toml").write_text('connector = "rest"')
    assert as_json(run("spec", "api.toml"))["$ref"] == "#/$defs/RestConfig"


def test_spec_can_be_that_of_the_file_around_the_settings(run: Run) -> None:
    assert as_json(run("spec", "mock", "--file"))["$ref"] == "#/$defs/ConnectorConfig"


def test_check_says_a_line_for_each_step(run: Run) -> None:
    ended = run("check", "shop:Shop")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "settings      ok: checkpoints are kept under the name 'shop:Shop'",
        "connection    ok",
        "catalog       ok: 2 entities: things, nothing",
    ]


def test_check_ends_with_the_step_that_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('connector = "shop:NotYet"\n[resilience.retry]\nattempts = 1\n')
    ended = run("check", "shop.toml")
    assert ended.code == 4
    assert ended.out.splitlines()[1:] == ["connection    failed"]
    assert ended.err == (
        "error: nobody there; expected a server; start it [connector NotYet, operation connect, attempt 1]\n"
    )
    steps = json.loads(run("check", "shop.toml", "--json").out)
    assert [(step["step"], step["ok"]) for step in steps] == [("settings", True), ("connection", False)]


def test_discover_shows_keys_and_fields(run: Run) -> None:
    shown = run("discover", "mock").out
    assert "customers: primary key id; new records by updated_at (in order)" in shown
    assert "events: primary key id; new records by cursor" in shown
    assert "countries: primary key code; always read in full" in shown
    assert "list of {sku, quantity, price}" in shown
    assert "fields are not known before it is read" in run("discover", "shop:Shop").out


def test_discover_gives_json_schemas(run: Run) -> None:
    orders = as_json(run("discover", "mock", "--json"))["entities"][1]
    assert orders["name"] == "orders"
    assert (orders["primary_key"], orders["incremental"], orders["ordered"]) == (["id"], "since", False)
    assert orders["schema"]["properties"]["total"]["type"] == "number"


def test_sample_shows_so_many_records_in_short(run: Run) -> None:
    lines = run("sample", "mock", "orders", "-n", "3").out.splitlines()
    assert lines[0].split() == ["id", "customer_id", "status", "total", "gift", "note", "lines", "updated_at"]
    assert len(lines) == 1 + 3
    shown = run("sample", "shop:Shop", "things").out
    assert "x" * 39 + "…" in shown
    assert "\x1b" not in shown
    assert run("sample", "shop:Shop", "nothing").out == "nothing has no records\n"


def test_sample_gives_values_in_full_as_json_lines(run: Run) -> None:
    ended = run("sample", "shop:Shop", "things", "--json", "--set", "greeting=hi")
    assert as_json(ended) == {"greeting": "hi", "long": "x" * 100, "strange": "a\tb\x1b[31m"}


def records(ended: Ended) -> list[Any]:
    assert ended.code == 0
    return [json.loads(line) for line in ended.out.splitlines()]


def test_read_of_one_entity_gives_its_records(run: Run) -> None:
    found = records(run("read", "mock", "countries"))
    assert len(found) == 16
    assert set(found[0]) == {"code", "name", "inhabitants", "area", "languages"}


def test_read_of_several_entities_says_whose_record_it_is(run: Run) -> None:
    found = records(run("read", "mock", "countries", "customers", "countries", "--set", "size=30"))
    assert [line["entity"] for line in found] == ["countries"] * 16 + ["customers"] * 3
    everything = records(run("read", "mock", "--set", "size=30"))
    assert [line["entity"] for line in everything] == (
        ["customers"] * 3 + ["orders"] * 30 + ["events"] * 30 + ["countries"] * 16
    )


def test_read_begins_at_a_time(run: Run) -> None:
    found = records(run("read", "mock", "orders", "--set", "size=120", "--since", "2024-01-01T00:30"))
    assert len(found) == 30
    assert min(record["updated_at"] for record in found) == "2024-01-01T00:30:00+00:00"


def test_read_says_which_entities_have_no_time_to_begin_at(run: Run) -> None:
    ended = run("read", "mock", "countries", "orders", "--since", "2024-01-01T00:00:00+02:00")
    assert ended.err == "countries has no replication key to tell what is new by: all of it is read\n"


def test_read_takes_the_entities_and_their_start_from_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        'connector = "mock"\nselect = ["orders"]\nsettings.size = 120\nentities.orders.start = 2024-01-01T00:30:00Z'
    )
    assert len(records(run("read", "m.toml"))) == 30


def test_settings_take_the_place_of_those_in_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('connector = "mock"\n[settings]\nsize = 120\npage_size = 7\n')
    assert len(records(run("read", "m.toml", "orders", "--set", "size=8"))) == 8


def test_a_record_that_has_no_json_form_is_one_error(run: Run) -> None:
    ended = run("read", "shop:Broken", "things")
    assert ended.code == 6
    assert ended.err.startswith("error: a record of entity 'things' has no JSON form: a value of type object")


def test_a_sample_that_has_no_json_form_is_one_error(run: Run) -> None:
    ended = run("sample", "shop:Broken", "things", "-n", "1")
    assert ended.code == 6
    assert ended.err.startswith("error: a record cannot be written as JSON: ")


def test_a_bug_is_told_without_its_message_unless_asked_for(run: Run) -> None:
    ended = run("discover", "shop:Bug")
    assert ended.code == 70
    assert ended.err.count("\n") == 1
    assert "unexpected KeyError in " in ended.err
    assert "secret" not in ended.err
    shown = run("discover", "shop:Bug", "--traceback").err
    assert "Traceback (most recent call last)" in shown
    assert "raise KeyError" in shown


def test_verbose_tells_of_every_call(run: Run) -> None:
    told = run("sample", "mock", "orders", "-v").err
    assert "connect ended after 0.00s" in told
    assert "orders: get_sample_data ended after" in told


def test_the_log_as_json_is_an_object_a_line(run: Run) -> None:
    events = [json.loads(line) for line in run("discover", "mock", "--log", "json").err.splitlines()]
    assert [(event["event"], event["operation"]) for event in events] == [
        ("call_finished", "connect"),
        ("call_finished", "discover_schema"),
        ("call_finished", "disconnect"),
    ]
