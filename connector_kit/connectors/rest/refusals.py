"""What the status of an answer means, and what its body says of an error: the error it stands for. Pure, no I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import (
    AuthenticationError,
    ConnectorError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestRejectedError,
    ServiceUnavailableError,
    TimedOutError,
    TransientError,
)

from .quota import quota_of, retry_after_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from connector_kit.records.page import JsonValue

    from .body_errors import BodyError, ErrorKind
    from .config import TransientStatus
    from .responses import HttpResponse

__all__ = ["PAST_END", "CursorSent", "refusal_in_body", "refusal_of"]


_LIMIT_SECONDS = 60.0
"""How long a limit is waited for that names no time: GitHub's documentation asks for a minute at least."""

_TELLS_A_LIMIT = re.compile(
    r"secondary.rate|abuse.detection|too many requests|\b(?:rate|request|usage|daily)\s?limit\s?exceeded|quota\s?exceeded"
    r"|(?:exceed|reach|trigger|hit)\w*\b[^.]{0,60}\b(?:rate|request|usage)[ _-]?limit"
    r"|\b(?:rate|request|usage)[ _-]?limit\w*\b[^.]{0,40}\b(?:exceed|reach|hit)|\bthrottl(?:ed|ing)",
    re.IGNORECASE,
)

PAST_END = (400, 404, 410, 416, 422)
"""With what servers answer what is past the last page, where it is declared. Others stand for a permission, a quota, a server."""

_FORGOTTEN = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""With what servers answer a cursor that they no longer know."""


@attrs.frozen
class CursorSent:
    """Whether a request carried a cursor (`sent`), and one of an earlier read, with which it goes on (`stored`).

    `counted`: it was counted here and not named by the server, so that there may be nothing at it.
    """

    sent: bool = False
    stored: bool = False
    counted: bool = False

    def is_refused(self, status: int) -> bool:
        """Whether a status says that the cursor is no longer known.

        410 says nothing else. The others may mean anything, but the first request of a read that goes on differs from the
        one that was answered before in nothing but its age.
        """
        return (self.stored and status in _FORGOTTEN) or (self.sent and status == HTTPStatus.GONE)


def refusal_of(
    answer: HttpResponse, cursor: CursorSent, transient: AbstractSet[TransientStatus], now: datetime
) -> ConnectorError | None:
    """Return the error that a status stands for, or None for success.

    `transient` are the statuses that pass besides those that do everywhere.
    """
    if (passing := _declared_transient(answer, transient)) is not None:
        wait = retry_after_of(answer.headers, now)
        return ServiceUnavailableError(
            f"{answer.what}{passing}, which is declared transient; expected records; try again later", wait
        )
    if answer.is_success:
        return None
    excerpt = f"; it said {answer.excerpt!r}" if answer.body else ""
    return _transient(answer, excerpt, now) or _permanent(answer, excerpt, cursor)


def _declared_transient(answer: HttpResponse, transient: AbstractSet[TransientStatus]) -> str | None:
    if not transient:
        return None
    if answer.status in transient:
        return f"; it said {answer.excerpt!r}" if answer.body else ""
    is_empty = "empty" in transient and answer.is_success and answer.status != HTTPStatus.NO_CONTENT
    return " and an empty body" if is_empty and not answer.body.strip() else None


def _transient(answer: HttpResponse, excerpt: str, now: datetime) -> TransientError | None:
    status, what, wait = answer.status, answer.what, retry_after_of(answer.headers, now)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _used_up(what, wait)
    if status == HTTPStatus.FORBIDDEN and _is_limit(answer, now):
        return _used_up(f"{what}{excerpt}", _LIMIT_SECONDS if wait is None else wait, asked=wait is not None)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return TimedOutError(f"{what}: the server gave up waiting for the request; try again")
    if status == HTTPStatus.TOO_EARLY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnavailableError(f"{what}{excerpt}; expected records; try again later", wait)
    return None


def _used_up(what: str, wait: float | None, *, asked: bool = True) -> RateLimitError:
    when = "" if wait is None else f", it asks to come back in {wait:g} s"
    if not asked:
        when = f", it does not say until when, so {wait:g} s are waited"
    return RateLimitError(f"{what}: the quota is used up{when}; lower resilience.rate to stay below it", wait)


def _permanent(answer: HttpResponse, excerpt: str, cursor: CursorSent) -> ConnectorError:
    status, what, who = answer.status, answer.what, answer.credentials.kind
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthenticationError(
            f"{what}: the server does not accept {who}{excerpt}; look at `auth`, and whether it has expired"
        )
    if status == HTTPStatus.FORBIDDEN:
        return PermissionDeniedError(
            f"{what}: {who} may not read this{excerpt}; ask for the permission or leave the entity out"
        )
    if cursor.is_refused(status):
        return CursorExpiredError(
            f"{what}{excerpt}: the cursor is no longer known there, so the read has to begin again from `since` or the start"
        )
    hint = (
        "base_url and the resource's path"
        if status == HTTPStatus.NOT_FOUND
        else "the resource's path and params"
    )
    if cursor.sent and cursor.counted and status in PAST_END:
        hint = (
            f"{hint}; where the API answers so past its last page, set past_end = [{status}] in the resource"
        )
    return RequestRejectedError(f"{what}{excerpt}; expected records; look at {hint}")


def _is_limit(answer: HttpResponse, now: datetime) -> bool:
    """Tell a limit from a lack of permission: GitHub answers 403 to both, and says which in the headers or in the body."""
    quota = quota_of(answer.headers, now)
    if "retry-after" in answer.headers or (quota is not None and quota.remaining == 0):
        return True
    return _TELLS_A_LIMIT.search(answer.beginning) is not None


def refusal_in_body(
    answer: HttpResponse, body: JsonValue, errors: Sequence[BodyError], cursor: CursorSent, now: datetime
) -> ConnectorError | None:
    """Return the error that the body of a successful answer tells of, by what is declared of errors; None for none."""
    for error in errors:
        if (found := error.found_in(body)) is not None:
            said = f"{answer.what} and an error at {error.path!r} of its body: {answer.shortened(found)}"
            return _error_in_body(error.raises, said, answer, cursor, retry_after_of(answer.headers, now))
    return None


def _error_in_body(
    kind: ErrorKind, said: str, answer: HttpResponse, cursor: CursorSent, wait: float | None
) -> ConnectorError:
    match kind:
        case "transient":
            return ServiceUnavailableError(f"{said}; expected records; try again later", wait)
        case "rate_limit":
            return _used_up(said, _LIMIT_SECONDS if wait is None else wait, asked=wait is not None)
        case "authentication":
            return AuthenticationError(
                f"{said}; the server does not accept {answer.credentials.kind}; look at `auth`"
            )
        case "permission":
            return PermissionDeniedError(
                f"{said}; {answer.credentials.kind} may not read this; ask for the permission or leave the entity out"
            )
        case "cursor_expired" if cursor.sent:
            return CursorExpiredError(
                f"{said}; the cursor is no longer known there, so the read has to begin again from `since` or the start"
            )
        case _:
            return RequestRejectedError(f"{said}; expected records; look at the resource's path and params")
