"""The configuration of a REST API: its address, its credentials, its resources and how they are paged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import attrs

from connector_kit.config.auth import Auth, NoAuth
from connector_kit.config.url import Url
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import Problem
from connector_kit.records.catalog import Entity, Field, Incremental, Scalar, as_names

from .body_errors import BodyError
from .origin import Credentials, Origin
from .paging import LastRecord, NoPagination, Offset, PageNumber, Pagination
from .refusals import PAST_END
from .revision import revision_of
from .since import FORMATS, TEMPLATE_SLOT, format_problem, is_zone, says_utc

__all__ = ["ParameterPlace", "Resource", "RestConfig", "TransientStatus"]

ParameterPlace: TypeAlias = Literal["query", "body"]
"""Where a parameter goes: into the URL by its name, or into the JSON body at its path."""

TransientStatus: TypeAlias = int | Literal["empty"]
"""A status, or a successful answer that has nothing in it, though not the status 204 that would say so."""

_NO_TIMES = (Scalar.BOOLEAN, Scalar.BINARY, Scalar.TIME)


@attrs.frozen
class Resource:
    """One entity: a list of records that the API serves in pages.

    `path` is below the base URL. `records` says where in the body the list stands, as `data.items` or as the JSON
    pointer `/data/items`; empty: the body is the list. With a `body`, requests are POSTs that carry it as JSON, and the
    parameters of the pagination can go into it (`paging_in`): their names are paths then. `page_size` (records) takes the
    place of the config's. `fields` declares the types of fields.

    `since_param` is the parameter, or with `since_in` the path in the body, that takes the lower bound of an incremental
    read. It is written in `since_format`, in the zone `since_zone` (by default `replication_zone`, else UTC), and put into
    `since_template` where `{since}` stands. `replication_format`, `replication_zone`: see `Entity`.

    `error` says where a body of a successful answer tells of an error. The statuses of `transient` pass, and are tried again.
    `revision` is any text that changes what `revision_of` says of it: for what decides which records are served and is not
    declared here.

    `past_end` are the statuses with which the API answers what is past the last page. `records_optional`: an answer without
    the list has no records; otherwise that is an error, unless the pagination has its word for where it goes on. More than
    `max_empty_pages` empty pages in a row, each of which says that more follows, are an error.
    """

    path: str
    records: str = ""
    params: Mapping[str, str | int | float | bool] = attrs.field(factory=dict[str, str | int | float | bool])
    body: Mapping[str, Any] | None = None
    pagination: Pagination = attrs.field(factory=NoPagination)
    paging_in: ParameterPlace = "query"
    page_size: int | None = None
    past_end: tuple[int, ...] = ()
    records_optional: bool = False
    max_empty_pages: int = 100
    error: BodyError | tuple[BodyError, ...] = ()
    transient: tuple[TransientStatus, ...] = ()
    since_param: str | None = None
    since_in: ParameterPlace = "query"
    since_format: str = "iso"
    since_zone: str | None = None
    since_template: str = TEMPLATE_SLOT
    primary_key: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    replication_key: str | None = None
    replication_format: str | None = None
    replication_zone: str | None = None
    ordered: bool = False
    incremental: Incremental = None
    revision: str = ""
    fields: Mapping[str, Scalar] = attrs.field(factory=dict[str, Scalar])

    @property
    def declared(self) -> tuple[Field, ...]:
        """The declared fields; all but the primary key's may be null or missing."""
        return tuple(Field(name, type_, name not in self.primary_key) for name, type_ in self.fields.items())

    @property
    def errors(self) -> tuple[BodyError, ...]:
        """What tells of errors in a body."""
        return self.error if isinstance(self.error, tuple) else (self.error,)

    @property
    def values(self) -> tuple[str, ...]:
        """The paths of what is looked at in a body, besides the records."""
        return (*self.pagination.values(), *(error.path for error in self.errors))

    @property
    def transient_statuses(self) -> frozenset[TransientStatus]:
        """The further statuses that pass."""
        return frozenset(self.transient)

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
        yield from self._key_problems()
        yield from self._since_problems()
        yield from self._answer_problems()
        if self.body is None:
            for option, place in (("paging_in", self.paging_in), ("since_in", self.since_in)):
                if place == "body":
                    yield Problem(option, '"body" without a body', "a body", "add one, as in body = {}")

    def _key_problems(self) -> Iterator[Problem]:
        if self.replication_key is None and (self.ordered or self.incremental == "since"):
            yield Problem("replication_key", "missing", "the field that since and order go by", "set it")
        for option, key in [("primary_key", key) for key in self.primary_key] + [
            ("replication_key", self.replication_key)
        ]:
            if key is not None and self.fields and not {key, key.partition(".")[0]} & self.fields.keys():
                yield Problem(
                    option, repr(key), f"one of the fields ({', '.join(self.fields)})", "add it to fields"
                )
        kind = self.fields.get(self.replication_key or "")
        if kind in _NO_TIMES and self.incremental == "since":
            yield Problem(
                f"fields.{self.replication_key}",
                f'"{kind.value}", and it is the replication_key',
                "a type that times can have",
                "name another replication_key, or leave incremental out",
            )
        for option, given in (("format", self.replication_format), ("zone", self.replication_zone)):
            if given is not None and self.replication_key is None:
                yield Problem(
                    f"replication_{option}", "no replication_key", "both", "set it, or leave this out"
                )
        form = self.replication_format
        if form is not None and form not in FORMATS and "%" not in form:
            yield Problem("replication_format", repr(form), _FORMATS)

    def _since_problems(self) -> Iterator[Problem]:
        if self.incremental == "since" and self.since_param is None:
            yield Problem("since_param", "missing", "the parameter that takes the time", "set it")
        if (wrong := format_problem(self.since_format)) is not None:
            yield Problem("since_format", f"{self.since_format!r}, {wrong}", _FORMATS)
        elif self.since_zone is not None and says_utc(self.since_format):
            yield Problem(
                "since_zone",
                f"{self.since_zone!r} with since_format {self.since_format!r}, which is in UTC",
                "one of the two",
                "leave the zone out, or take a format that has no zone of its own",
            )
        for option, zone in (("since_zone", self.since_zone), ("replication_zone", self.replication_zone)):
            if zone is not None and not is_zone(zone):
                yield Problem(
                    option,
                    repr(zone),
                    'a name of the IANA database like "Europe/Berlin"',
                    "correct it, or install the package tzdata where the system has no such names",
                )
        if TEMPLATE_SLOT not in self.since_template:
            yield Problem("since_template", repr(self.since_template), f"a text with {TEMPLATE_SLOT} in it")

    def _answer_problems(self) -> Iterator[Problem]:
        for error in self.errors:
            for problem in error.problems():
                yield problem.under("error")
        for status in self.transient:
            if status != "empty" and (status not in _TRANSIENT or status in self.past_end):
                given = f"{status}, also in past_end" if status in self.past_end else str(status)
                yield Problem("transient", given, 'a status from 201 to 599, or "empty"', "leave it out")

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
            if status not in PAST_END:
                yield Problem("past_end", str(status), f"statuses among {', '.join(map(str, PAST_END))}")
        if self.max_empty_pages < 0:
            yield Problem("max_empty_pages", str(self.max_empty_pages), "0 pages or more")


_TRANSIENT = range(201, 600)
_FORMATS = f'{", ".join(FORMATS)}, or a pattern like "%Y-%m-%d"'


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

    def entity(self, name: str) -> Entity:
        """Return the catalog's entry of a resource."""
        resource = self.resources[name]
        return Entity(
            name,
            resource.declared,
            resource.primary_key,
            resource.replication_key,
            resource.ordered,
            resource.incremental,
            revision=revision_of(resource, self.origin),
            replication_format=resource.replication_format,
            replication_zone=resource.replication_zone,
        )

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
