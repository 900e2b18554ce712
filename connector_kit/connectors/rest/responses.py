"""An answer, and the records in its body. Pure functions, no HTTP client. What its status means is told in `refusals`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import attrs
import msgspec

from connector_kit.errors import ConnectionFailedError, SchemaMismatchError
from connector_kit.records.json_body import find, kind_of, split_json
from connector_kit.records.json_fault import json_fault

from .origin import Credentials, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_kit.records.page import JsonValue, Record

__all__ = ["HttpResponse", "content_of", "json_of", "records_of", "without_records"]


_EXCERPT_CHARACTERS = 200


@attrs.frozen
class HttpResponse:
    """What came back: `headers` with names in lower case, the whole body, the `target` it answers."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    target: str
    credentials: Credentials = attrs.field(factory=Credentials)
    method: str = "GET"

    @property
    def what(self) -> str:
        """Name the answer in a message, without its query."""
        try:
            phrase = f" {HTTPStatus(self.status).phrase}"
        except ValueError:
            phrase = ""
        return f"{self.method} {path_of(self.target)} was answered with {self.status}{phrase}"

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def beginning(self) -> str:
        """The first few thousand characters of the body."""
        return self.body[: 20 * _EXCERPT_CHARACTERS].decode(errors="replace")

    @property
    def excerpt(self) -> str:
        """How the body begins, on one line, secrets hidden."""
        return self.shortened(self.beginning)

    def shortened(self, text: str) -> str:
        """Return what a body says on one line and not too long, secrets hidden."""
        line = " ".join(self.credentials.hidden_in(text).split())
        return f"{line[:_EXCERPT_CHARACTERS]}…" if len(line) > _EXCERPT_CHARACTERS else line


def content_of(
    answer: HttpResponse, path: str, values: tuple[str, ...], refuse: Callable[[JsonValue], None]
) -> tuple[JsonValue, Sequence[Record] | None]:
    """Return what stands at the paths of `values` in the body, and the records at `path`, which stay the JSON they are.

    None for records says that nothing stands there. `refuse` is given the former before anything is made of the latter.
    Raises what `refuse`, `json_of` and `records_of` raise.
    """
    if answer.status != HTTPStatus.NO_CONTENT:
        try:
            records, rest = split_json(answer.body, path, values)
        except (ValueError, RecursionError):
            pass  # what is wrong, or only unusual, is for those below to say
        else:
            refuse(rest)
            return rest, records
    body = json_of(answer)
    if answer.status != HTTPStatus.NO_CONTENT:
        refuse(body)
    return body, records_of(answer, body, path)


def json_of(answer: HttpResponse) -> JsonValue:
    """Decode the body. Raises `SchemaMismatchError` where it is no JSON, with how it begins.

    A body that ends too early is a broken connection where nothing else could tell: without a declared length.
    """
    if answer.status == HTTPStatus.NO_CONTENT:
        return None
    try:
        decoded: JsonValue = msgspec.json.decode(answer.body.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        fault = json_fault(answer.body)
        undeclared = not {"content-length", "transfer-encoding"} & answer.headers.keys()
        if undeclared and answer.body and fault is not None and fault.cut:
            raise ConnectionFailedError(
                f"{answer.what}, and the connection ended in the middle of its body, after {len(answer.body)} bytes; "
                "expected complete JSON; try again"
            ) from error
        kind = answer.headers.get("content-type", "no content type")
        raise SchemaMismatchError(
            f"{answer.what} and a body that is no JSON ({kind}): {fault}, beginning {answer.excerpt!r}; expected JSON; "
            "look at base_url and path: is this the API and not a page for people?"
        ) from error
    return decoded


def records_of(answer: HttpResponse, body: JsonValue, path: str) -> Sequence[Record] | None:
    """Return the list of records that stands at `path` in the body; None where nothing stands there.

    Null is an empty list, unless the body tells of an error. Raises `SchemaMismatchError` where something else is there.
    """
    if answer.status == HTTPStatus.NO_CONTENT:
        return []
    location = f"at {path!r}" if path else "as the whole body"
    try:
        records = find(body, path)
    except LookupError:
        if _tells_an_error(body):
            raise without_records(answer, body, path) from None
        return None
    if records is None and not _tells_an_error(body):
        return []
    if not isinstance(records, list):
        found = f"{kind_of(records)} {location}"
    elif wrong := [record for record in records if not isinstance(record, dict)]:
        found = f"{kind_of(wrong[0])} among the records"
    else:
        return cast("list[Record]", records)  # each was looked at above, which no checker follows
    raise _no_list(answer, body, found)


def without_records(answer: HttpResponse, body: JsonValue, path: str) -> SchemaMismatchError:
    """Return the error for a body with nothing at `path` that does not say either where the list goes on."""
    found = f"nothing at {path!r}" if path else "nothing as the whole body"
    return _no_list(answer, body, found, " (or records_optional, where an empty list is left out)")


def _no_list(answer: HttpResponse, body: JsonValue, found: str, also: str = "") -> SchemaMismatchError:
    known = f"; it has {', '.join(sorted(map(str, body)))}" if isinstance(body, Mapping) else ""
    kind = answer.headers.get("content-type", "no content type")
    return SchemaMismatchError(
        f"{answer.what} ({kind}) with {found}{known}, beginning {answer.excerpt!r}; expected a list of objects there; "
        f"set the resource's `records` to where the list stands{also}"
    )


def _tells_an_error(body: JsonValue) -> bool:
    """Whether the body has an `error` beside its records: then their absence is no end of the list."""
    return isinstance(body, Mapping) and any(body.get(name) for name in ("error", "errors"))
