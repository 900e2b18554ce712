"""The configuration of a REST API: its address, its credentials, its resources and how they are paged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import attrs

from connector_kit.config.auth import Auth, NoAuth
from connector_kit.config.url import Url
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import Problem
from connector_kit.records.catalog import Entity, Field, Incremental, Scalar, as_names

from .origin import Credentials, Origin
from .paging import LastRecord, NoPagination, Offset, PageNumber, Pagination

__all__ = ["Resource", "RestConfig", "SinceFormat", "since_text"]


SinceFormat: TypeAlias = Literal["iso", "epoch", "epoch_ms"]
"""`2013-01-31T10:00:00Z`, or whole seconds or milliseconds since 1970."""


@attrs.frozen
class Resource:
    """One entity: a list of records that the API serves in pages.

    `path` is below the base URL. `records` says where in the body the list stands, as `data.items` or as the JSON
    pointer `/data/items`; empty: the body is the list. `since_param` is the query parameter that takes the lower
    bound of an incremental read, written in `since_format`. `fields` declares the types of fields; without it they
    are inferred from a first page. `page_size` (records) takes the place of the config's.

    `past_end` are the statuses with which the API answers what is past the last page. `records_optional`: an answer without
    the list has no records; otherwise that is an error, unless the pagination has its word for where it goes on. More than
    `max_empty_pages` empty pages in a row, each of which says that more follows, are an error.
    """

    path: str
    records: str = ""
    params: Mapping[str, str | int | float | bool] = attrs.field(factory=dict[str, str | int | float | bool])
    pagination: Pagination = attrs.field(factory=NoPagination)
    page_size: int | None = None
    past_end: tuple[int, ...] = ()
    records_optional: bool = False
    max_empty_pages: int = 100
    since_param: str | None = None
    since_format: SinceFormat = "iso"
    primary_key: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    replication_key: str | None = None
    ordered: bool = False
    incremental: Incremental = None
    fields: Mapping[str, Scalar] = attrs.field(factory=dict[str, Scalar])

    @property
    def declared(self) -> tuple[Field, ...]:
        """The declared fields; all but the primary key's may be null or missing."""
        return tuple(Field(name, type_, name not in self.primary_key) for name, type_ in self.fields.items())

    def entity(self, name: str, fields: Iterable[Field]) -> Entity:
        """Return the catalog's entry with these fields."""
        return Entity(name, fields, self.primary_key, self.replication_key, self.ordered, self.incremental)

    @property
    def counted(self) -> PageNumber | Offset | None:
        """The pagination, where it counts pages or records; its cursors are guesses that there is something."""
        return self.pagination if isinstance(self.pagination, PageNumber | Offset) else None

    def warnings(self) -> Iterator[str]:
        """Yield in sentences what may go wrong with it, and need not."""
        match self.pagination:
            case LastRecord(unique=False, field=field) if self.primary_key != (field,):
                key = ", ".join(map(repr, self.primary_key)) or "none"
                yield (
                    f"it goes on behind the last record's {field!r}, which is not the primary key ({key}): where records "
                    "share a value at the border of a page, those behind the border are never served; go on by a field "
                    f"that is unique, or set unique = true in the pagination if {field!r} is"
                )
            case _:
                pass

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with it."""
        yield from self._paging_problems()
        if any(sign in self.path for sign in ("://", "?", "#")):
            yield Problem(
                "path", repr(self.path), "a path below base_url, without a query", "put the query into params"
            )
        if self.page_size is not None and self.page_size < 1:
            yield Problem("page_size", str(self.page_size), "at least 1 record")
        if self.incremental == "cursor" and not self.pagination.lasting:
            yield Problem(
                "incremental",
                f'"cursor" with pagination "{self.pagination.type}", whose last page has no cursor to go on from',
                'pagination "last_record" or "offset"',
                'use incremental = "since", or none',
            )
        if self.incremental == "since" and self.since_param is None:
            yield Problem("since_param", "missing", "the query parameter that takes the time", "set it")
        if self.replication_key is None and (self.ordered or self.incremental == "since"):
            yield Problem("replication_key", "missing", "the field that since and order go by", "set it")
        for option, key in [("primary_key", key) for key in self.primary_key] + [
            ("replication_key", self.replication_key)
        ]:
            if key is not None and self.fields and key not in self.fields:
                yield Problem(
                    option, repr(key), f"one of the fields ({', '.join(self.fields)})", "add it to fields"
                )

    def _paging_problems(self) -> Iterator[Problem]:
        style = self.pagination
        if not isinstance(style, NoPagination) and style.more is not None and style.end is not None:
            yield Problem("pagination.end", "also `more`", "one of the two", "leave the other one out")
        if self.past_end and self.counted is None:
            yield Problem(
                "past_end",
                f'set with pagination "{style.type}", which asks for nothing past the end',
                'pagination "page_number" or "offset"',
                "leave it out",
            )
        for status in self.past_end:
            if status not in _PAST_END:
                yield Problem("past_end", str(status), f"statuses among {', '.join(map(str, _PAST_END))}")
        if self.max_empty_pages < 0:
            yield Problem("max_empty_pages", str(self.max_empty_pages), "0 pages or more")


_PAST_END = (400, 404, 410, 416, 422)
"""Others stand for something else: a lack of permission, a quota, a server that is down."""


def _url(url: str | Url) -> Url:
    return Url.of(url)


def _header_names(headers: Mapping[str, str]) -> str:
    return f"<{', '.join(headers) or 'none'}>"


@attrs.frozen
class RestConfig:
    """A REST API. The keys of `resources` are the names of the entities.

    `page_size` is how many records a page should have, where a pagination has a parameter to say so. `headers` go
    with every request. `connect_timeout` is for opening a connection; how long answers may take is `resilience`'s.
    """

    base_url: Url = attrs.field(converter=_url)
    resources: Mapping[str, Resource]
    auth: Auth = attrs.field(factory=NoAuth)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=_header_names)
    page_size: int = 100
    connect_timeout: Duration = attrs.field(default=Duration(10), converter=as_duration)

    @property
    def origin(self) -> Origin:
        """Where requests go and what they carry."""
        return Origin.of(self.base_url.reveal(), Credentials.of(self.auth, self.headers))

    def problems(self) -> Iterator[Problem]:
        """Yield everything that is wrong with it; no value that may be secret is in there."""
        yield from self._address_problems()
        if self.page_size < 1:
            yield Problem("page_size", str(self.page_size), "at least 1 record")
        if not self.resources:
            yield Problem(
                "resources", "none", "at least one", 'add one, as in [resources.orders] path = "/orders"'
            )
        for name, resource in self.resources.items():
            for problem in resource.problems():
                yield problem.under(f"resources.{name}")

    def _address_problems(self) -> Iterator[Problem]:
        url = self.base_url.reveal()
        if "?" in url or "#" in url:
            yield Problem(
                "base_url", str(self.base_url), "a URL without a query", "put the query into params"
            )
        if "@" in url:
            yield Problem(
                "base_url", str(self.base_url), "a URL without user and password", 'use auth, type "basic"'
            )
        own = {name.lower() for name in self.headers}
        for name in Credentials.of(self.auth, {}).headers:
            if name.lower() in own:
                yield Problem(
                    f"headers.{name}", "also set by auth", "one of the two", "leave it out of headers"
                )
        for name in self.origin.credentials.unfit:
            where = f"headers.{name}" if name in self.headers else "auth"
            yield Problem(
                where, "a value with characters that cannot stand in a header", "one line of ASCII text"
            )


def since_text(since: datetime, form: SinceFormat) -> str | int:
    """Write a time; one without a zone is taken as UTC. Rounded down where need be: the bound is inclusive."""
    moment = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    if form == "iso":
        return moment.isoformat().replace("+00:00", "Z")
    return _microseconds(moment) // (1_000_000 if form == "epoch" else 1_000)


def _microseconds(moment: datetime) -> int:
    """Count exactly, where the float of `timestamp` would round up."""
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
