"""Every style of pagination, with every way in which its lists end, on servers that misbehave in every way.

A run that says complete has every row. Any other one ends soon, in words, with what was read stored, and the next run
on a server that behaves gets the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import attrs
import pytest
from rest_server import Asked, HttpServer, Said, serving

from connector_kit.connectors.rest import (
    CursorField,
    LastRecord,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Resource,
    RestConfig,
    RestConnector,
)
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Scalar
from connector_kit.runtime.sync import sync

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.runtime.report import EntityReport

Row: TypeAlias = dict[str, Any]
Body: TypeAlias = dict[str, Any]

ROWS = [{"id": number} for number in range(1, 7)]
SIZE = 2
MAX_REQUESTS = 20
EMPTY_PAGES = 4

STYLES: dict[str, Any] = {
    "cursor_field": CursorField("next"),
    "next_url": NextUrl("next"),
    "link_header": LinkHeader(),
    "last_record": LastRecord(param="after"),
    "page_number": PageNumber(),
    "offset": Offset(size_param=None),
}
IN_BODY = frozenset({"cursor_field", "next_url"})
NAMED = IN_BODY | {"link_header"}
"""The server names what is next, so that it may name it behind the last page, too."""
COUNTED = frozenset({"page_number", "offset"})
ALL = frozenset(STYLES)


@attrs.frozen
class Page:
    """What a server has at a place of its list."""

    start: int
    rows: list[Row]
    length: int

    @property
    def last(self) -> bool:
        """Whether nothing comes behind it."""
        return self.start + SIZE >= self.length

    @property
    def past(self) -> bool:
        """Whether it is behind the last one."""
        return self.start >= self.length


@attrs.frozen
class Ending:
    """A way in which lists end: in which styles, how it is declared, and what an answer has of it."""

    styles: frozenset[str]
    answer: Callable[[Page, Body], Body | Said]
    pagination: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    resource: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    names_always: bool = False
    """Whether the server names what is next on the last page, too."""
    tells: bool = False
    """Whether it says that more follows where that is so, and not of an empty page alone that nothing does."""


def _as_it_is(_: Page, body: Body) -> Body:
    return body


def _next_is(value: Any) -> Ending:
    return Ending(IN_BODY, lambda page, body: body | ({"next": value} if page.last else {}), tells=True)


def _past(answer: Callable[[Body], Body | Said], **resource: Any) -> Ending:
    """What is past the end is answered so; nothing before says that it is the end."""
    return Ending(
        COUNTED | {"last_record"}, lambda page, body: body if not page.past else answer(body), {}, resource
    )


def _total(written: Callable[[int], Any], *styles: str) -> Ending:
    def answer(page: Page, body: Body) -> Body:
        return body | {"total": written(page.length), "pages": written(-(-page.length // SIZE))}

    return Ending(
        frozenset(styles or COUNTED), answer, {"total": "total", "total_pages": "pages"}, tells=True
    )


def _flag(option: str, values: tuple[Any, Any], styles: frozenset[str] = ALL) -> Ending:
    """On the last page the flag is the first value, before it the second one."""

    def answer(page: Page, body: Body) -> Body:
        return body | {"flag": values[0] if page.last else values[1]}

    return Ending(styles, answer, {option: "flag"}, names_always=True, tells=True)


NOTHING: list[Any] = [None, False, 0, "", [], {}]
ENDINGS: dict[str, Ending] = {
    "nothing named": Ending(NAMED, _as_it_is, tells=True),
    **{f"next is {value!r}": _next_is(value) for value in NOTHING},
    "null for records and next": Ending(
        IN_BODY,
        lambda page, body: body if not page.past else {"items": None, "next": None},
        names_always=True,
        tells=True,
    ),
    "no records and null for next": Ending(
        IN_BODY, lambda page, body: body if not page.past else {"next": None}, names_always=True, tells=True
    ),
    "204 behind the last page": Ending(
        NAMED, lambda page, body: body if not page.past else Said("", 204), names_always=True, tells=True
    ),
    "empty page": _past(lambda body: body),
    "null": _past(lambda body: body | {"items": None}),
    "204": _past(lambda _: Said("", 204)),
    "list left out": _past(lambda _: {}, records_optional=True),
    "404": attrs.evolve(_past(lambda _: Said("{}", 404), past_end=(404,)), styles=COUNTED),
    "416": attrs.evolve(_past(lambda _: Said("", 416), past_end=(400, 416)), styles=COUNTED),
    "total": _total(int),
    "total as text": _total(str),
    "total is null": attrs.evolve(_total(lambda _: None), tells=False),
    "more": _flag("more", (False, True)),
    "more in numbers": _flag("more", (0, 1)),
    "end": _flag("end", (True, False)),
    "last page again": Ending(COUNTED, _as_it_is, {"clamps": True}),
}


@attrs.define
class Api:
    """A server of the rows, in a style, with an ending; a fault may change where it looks and what it answers."""

    style: str
    ending: Ending
    fault: str = "none"
    rows: list[Row] = attrs.field(factory=lambda: list(ROWS))
    answers: list[list[int]] = attrs.field(factory=list[list[int]])
    """The keys in each answer that had records."""

    def __call__(self, asked: Asked) -> Said:
        """Answer one request."""
        number, start = len(self.answers) + 1, self._start(asked)
        self.answers.append([])
        if number == 2 and self.fault in BROKEN:
            return BROKEN[self.fault]
        page = self._page(start, number)
        body: Body = {"items": page.rows}
        named = self._named(page, number) if self.ending.names_always or not page.last else None
        if named is not None:
            body["next"] = named
        said = self.ending.answer(page, body)
        if isinstance(said, Said):
            return said
        said = self._spoilt(page, said)
        self.answers[-1] = [row["id"] for row in said.get("items") or []]
        link = {"Link": f'<{named}>; rel="next"'} if self.style == "link_header" and named else {}
        return Said(json.dumps(said), headers=link)

    def _start(self, asked: Asked) -> int:
        value = asked.params.get({"last_record": "after", "page_number": "page"}.get(self.style, "offset"))
        value = asked.params.get("cursor") if self.style == "cursor_field" else value
        if value is None:
            return 0
        place = int(value.rstrip("x"))
        match self.style:
            case "page_number":
                return (place - 1) * SIZE
            case "last_record":
                return next((at for at, row in enumerate(self.rows) if row["id"] == place), 99) + 1
            case _:
                return place

    def _page(self, start: int, number: int) -> Page:
        last_start = (len(self.rows) - 1) // SIZE * SIZE
        clamped = self.fault == "clamps" or self.ending.pagination.get("clamps")
        match self.fault:
            case "ignores the parameter":
                start = 0
            case "starts again":
                start %= len(self.rows)
            case "a row in front" | "a row in front of a fixed total" if number == 2:
                self.rows.insert(0, {"id": 0})
            case _ if clamped:
                start = min(start, last_start)
            case _:
                pass
        empty = (self.fault == "empty for ever" and number > 1) or (
            self.fault == "an empty page" and number == 2
        )
        return Page(start, [] if empty else self.rows[start : start + SIZE], len(self.rows))

    def _named(self, page: Page, number: int) -> Any:
        if self.style not in NAMED:
            return None
        following = str(page.start + SIZE)
        match self.fault:
            case "the same cursor again":
                following = str(SIZE)
            case "a circle":
                following = "0" if page.start >= SIZE else following
            case "empty for ever" if number > 1:
                following = f"{page.start}{'x' * number}"
            case "an empty page" if number == 2:
                following = f"{page.start}x"
            case _:
                pass
        return following if self.style == "cursor_field" else f"?offset={following}"

    def _spoilt(self, page: Page, body: Body) -> Body:
        """Return the body with what it says of the end changed."""
        match self.fault:
            case "a total too high":
                return body | {
                    name: type(body[name])(int(body[name]) + 3)
                    for name in ("total", "pages")
                    if body.get(name)
                }
            case "a row in front of a fixed total" if body.get("total"):
                return body | {"total": type(body["total"])(len(ROWS)), "pages": type(body["pages"])(3)}
            case "a total that vanishes" if page.start:
                return {name: value for name, value in body.items() if name not in ("total", "pages")}
            case "more for ever" if "flag" in body:
                told = self.ending.answer(Page(0, [], 99), {})
                assert isinstance(told, dict)
                return body | told
            case _:
                return body


BROKEN = {
    "an error in a 200": Said('{"error": "busy"}'),
    "null and an error": Said('{"items": null, "error": "busy", "next": null}'),
    "a server error": Said("", 500),
    "half a body of no length": Said('{"items": [{"id": 3}', declared=-1),
}
FAULTS = (
    "none",
    "ignores the parameter",
    "clamps",
    "starts again",
    "a row in front",
    "empty for ever",
    "an empty page",
    "the same cursor again",
    "a circle",
    "a total too high",
    "a row in front of a fixed total",
    "a total that vanishes",
    "more for ever",
)


def makes_sense(style: str, ending: Ending, fault: str, *, keyed: bool) -> bool:
    """Whether a fault can happen, and be told from an end: an empty page is the end to who has heard nothing else."""
    declared = ending.pagination.keys()
    has_total = "total" in declared
    speaks = style in NAMED or (ending.tells and style in ("offset", "last_record"))
    return {
        "the same cursor again": style in NAMED,
        "a circle": style in NAMED,
        "an empty page": speaks,
        "empty for ever": speaks,
        "a row in front of a fixed total": has_total and keyed,  # without a key nobody knows what came twice
        "a total too high": has_total,
        "a total that vanishes": has_total,
        "more for ever": bool({"more", "end"} & declared),
        "ignores the parameter": "clamps" not in declared,  # there the first page again is the last one
    }.get(fault, True)


@attrs.define
class Matrix:
    """One server for many lists, each at a path of its own, so that they are read at the same time."""

    server: HttpServer
    apis: dict[str, Api] = attrs.field(factory=dict[str, Api])

    def __attrs_post_init__(self) -> None:
        self.server.answering = lambda asked: self.apis[asked.path](asked)

    async def run(self, path: str, api: Api, to: MemoryDestination, *, keyed: bool) -> EntityReport:
        """Bring what a list has to the destination."""
        self.apis[path] = api
        options = {
            name: value for name, value in api.ending.pagination.items() if hasattr(STYLES[api.style], name)
        }
        resource = Resource(
            path,
            "items",
            pagination=attrs.evolve(STYLES[api.style], **options),
            primary_key=("id",) if keyed else (),
            fields={"id": Scalar.INTEGER},
            max_empty_pages=EMPTY_PAGES,
            **api.ending.resource,
        )
        # In a replace, what was read before a fault is in the unfinished generation, where nobody sees it.
        mode: Mode = "upsert" if keyed else "replace"
        report = await sync(RestConnector(RestConfig(self.server.url, {"things": resource})), to, mode=mode)
        return report.entities[0]

    async def judge(self, style: str, ending: Ending, fault: str, *, keyed: bool) -> str:
        """Return what is wrong with a run; nothing where all is right."""
        path, to = f"/{fault}".replace(" ", "-"), MemoryDestination()
        api = Api(style, ending, fault)
        report = await self.run(path, api, to, keyed=keyed)
        if len(api.answers) > MAX_REQUESTS:
            return f"{len(api.answers)} requests"
        if report.status == "complete":
            return "" if ids(to) - {0} == WANTED else f"complete with {ids(to)}"
        if fault == "none" or not isinstance(report.error, ConnectorError):
            return f"{report.status}: {report.error!r}"
        if not keyed:
            return f"{ids(to)} of an unfinished read" if ids(to) else ""
        before, after = (
            {row for rows in served for row in rows} for served in (api.answers[:-1], api.answers)
        )
        if not before <= ids(to) <= after:
            return f"{ids(to)} stored of {after}"
        mended = await self.run(path, Api(style, ending), to, keyed=keyed)
        right = mended.status == "complete" and ids(to) - {0} == WANTED
        return "" if right else f"mended: {mended.status} with {ids(to)}: {mended.error!r}"


def ids(to: MemoryDestination) -> set[int]:
    return {row["id"] for row in to.rows("things")}


WANTED = {row["id"] for row in ROWS}


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with serving(lambda _: Said()) as server:
        yield server


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "without a key"])
@pytest.mark.parametrize(
    ("style", "ending"),
    [
        pytest.param(style, ending, id=f"{style}-{name}")
        for style in STYLES
        for name, ending in ENDINGS.items()
        if style in ending.styles
    ],
)
def test_complete_is_complete_and_what_is_not_says_so(
    server: HttpServer, style: str, ending: Ending, *, keyed: bool
) -> None:
    """Whatever is wrong with the server. What was read before an error is stored, and the next run gets the rest."""
    possible = (*FAULTS, *BROKEN) if keyed else FAULTS
    faults = [fault for fault in possible if makes_sense(style, ending, fault, keyed=keyed)]
    wrong: dict[str, str] = {}

    async def judge(matrix: Matrix, fault: str) -> None:
        wrong[fault] = await matrix.judge(style, ending, fault, keyed=keyed)

    async def judge_all() -> None:
        matrix = Matrix(server)
        async with anyio.create_task_group() as tasks:
            for fault in faults:
                tasks.start_soon(judge, matrix, fault)

    anyio.run(judge_all)
    assert wrong == dict.fromkeys(wrong, "")
    assert len(wrong) == len(faults)
