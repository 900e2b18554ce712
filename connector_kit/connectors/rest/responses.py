"""What a response means: the error it stands for, or the records in its body. Pure functions, no HTTP client."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import attrs
import msgspec

from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestRejectedError,
    SchemaMismatchError,
    ServiceUnavailableError,
    TimedOutError,
    TransientError,
)
from connector_kit.records.json_body import find, kind_of, split_json

from .origin import Credentials, path_of
from .quota import quota_of, retry_after_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connector_kit.records.page import JsonValue, Record

__all__ = ["HttpResponse", "content_of", "json_of", "records_of", "refusal_of", "without_records"]


_EXCERPT_CHARACTERS = 200


@attrs.frozen
class HttpResponse:
    """What came back from a GET: `headers` with names in lower case, the whole body, the `target` it answers."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    target: str
    credentials: Credentials = attrs.field(factory=Credentials)

    @property
    def what(self) -> str:
        """Name the answer in a message, without its query."""
        try:
            phrase = f" {HTTPStatus(self.status).phrase}"
        except ValueError:
            phrase = ""
        return f"GET {path_of(self.target)} was answered with {self.status}{phrase}"

    @property
    def excerpt(self) -> str:
        """How the body begins, on one line, secrets hidden."""
        text = self.body[: 20 * _EXCERPT_CHARACTERS].decode(errors="replace")
        line = " ".join(self.credentials.hidden_in(text).split())
        return f"{line[:_EXCERPT_CHARACTERS]}…" if len(line) > _EXCERPT_CHARACTERS else line


def refusal_of(answer: HttpResponse, *, resuming: bool, now: datetime) -> ConnectorError | None:
    """Return the error that a status stands for, or None for success. `resuming`: the request carried a cursor."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    excerpt = f"; it said {answer.excerpt!r}" if answer.body else ""
    return _transient(answer, excerpt, now) or _permanent(answer, excerpt, resuming=resuming)


def _transient(answer: HttpResponse, excerpt: str, now: datetime) -> TransientError | None:
    status, what, wait = answer.status, answer.what, retry_after_of(answer.headers, now)
    if status == HTTPStatus.TOO_MANY_REQUESTS or (
        status == HTTPStatus.FORBIDDEN and _out_of_quota(answer, now)
    ):
        when = "" if wait is None else f", it asks to come back in {wait:g} s"
        return RateLimitError(
            f"{what}: the quota is used up{when}; lower resilience.rate to stay below it", wait
        )
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return TimedOutError(f"{what}: the server gave up waiting for the request; try again")
    if status == HTTPStatus.TOO_EARLY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnavailableError(f"{what}{excerpt}; expected records; try again later", wait)
    return None


def _permanent(answer: HttpResponse, excerpt: str, *, resuming: bool) -> ConnectorError:
    status, what, who = answer.status, answer.what, answer.credentials.kind
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthenticationError(
            f"{what}: the server does not accept {who}{excerpt}; look at `auth`, and whether it has expired"
        )
    if status == HTTPStatus.FORBIDDEN:
        return PermissionDeniedError(
            f"{what}: {who} may not read this{excerpt}; ask for the permission or leave the entity out"
        )
    if status == HTTPStatus.GONE and resuming:
        return CursorExpiredError(
            f"{what}: the cursor is no longer known there; read again from `since` or the start"
        )
    hint = (
        "base_url and the resource's path"
        if status == HTTPStatus.NOT_FOUND
        else "the resource's path and params"
    )
    return RequestRejectedError(f"{what}{excerpt}; expected records; look at {hint}")


def _out_of_quota(answer: HttpResponse, now: datetime) -> bool:
    """Tell a quota from a lack of permission: GitHub answers 403 to both."""
    quota = quota_of(answer.headers, now)
    return "retry-after" in answer.headers or (quota is not None and quota.remaining == 0)


def content_of(
    answer: HttpResponse, path: str, values: tuple[str, ...]
) -> tuple[JsonValue, Sequence[Record] | None]:
    """Return what stands at the paths of `values` in the body, and the records at `path`, which stay the JSON they are.

    None for records says that nothing stands there. Raises what `json_of` and `records_of` raise.
    """
    if answer.status != HTTPStatus.NO_CONTENT:
        with suppress(
            ValueError, RecursionError
        ):  # what is wrong, or only unusual, is for those below to say
            records, rest = split_json(answer.body, path, values)
            return rest, records
    body = json_of(answer)
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
        undeclared = not {"content-length", "transfer-encoding"} & answer.headers.keys()
        if undeclared and answer.body and "truncated" in str(error):
            raise ConnectionFailedError(
                f"{answer.what}, and the connection ended in the middle of its body, after {len(answer.body)} bytes; "
                "expected complete JSON; try again"
            ) from error
        kind = answer.headers.get("content-type", "no content type")
        raise SchemaMismatchError(
            f"{answer.what} and a body that is no JSON ({kind}), beginning {answer.excerpt!r}; expected JSON; "
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
