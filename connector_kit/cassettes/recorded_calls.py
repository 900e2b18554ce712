"""One request to a connector and what it answered, as values and as lines of a cassette."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs

from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Cursor, Page, Quota

from .redaction import Redaction
from .values import (
    catalog_from_json,
    catalog_to_json,
    error_from_json,
    error_to_json,
    from_json,
    is_json_list,
    is_json_object,
    to_json,
)

__all__ = [
    "CallRecorder",
    "Closed",
    "Ended",
    "Failed",
    "RecordedCall",
    "RecordedOutcome",
    "RecordedRequest",
    "Returned",
]

_OPERATIONS = (
    "validate_config",
    "connect",
    "discover_schema",
    "get_sample_data",
    "partition_data",
    "fetch_data",
    "disconnect",
)
_NO_END = "it has no end; expected a line with failed, ended, closed or returned"
NOTHING_HIDDEN = Redaction()


@attrs.frozen
class RecordedRequest:
    """A request to a connector: an operation, and those arguments that it has."""

    operation: str
    entity: str | None = None
    since: datetime | None = None
    cursor: Cursor = None
    limit: int | None = None
    target: int | None = None

    def to_json(self, redaction: Redaction = NOTHING_HIDDEN) -> dict[str, Any]:
        """Return the request as JSON, redacted except for operation and entity, by which answers are found."""
        data: dict[str, Any] = {"operation": self.operation, "entity": self.entity}
        data |= {"since": to_json(self.since, redaction), "cursor": to_json(self.cursor, redaction)}
        data |= {"limit": self.limit, "target": self.target}
        return {name: value for name, value in data.items() if value is not None}

    @property
    def key(self) -> str:
        """Text that is the same for equal requests: for the same moment in any time zone, for a cursor read from JSON."""
        return json.dumps(self._comparable(), sort_keys=True)

    @property
    def sort_key(self) -> tuple[int, str, list[str]]:
        """Where the request stands in a cassette, whenever it was made: what lacks an argument stands before the rest."""
        data = self._comparable()
        arguments = [
            json.dumps(data[name], sort_keys=True) if name in data else ""
            for name in ("since", "cursor", "limit", "target")
        ]
        as_numbers = [re.sub(r"\d+", lambda number: number[0].zfill(20), text) for text in arguments]
        return _OPERATIONS.index(self.operation), self.entity or "", as_numbers

    def _comparable(self) -> dict[str, Any]:
        since = self.since
        if since is not None and since.tzinfo is not None:
            since = since.astimezone(UTC)
        data: dict[str, Any] = _without_tuples(attrs.evolve(self, since=since).to_json())
        return data


@attrs.frozen
class Returned:
    """A call returned this value."""

    value: Any


@attrs.frozen
class Failed:
    """A call or a read raised; `data` describes it."""

    data: dict[str, Any]

    def error(self) -> Exception:
        """Return the exception, a new one each time: it takes up a traceback."""
        return error_from_json(self.data)


@attrs.frozen
class Ended:
    """A read came to its end."""


@attrs.frozen
class Closed:
    """A read was not followed to its end."""


RecordedOutcome: TypeAlias = Returned | Failed | Ended | Closed


@attrs.frozen
class RecordedCall:
    """One request as it was answered: with pages, where it was a read, and an outcome."""

    request: RecordedRequest
    pages: tuple[Page, ...] = ()
    outcome: RecordedOutcome = attrs.field(factory=Closed)

    @classmethod
    def read(cls, lines: list[dict[str, Any]]) -> RecordedCall:
        """Return the recorded call of these lines. Raise `ValueError`, `KeyError`, `TypeError` or `ConfigError` for others."""
        first, *rest = lines
        if not rest:
            raise ValueError(_NO_END)
        request = RecordedRequest(**{name: from_json(value) for name, value in first["request"].items()})
        request.sort_key  # noqa: B018 - raises where there is no such operation
        pages: list[Page] = []
        records: list[Any] = []
        for line in rest[:-1]:
            if "record" in line:
                records.append(from_json(line["record"]))
            else:
                pages.append(_page_from_json(line["page"], records))
                records = []
        if records:
            raise ValueError(f"{len(records)} records stand there without a page behind them")
        return cls(request, tuple(pages), _outcome_from_json(request, rest[-1]))

    def after(self, cursor: Cursor) -> RecordedCall | None:
        """Return what followed the page with this cursor, as the answer to a read that begins there."""
        sought = attrs.evolve(self.request, cursor=cursor)
        for number in range(len(self.pages), 0, -1):
            if attrs.evolve(sought, cursor=self.pages[number - 1].cursor).key == sought.key:
                return RecordedCall(sought, self.pages[number:], self.outcome)
        return None


@attrs.define(eq=False)
class CallRecorder:
    """Collects a recorded call as lines of text: who receives a page may change its records."""

    request: RecordedRequest
    redaction: Redaction
    _lines: list[str] = attrs.field(factory=list[str], init=False)
    _over: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._lines.append(_line({"request": self.request.to_json(self.redaction)}))

    @property
    def lines(self) -> list[str]:
        """Return the lines; a read that is under way was closed, as far as they can tell."""
        return self._lines if self._over else [*self._lines, _line({"closed": True})]

    @property
    def sort_key(self) -> tuple[int, str, list[str]]:
        """Where the recorded call stands in a cassette: by what is written of its request, not by what was hidden."""
        return RecordedRequest(
            **{name: from_json(value) for name, value in self.request.to_json(self.redaction).items()}
        ).sort_key

    def page(self, page: Page) -> None:
        """Add a page: a line for each record, and one for the page behind them. All of it or nothing."""
        lines = [_line({"record": to_json(record, self.redaction)}) for record in page.records]
        data: dict[str, Any] = {"records": len(lines)}
        if page.cursor is not None:
            data["cursor"] = to_json(page.cursor, self.redaction)
        if page.quota is not None:
            quota = attrs.asdict(page.quota)
            data["quota"] = {name: value for name, value in quota.items() if value is not None}
        self._lines += [*lines, _line({"page": data})]

    def returned(self, value: object) -> None:
        """Add what a call returned."""
        if isinstance(value, Catalog):
            data: Any = {"catalog": catalog_to_json(value)}
        else:
            data = to_json(value, self.redaction)
            if isinstance(
                value, tuple
            ):  # of records or cursors: which kind of sequence they came in says nothing
                data = data["$tuple"]
        self._end({"returned": data})

    def failed(self, error: BaseException) -> None:
        """Add what was raised."""
        self._end({"failed": error_to_json(error, self.redaction)})

    def ended(self) -> None:
        """Add that a read ended."""
        self._end({"ended": True})

    def _end(self, line: dict[str, Any]) -> None:
        self._lines.append(_line(line))
        self._over = True


def _line(value: dict[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8
        return json.dumps(value)
    return text


def _page_from_json(data: dict[str, Any], records: list[Any]) -> Page:
    if data["records"] != len(records):
        raise ValueError(f"a page of {data['records']} records stands behind {len(records)} of them")
    quota = Quota(**data["quota"]) if "quota" in data else None
    return Page(records, from_json(data.get("cursor")), quota)


def _outcome_from_json(request: RecordedRequest, line: dict[str, Any]) -> RecordedOutcome:
    match line:
        case {"failed": dict()}:
            error: dict[str, Any] = line["failed"]
            error_from_json(error)  # what describes no error is found when the cassette is read
            return Failed(error)
        case {"ended": True}:
            return Ended()
        case {"closed": True}:
            return Closed()
        case {"returned": {"catalog": list()}} if request.operation == "discover_schema":
            return Returned(catalog_from_json(line["returned"]["catalog"]))
        case {"returned": value}:
            return Returned(from_json(value))
        case _:
            raise ValueError(_NO_END)


def _without_tuples(value: Any) -> Any:
    """Return JSON with lists for tuples: a cursor that was stored comes back with those."""
    if is_json_list(value):
        return [_without_tuples(item) for item in value]
    if not is_json_object(value):
        return value
    if value.keys() == {"$tuple"}:
        return _without_tuples(value["$tuple"])
    return {name: _without_tuples(item) for name, item in value.items()}
