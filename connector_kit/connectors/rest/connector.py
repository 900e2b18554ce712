"""A connector for REST APIs: resources declared in TOML or Python, read page by page over HTTP."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import attrs
import msgspec

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError, ConnectionFailedError, ConnectorError
from connector_kit.events import Warned, emit
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Cursor, Page

from .config import Resource, RestConfig
from .page_watch import PageWatch
from .paging import NextPage, PageResponse
from .quota import quota_of
from .refusals import CursorSent, refusal_in_body, refusal_of
from .request_body import placed
from .responses import content_of, without_records
from .since import TEMPLATE_SLOT, since_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence

    from connector_kit.records.page import JsonValue, Record

    from .config import ParameterPlace
    from .origin import Parameter
    from .transport import HttpClient

__all__ = ["RestConnector"]


_OVERLAP = (
    "a page begins with the last record of the page before: either records came in before it while it was read, or the "
    "offset counts from 1 (then set pagination.first = 1); where records also went away meanwhile, the pages of this "
    "read may have passed over some: a list in a fixed order, or one that is paged by cursor, cannot do that"
)


@attrs.frozen
class _ResourceRead:
    """What stays the same over all pages of one read."""

    operation: str
    entity: str
    resource: Resource
    size: int
    since: datetime | None = None
    cursor: Cursor = None

    def request(self, paging: Mapping[str, Parameter]) -> tuple[dict[str, Parameter], bytes | None]:
        """Return the parameters and the body of a request, with what the pagination adds."""
        resource = self.resource
        values: dict[ParameterPlace, dict[str, Parameter]] = {"query": dict(resource.params), "body": {}}
        if self.since is not None and resource.since_param is not None:
            values[resource.since_in][resource.since_param] = self._bound(self.since)
        values[resource.paging_in].update(paging)
        body = None if resource.body is None else msgspec.json.encode(placed(resource.body, values["body"]))
        return values["query"], body

    def _bound(self, since: datetime) -> Parameter:
        resource = self.resource
        text = since_text(since, resource.since_format, resource.since_zone or resource.replication_zone)
        template = resource.since_template
        return text if template == TEMPLATE_SLOT else template.replace(TEMPLATE_SLOT, str(text))

    def watch(self) -> PageWatch:
        """Return what sees the pages of this read."""
        resource, counted = self.resource, self.resource.counted
        return PageWatch(
            self.cursor,
            key=resource.primary_key,
            clamps=counted is not None and counted.clamps,
            max_empty_pages=resource.max_empty_pages,
        )

    @contextmanager
    def located(self, cursor: Cursor) -> Generator[None]:
        """Let the errors of this block say where they come from."""
        try:
            yield
        except ConnectorError as error:
            error.locate(operation=self.operation, entity=self.entity, cursor=cursor)
            raise


class RestConnector:
    """Reads the resources of a REST API.

    It has one pool of connections, opened by `connect` and closed by `disconnect`; `connect` asks the server nothing.
    Between two pages nothing is open but idle connections of the pool, so a stream may be left at any time. It does
    not retry and knows no limits: `protect` builds that around it.
    """

    def __init__(self, config: RestConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock or AnyioClock()
        self._http: HttpClient | None = None

    def validate_config(self) -> None:
        """Raise `ConfigError` with everything that is wrong with the config."""
        if problems := tuple(self.config.problems()):
            raise ConfigError("the config of the REST API cannot be used", problems)

    async def connect(self) -> None:
        """Make the pool of connections. Safe twice.

        Raises `ConfigError` for a config or a proxy that cannot be used, and where httpx2 is not installed.
        """
        self.validate_config()
        if self._http is None:
            from .transport import HttpClient, HttpPool  # noqa: PLC0415 - it imports httpx2, which is an extra

            origin = self.config.origin
            self._http = HttpClient(origin, HttpPool(origin, connect_timeout=self.config.connect_timeout))

    async def disconnect(self) -> None:
        """Close every connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def discover_schema(self) -> Catalog:
        """Return the resources with the fields that are declared, and none where none are. Asks the server nothing."""
        for name, resource in self.config.resources.items():
            for warning in resource.warnings():
                emit(Warned(name, warning))
        return Catalog(map(self.config.entity, self.config.resources))

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read a resource, one request a page. Raises what docs/how-to/rest.md lists."""
        resource = self._resource(entity)
        size = resource.page_size or self.config.page_size
        read = _ResourceRead("fetch_data", entity, resource, size, since, cursor)
        async with aclosing(self._pages(read)) as pages:
            async for page in pages:
                yield page

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return the first `limit` records, in a page of that size where the pagination can ask for one."""
        resource = self._resource(entity)
        size = min(limit, resource.page_size or self.config.page_size)
        records: list[Record] = []
        if limit > 0:
            read = _ResourceRead("get_sample_data", entity, resource, size)
            async with aclosing(self._pages(read)) as pages:
                async for page in pages:
                    records.extend(page.records)
                    if len(records) >= limit:
                        break
        return records[:limit]

    def _resource(self, entity: str) -> Resource:
        """Return the resource of an entity, or raise `UnknownEntityError` with the nearest name."""
        Catalog(Entity(name) for name in self.config.resources)[entity]
        return self.config.resources[entity]

    async def _pages(self, read: _ResourceRead) -> AsyncGenerator[Page]:
        watch, cursor = read.watch(), read.cursor
        following = NextPage(cursor, more=True)
        while following.more:
            with read.located(cursor):
                page, following = await self._page(read, following, watch.before)
                if not page.records and not following.more:
                    return
                if watch.see(page):
                    return
                if watch.overlaps:
                    emit(Warned(read.entity, _OVERLAP))
            yield page
            cursor = page.cursor

    async def _page(
        self, read: _ResourceRead, before: NextPage, lines_before: bytes | None = None
    ) -> tuple[Page, NextPage]:
        """Ask for the page that follows another one; return it, and what follows it."""
        if self._http is None:
            raise ConnectionFailedError(
                "the connector is not connected; call connect() first, or use connected(...)"
            )
        resource, origin, cursor = read.resource, self._http.origin, before.cursor
        request = resource.pagination.request(cursor, read.size)
        params, content = read.request(request.at(resource.paging_in))
        if request.target is None:
            target = origin.target(resource.path, params)
        else:
            target = origin.filled(request.target, params) if request.fill else request.target
        answer = await self._http.ask(target, content)
        now = self._clock.now()
        if answer.status in resource.past_end and cursor is not None and not before.said:
            return Page((), cursor), NextPage(cursor, more=False)
        sent = CursorSent(
            sent=cursor is not None,
            stored=cursor is not None and cursor == read.cursor,
            counted=resource.counted is not None,
        )
        if (refusal := refusal_of(answer, sent, resource.transient_statuses, now)) is not None:
            raise refusal

        def refuse(body: JsonValue) -> None:
            if (refusal := refusal_in_body(answer, body, resource.errors, sent, now)) is not None:
                raise refusal

        body, found = content_of(answer, resource.records, resource.values, refuse)
        records = () if found is None else found
        following = resource.pagination.next_page(
            PageResponse(
                origin,
                answer.target,
                answer.headers,
                body,
                records,
                cursor,
                read.size,
                resource.primary_key,
                lines_before,
            )
        )
        if found is None and not (following.said or resource.records_optional):
            raise without_records(answer, body, resource.records)
        return Page(records, following.cursor, quota_of(answer.headers, now)), following
