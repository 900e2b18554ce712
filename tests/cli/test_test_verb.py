"""`connector-kit test`: what it shows of the laws, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import in_this_process, measured
from rest_server import Asked, Said, serving

from connector_kit.cli.report_file import store_report
from connector_kit.cli.verbs.test import behind_proxy
from connector_kit.errors import DestinationError
from connector_kit.registry.connectors import locate

if TYPE_CHECKING:
    from commands import Ended, Run

SHOP = '''
import attrs

from connector_kit.redaction import Secret
from connector_kit.config.url import Url
from connector_kit.errors import AuthenticationError, ConnectionFailedError
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page


@attrs.frozen
class ShopConfig:
    token: Secret = attrs.field(default=Secret("s3cr3t-t0ken"))


class Shop:
    def __init__(self, config: ShopConfig) -> None:
        self.config = config

    async def connect(self): ...
    async def disconnect(self): ...

    async def discover_schema(self):
        return Catalog([Entity("orders", primary_key="id", incremental="cursor"), Entity("others")])

    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        (await self.discover_schema())[entity]
        for start in range(cursor if isinstance(cursor, int) else 0, 6, 2):
            yield self.page(start)

    def page(self, start):
        return Page([{"id": start + 1}, {"id": start + 2}], cursor=start + 2)


class Wrong(Shop):
    """Its cursor points at the last record; and its records show the token."""

    def page(self, start):
        return Page([{"id": start + 1, "by": self.config.token.reveal()}, {"id": start + 2}], cursor=start + 1)


class Nobody(Shop):
    async def connect(self):
        raise ConnectionFailedError("nobody there")


class Locked(Shop):
    async def connect(self):
        raise AuthenticationError(f"wrong token {self.config.token.reveal()}")


class Mistaken(Shop):
    async def connect(self):
        raise KeyError("host")


class Stuck(Shop):
    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        (await self.discover_schema())[entity]
        import anyio
        from pathlib import Path
        Path("reading").touch()
        await anyio.sleep(60)
        yield self.page(0)


@attrs.frozen
class ApiConfig:
    base_url: Url
    path: str = "/orders"


class Api:
    """An author's own, which speaks HTTP by the standard library."""

    def __init__(self, config: ApiConfig) -> None:
        self.config = config

    async def connect(self): ...
    async def disconnect(self): ...

    async def discover_schema(self):
        return Catalog([Entity("orders")])

    def fetch_data(self, entity, /, *, since=None, cursor=None): ...
