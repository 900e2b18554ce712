"""`Validating`: records that are not what the catalog announced are refused, left out or put aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import anyio
import attrs

from connector_kit.capabilities import first_records, sample
from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.events import RecordsRejected, emit
from connector_kit.protocols import Connector, SupportsSample
from connector_kit.records.catalog import Catalog
from connector_kit.wrappers.stack.layers import asks_for
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

from .policy import Announced, Rejected, Validation
from .quarantine import QuarantineFile
from .taking import current_taker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from connector_kit.records.page import Page, Record

__all__ = ["Quarantine", "Validating", "put_aside", "quarantine_of"]

C = TypeVar("C", bound=Connector)

Quarantine: TypeAlias = QuarantineFile | Callable[[Rejected], object]
"""Where rejected records go: a file, or a function that is called with each; it must be quick and must not block."""


@attrs.define(eq=False)
class _KnownCatalog:
    """The catalog as it was when it was last asked for since connecting."""

    catalog: Catalog | None = None
    _asking: anyio.Lock = attrs.field(factory=anyio.Lock)

    async def get(self, connector: Connector) -> Catalog:
        async with self._asking:
            if self.catalog is None:  # nobody has got it while this one waited
                self.catalog = await connector.discover_schema()
            return self.catalog

    def forget(self) -> None:
        self.catalog = None
        self._asking = anyio.Lock()  # one that was used in another event loop may not work in this one


def quarantine_of(given: Quarantine | Path | str | None) -> Quarantine | None:
    """Return the place that is meant: a path is that of a file."""
    return QuarantineFile(Path(given)) if isinstance(given, str | Path) else given


@attrs.frozen(repr=False)
class Validating(Wrapper[C]):
    """Looks at every record that is read; what becomes of one that does not fit is for `validation` to say.

    "fail" raises `SchemaMismatchError` instead of the page, unless the run that reads takes bad records (`taking_rejected`). With "drop" and "quarantine" the page is delivered without
    the record, with its cursor, and be it empty. Pages in which all fit pass as they are. A `RecordsRejected` event
    tells of each page in which some did not. Entities without fields, and those that are not in the catalog, pass.

    `quarantine` is a file or a function, in place of `validation.file`. The file keeps a record once; the function may
    hear of one again when a read goes on before the place where it broke.

    The catalog is asked for once after each connect, by the first read if nobody did before.
    """

    validation: Validation = attrs.field(factory=Validation)
    quarantine: Quarantine | None = attrs.field(default=None, kw_only=True, converter=quarantine_of)
    _known: _KnownCatalog = attrs.field(factory=_KnownCatalog, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        action, file = self.validation.action, self.validation.file
        if action != "quarantine" and (self.quarantine is not None or file is not None):
            raise ConfigError(
                f'there is a place for records that do not fit, but the action is "{action}"; '
                'say action="quarantine", or leave the place out'
            )
        if action == "quarantine" and (self.quarantine is None) == (file is None):
            found = "no place" if file is None else f"the file {file!r} and another place"
            raise ConfigError(
                f'the action is "quarantine" with {found} for the records; give one: a file in the validation '
                "(file=...), or a file or a function to the wrapper (quarantine=...)"
            )
        if file is not None:
            object.__setattr__(self, "quarantine", QuarantineFile(Path(file)))
        super().__attrs_post_init__()

    async def connect(self) -> None:
        """Connect the inner connector; what was known of its catalog is forgotten."""
        self._known.forget()
        await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect the inner connector and close the quarantine file."""
        if isinstance(self.quarantine, QuarantineFile):
            await self.quarantine.close()
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Return the inner connector's catalog; records are compared with it from now on."""
        catalog = await self.inner.discover_schema()
        self._known.catalog = catalog
        return catalog

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        return _ValidatedPages(self, pages, entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample; records that do not fit are dealt with as in a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        announced = await self.announced(entity)
        records = await sample(self.inner, entity, limit)
        return records if announced is None else await self.fitting(records, announced)

    async def announced(self, entity: str) -> Announced | None:
        """Return what is announced of an entity's records; None where nothing is. Asks for the catalog once."""
        catalog = self._known.catalog
        if catalog is None:
            catalog = await self._known.get(self.inner)
        if entity not in catalog.names:
            return None
        found = catalog[entity]
        return Announced(found) if found.fields else None

    async def fitting(self, records: Sequence[Record], announced: Announced) -> Sequence[Record]:
        """Return the records that fit: the same object where all do. Raises `SchemaMismatchError` with action "fail"."""
        found = announced.split(records)
        if found is None:
            return records
        rejected, action, name = found.rejected, self.validation.action, announced.entity.name
        taker = current_taker() if action == "fail" else None
        if taker is not None:
            await taker(rejected)
            return found.fitting
        if self.quarantine is not None:
            await put_aside(self.quarantine, rejected)
        examples = tuple(str(each) for each in rejected[: self.validation.examples])
        emit(RecordsRejected(name, len(rejected), action, examples))
        if action == "fail":
            raise SchemaMismatchError(
                f"{rejected[0]}; {len(rejected)} of {len(records)} records of the page do not fit the catalog; "
                'mend the source or its catalog, or let such records be dropped or put aside (action="quarantine")'
            ).locate(operation="fetch_data", entity=name)
        return found.fitting


async def put_aside(quarantine: Quarantine, rejected: Sequence[Rejected]) -> None:
    """Put records where they belong, be it a file or a function."""
    if isinstance(quarantine, QuarantineFile):
        await quarantine.add(rejected)
    else:
        for each in rejected:
            quarantine(each)


class _ValidatedPages(WrappedPages):
    """The inner stream, with each page's records looked at."""

    __slots__ = ("_announced", "_catalog_known", "_entity", "_wrapper")

    def __init__(self, wrapper: Validating[C], pages: AsyncIterator[Page], entity: str) -> None:
        super().__init__(pages)
        self._wrapper = wrapper
        self._entity = entity
        self._catalog_known = False
        self._announced: Announced | None = None

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        try:
            if not self._catalog_known:  # before there is a page that could be lost
                self._announced = await self._wrapper.announced(self._entity)
                self._catalog_known = True
            page = await self._inner.__anext__()
            if self._announced is None:
                return page
            records = await self._wrapper.fitting(page.records, self._announced)
        except BaseException:  # cancelled, too: the page in hand could not be had again from this stream
            await self._break()
            raise
        return page if records is page.records else attrs.evolve(page, records=records)