'''
REST = """
connector = "rest"
[settings]
base_url = "{url}"
page_size = 2
[settings.resources.orders]
path = "/orders"
pagination = {{ type = "last_record", field = "id", param = "after" }}
primary_key = ["id"]
incremental = "cursor"
[settings.resources.orders.fields]
id = "integer"
"""
FEW = ("--law", "lifecycle,resume", "--entity", "orders")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    (tmp_path / "shop.py").write_text(SHOP)
    return in_this_process(tmp_path, monkeypatch, capsys)


def orders(asked: Asked) -> Said:
    """Six orders, two a page."""
    after = int(asked.params.get("after", "0"))
    return Said(json.dumps([{"id": number} for number in range(after + 1, 7)][:2]))


def laws_of(ended: Ended) -> dict[str, Any]:
    return {law["name"]: law for law in json.loads(ended.out)["laws"]}


def test_the_table_has_a_line_for_each_law_and_says_what_was_not_looked_at(run: Run) -> None:
    ended = run("test", "shop:Shop", *FEW)
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0].split() == ["law", "name", "outcome", "checked", "requests"]
    assert [line.split()[:3] for line in lines[1:3]] == [["1", "lifecycle", "held"], ["4", "resume", "held"]]
    assert any(line.startswith("not checked: resume: ") for line in lines)
    assert lines[-1].startswith("2 of 2 laws held; ")


def test_progress_goes_to_standard_error_law_by_law(run: Run) -> None:
    told = run("test", "shop:Shop", *FEW).err.splitlines()
    assert [line.split(",")[0] for line in told] == ["law 1 of 2: lifecycle held", "law 2 of 2: resume held"]
    assert told[-1].endswith(" requests so far")


def test_with_log_json_each_law_is_an_event(run: Run) -> None:
    ended = run("test", "shop:Shop", *FEW, "--log", "json", "--json")
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert [(event["event"], event["law"], event["outcome"]) for event in events] == [
        ("law_looked_at", "lifecycle", "held"),
        ("law_looked_at", "resume", "held"),
    ]
    assert sum(event["requests"] for event in events) <= json.loads(ended.out)["requests"]


def test_a_broken_law_ends_with_11_and_shows_where(run: Run) -> None:
    ended = run("test", "shop:Wrong", *FEW)
    assert ended.code == 11
    assert "law 4, resume, is broken: " in ended.out
    assert "  entity orders, page 1: " in ended.out
    assert "1 of 2 laws held, 1 broken; " in ended.out


def test_all_evidence_is_in_the_json_report(run: Run) -> None:
    ended = run("test", "shop:Wrong", *FEW, "--json")
    evidence = laws_of(ended)["resume"]["evidence"]
    assert ended.code == 11
    assert {each["entity"] for each in evidence} == {"orders"}


@pytest.mark.parametrize("form", [[], ["--json"], ["--report", "r.json"]])
def test_no_secret_of_the_settings_is_shown(run: Run, form: list[str]) -> None:
    ended = run("test", "shop:Wrong", "--entity", "orders", *form)
    written = Path("r.json").read_text() if Path("r.json").exists() else ""
    assert ended.code == 11
    assert "s3cr3t" not in ended.out + ended.err + written
    assert "****" in ended.out + written


def test_the_report_is_written_to_a_file_too(run: Run) -> None:
    ended = run("test", "shop:Shop", *FEW, "--report", "r.json", "--json")
    assert json.loads(Path("r.json").read_text()) == json.loads(ended.out)
    assert [path.name for path in Path().iterdir() if path.suffix == ".part"] == []


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "r.json"
    with pytest.raises(DestinationError, match=r"cannot be written to .*nothing is lost"):
        store_report({}, path, meanwhile="nothing is lost")
    taken = tmp_path / "taken.json"
    taken.mkdir()
    with pytest.raises(DestinationError, match="cannot be written"):
        store_report({}, taken, meanwhile="nothing is lost")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]


@pytest.mark.parametrize(
    ("connector", "code", "said"),
    [
        ("shop:Nobody", 4, "connect failed: ConnectionFailedError: nobody there"),
        ("shop:Locked", 8, "connect failed: AuthenticationError: wrong token ****"),
        ("shop:Mistaken", 11, "connect failed: KeyError: 'host'"),
        ("shop:Shopp", 9, "did you mean 'Shop'?"),
        ("shop:Catalog", 9, "no connector"),
    ],
)
def test_where_nothing_can_be_looked_at_the_code_is_that_of_the_error(
    run: Run, connector: str, code: int, said: str
) -> None:
    ended = run("test", connector)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("error: ")
    assert said in ended.err
    assert "s3cr3t" not in ended.err


def test_an_error_is_shown_with_its_place_to_who_asks(run: Run) -> None:
    ended = run("test", "shop:Locked", "--traceback")
    assert "Traceback" in ended.err
    assert "wrong token ****" in ended.err
    assert "AuthenticationError: wrong token ****" in ended.err
    assert "s3cr3t" not in ended.err
    assert ended.code == 8


def test_an_entity_and_a_law_that_there_are_not_are_refused(run: Run) -> None:
    ended = run("test", "shop:Shop", "--entity", "order")
    assert (ended.code, ended.out) == (7, "")
    assert "did you mean 'orders'?" in ended.err
    ended = run("test", "shop:Shop", "--law", "resum")
    assert (ended.code, ended.out) == (9, "")
    assert "'resume'" in ended.err


def test_requests_and_entities_are_bounded(run: Run) -> None:
    ended = run("test", "mock", "--set", "size=50", "--max-requests", "20", "--entity", "orders", "--json")
    report = json.loads(ended.out)
    assert report["requests"] <= 20
    assert "requests allowed are used up" in ended.out


def test_time_is_bounded(run: Run) -> None:
    ended = run("test", "mock", "--set", "size=50", "--max-seconds", "1e-9")
    assert (ended.code, ended.out) == (9, "")
    assert "s allowed are over" in ended.err


def test_entities_are_those_of_the_file(run: Run) -> None:
    Path("shop.toml").write_text('connector = "shop:Wrong"\nselect = ["orders"]\n')
    ended = run("test", "shop.toml", "--law", "progress", "--json")
    assert "others" not in str(laws_of(ended)["progress"]["checked"])
    assert json.loads(ended.out)["subject"] == "shop"


def test_on_trio(run: Run) -> None:
    ended = run("test", "shop:Shop", *FEW, "--backend", "trio")
    assert ended.code == 0


def test_a_rest_connector_meets_faults_on_the_wire_unless_told_not_to(run: Run) -> None:
    with serving(orders) as server:
        Path("api.toml").write_text(REST.format(url=server.url))
        faulty = run("test", "api.toml", "--law", "resume", "--json")
        calm = run("test", "api.toml", "--law", "resume", "--no-faults", "--json")
    assert (faulty.code, calm.code) == (0, 0)
    assert "on the wire" in str(laws_of(faulty)["resume"]["checked"])
    assert "on the wire" not in str(laws_of(calm)["resume"]["checked"])


def test_a_connector_of_ones_own_gets_a_wire_by_the_name_of_a_setting(run: Run) -> None:
    run("list")  # from whose folder the module can be imported then
    located = locate("shop:Api", {"base_url": "http://127.0.0.1:9/v1", "path": "/x"})
    with behind_proxy(located) as (behind, wire):
        made: Any = behind.make()
        assert wire is not None
        assert made.config.base_url.reveal().startswith("http://127.0.0.1:")
        assert made.config.base_url.reveal().endswith("/v1")
        assert made.config.base_url != located.make().config.base_url  # type: ignore[attr-defined]  # an Api
        assert made.config.path == "/x"
    with behind_proxy(locate("shop:Shop")) as (same, wire):
        assert wire is None
        assert type(same.make()).__name__ == "Shop"


def test_a_rate_of_the_file_is_kept_by_all_requests_together(run: Run) -> None:
    """With three permits in all the time there is, three requests are made."""
    Path("shop.toml").write_text('connector = "shop:Shop"\n[resilience]\nrate = "3/h"\n')
    ended = run("test", "shop.toml", "--max-seconds", "2", "--call-seconds", "0.5", "--json")
    report = json.loads(ended.out)
    assert report["requests"] <= 4  # the one that waits for its permit is counted, too
    assert "s allowed are over" in ended.out


def test_without_hypothesis_the_error_names_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from connector_kit.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    def ended(*words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            program,
            "test",
            "mock",
            "--set",
            "size=10",
            "--law",
            "cursors",
            *words,
        ]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    refused = ended()
    assert refused.returncode == 9
    assert "pip install 'connector-kit[testing]'" in refused.stderr
    assert ended("--no-faults").returncode == 0


def start(folder: Path, *words: str, **streams: Any) -> subprocess.Popen[str]:
    (folder / "shop.py").write_text(SHOP)
    command = [sys.executable, "-m", "connector_kit", "test", *words]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen(command, cwd=folder, env=measured(), text=True, **streams)


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_says_what_is_known_and_leaves_no_half_report(tmp_path: Path, *, as_json: bool) -> None:
    """The first law needs no reading; the second one hangs in a read, and is interrupted there."""
    words = ["shop:Stuck", "--law", "lifecycle,progress", "--call-seconds", "30", "--report", "r.json"]
    with start(tmp_path, *words, *(["--json"] if as_json else [])) as process:
        assert process.stderr is not None
        while not (tmp_path / "reading").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted after " in err
    assert "Traceback" not in err
    assert not (tmp_path / "r.json").exists()
    assert out == "" if as_json else "of 2 laws held" not in out


def test_on_a_terminal_progress_is_drawn_and_taken_away(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with start(tmp_path, "shop:Shop", *FEW, "--json", stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        try:
            while part := os.read(ours, 4096):
                drawn += part
        except OSError:  # Linux says so where the other end is closed
            pass
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(out)["ok"]
    assert b"law 1 of 2" in drawn
    assert b"\x1b[2K" in drawn  # the line is cleared
