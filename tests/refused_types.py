"""What authors get wrong, as programs that a type checker has to refuse, each with what mypy says of it.

A line that is refused ends in `# E: message [code]`. Comment lines below it, `# N: text`, are the notes that go with
it: the two signatures that mypy sets against each other. CURSOR stands for the type of a cursor, spelled out.
"""

from __future__ import annotations

__all__ = ["CASES", "CURSOR", "START"]

CURSOR = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

START = """
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connector_kit import (
    Catalog, Connector, Cursor, FullConnector, Page, Paged, RateLimited, Record, Retry, Retrying, SupportsPartitions,
    SupportsSample, SupportsValidation, SyncConnector, Threaded, TimeLimited, Timeouts, connected, protect,
)
from connector_kit.testing import connector_laws


class Base:
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def discover_schema(self) -> Catalog:
        return Catalog()


class Right(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page([])

"""

CASES = {
    "a_list_instead_of_a_stream": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> list[Page]:
        return []


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> Coroutine[Any, Any, list[Page]]
""",
    "a_coroutine_instead_of_a_generator": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.pages(entity)

    async def pages(self, entity: str) -> AsyncIterator[Page]:
        yield Page([])


protect(Mine())  # E: Argument 1 to "protect" has incompatible type "Mine"; expected "Connector" [arg-type]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> Coroutine[Any, Any, AsyncIterator[Page]]
""",
    "a_missing_cursor": """
class Mine(Base):
    async def fetch_data(self, entity: str, /, *, since: datetime | None = None) -> AsyncIterator[Page]:
        yield Page([])


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, since: datetime | None = ...) -> AsyncIterator[Page]
retrying = Retrying(Mine(), Retry())  # E: Value of type variable "C" of "Retrying" cannot be "Mine" [type-var]
""",
    "a_missing_since": """
class Mine(Base):
    async def fetch_data(self, entity: str, /, *, cursor: Cursor = None) -> AsyncIterator[Page]:
        yield Page([])


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, cursor: CURSOR = ...) -> AsyncIterator[Page]
""",
    "since_that_has_to_be_given": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page([])


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, since: datetime, cursor: CURSOR = ...) -> AsyncIterator[Page]
""",
    "an_entity_by_keyword_only": """
class Mine(Base):
    async def fetch_data(
        self, *, entity: str, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page([])


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, *, entity: str, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
""",
    "a_call_that_names_the_entity": """
def read(connector: Connector) -> AsyncIterator[Page]:
    return connector.fetch_data(entity="orders")  # E: Unexpected keyword argument "entity" for "fetch_data" of "Connector" [call-arg]
# N: "fetch_data" defined in "connector_kit.protocols"
""",
    "a_cursor_of_one_type": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: int | None = None
    ) -> AsyncIterator[Page]:
        yield Page([])


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: int | None = ...) -> AsyncIterator[Page]
""",
    "a_cursor_that_is_no_json": """
page = Page([], cursor=object())  # E: Argument "cursor" to "Page" has incompatible type "object"; expected "CURSOR" [arg-type]
""",
    "a_schema_that_is_a_list_of_names": """
class Mine:
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def discover_schema(self) -> list[str]:
        return ["orders"]

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page([])


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def discover_schema(self) -> Coroutine[Any, Any, Catalog]
# N: def discover_schema(self) -> Coroutine[Any, Any, list[str]]
""",
    "a_client_that_blocks": """
class Mine:
    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def discover_schema(self) -> Catalog:
        return Catalog()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        yield Page([])


protect(Mine())  # E: Argument 1 to "protect" has incompatible type "Mine"; expected "Connector" [arg-type]
# N: def connect(self) -> Coroutine[Any, Any, None]
# N: def connect(self) -> None
# N: def disconnect(self) -> Coroutine[Any, Any, None]
# N: def disconnect(self) -> None
# N: <2 more conflict(s) not shown>
protect(Threaded(Mine()))
""",
    "one_method_without_async": """
class Mine(Right):
    pass


class Half:
    def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def discover_schema(self) -> Catalog:
        return Catalog()

    fetch_data = Mine.fetch_data


found: list[Connector] = [Mine()]
connected(Half())  # E: Value of type variable "_T_co" of "connected" cannot be "Half" [type-var]
""",
    "an_async_connector_in_threads": """
Threaded(Right())  # E: Value of type variable "S" of "Threaded" cannot be "Right" [type-var]
""",
    "records_instead_of_pages": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Record]:
        yield {"id": 1}


found: Connector = Mine()  # E: Incompatible types in assignment (expression has type "Mine", variable has type "Connector") [assignment]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Page]
# N: def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: CURSOR = ...) -> AsyncIterator[Mapping[str, Any]]
retrying = Retrying(Mine())  # E: Value of type variable "C" of "Retrying" cannot be "Mine" [type-var]
right = Retrying(Paged(Mine(), 100))
""",
    "pages_of_pages": """
Paged(Right(), 10)  # E: Value of type variable "R" of "Paged" cannot be "Right" [type-var]
""",
    "a_missing_method": """
connected(Base())  # E: Value of type variable "_T_co" of "connected" cannot be "Base" [type-var]
protect(Base())  # E: Argument 1 to "protect" has incompatible type "Base"; expected "Connector" [arg-type]
# N: "Base" is missing following "Connector" protocol member:
# N: fetch_data
""",
    "a_wrapper_around_nothing": """
timed = TimeLimited("https://example.org", Timeouts())  # E: Value of type variable "C" of "TimeLimited" cannot be "str" [type-var]
""",
    "a_class_instead_of_an_object": """
connected(Right)  # E: Value of type variable "_T_co" of "connected" cannot be "type[Right]" [type-var]
""",
    "the_policy_of_another_wrapper": """
Retrying(Right(), Timeouts())  # E: Argument 2 to "Retrying" has incompatible type "Timeouts"; expected "Retry" [arg-type]
TimeLimited(Right(), Retry())  # E: Argument 2 to "TimeLimited" has incompatible type "Retry"; expected "Timeouts" [arg-type]
RateLimited(Right(), "10/s")  # E: Argument 2 to "RateLimited" has incompatible type "str"; expected "Limiter | LimitsKeys" [arg-type]
protect(Right(), Retry())  # E: Argument 2 to "protect" has incompatible type "Retry"; expected "Resilience | None" [arg-type]
""",
    "capabilities_of_another_shape": """
class Sample(Right):
    def get_sample_data(self, entity: str, /, limit: int = 10) -> list[dict[str, Any]]:
        return []


class Validation(Right):
    async def validate_config(self) -> None: ...


class Partitions(Right):
    async def partition_data(self, entity: str, /, *, since: datetime | None = None) -> list[Cursor]:
        return [None]


sample: SupportsSample = Sample()  # E: Incompatible types in assignment (expression has type "Sample", variable has type "SupportsSample") [assignment]
# N: def get_sample_data(self, str, /, limit: int = ...) -> Coroutine[Any, Any, Sequence[Mapping[str, Any]]]
# N: def get_sample_data(self, str, /, limit: int = ...) -> list[dict[str, Any]]
validation: SupportsValidation = Validation()  # E: Incompatible types in assignment (expression has type "Validation", variable has type "SupportsValidation") [assignment]
# N: def validate_config(self) -> None
# N: def validate_config(self) -> Coroutine[Any, Any, None]
partitions: SupportsPartitions = Partitions()  # E: Incompatible types in assignment (expression has type "Partitions", variable has type "SupportsPartitions") [assignment]
# N: def partition_data(self, str, /, *, since: datetime | None = ..., target: int) -> Coroutine[Any, Any, Sequence[CURSOR]]
# N: def partition_data(self, str, /, *, since: datetime | None = ...) -> Coroutine[Any, Any, list[CURSOR]]
full: FullConnector = Right()  # E: Incompatible types in assignment (expression has type "Right", variable has type "FullConnector") [assignment]
""",
    "a_pinned_class_that_does_not_fit": """
class Mine(Base):
    async def fetch_data(self, entity: str, /, *, since: datetime | None = None) -> AsyncIterator[Page]:
        yield Page([])


if TYPE_CHECKING:
    _: type[Connector] = Mine  # E: Incompatible types in assignment (expression has type "type[Mine]", variable has type "type[Connector]") [assignment]
    right: type[Connector] = Right
""",
    "laws_of_an_object": """
TestMine = connector_laws(Right())  # E: Argument 1 to "connector_laws" has incompatible type "Right"; expected "Callable[[], Connector] | str" [arg-type]
TestBase = connector_laws(Base)  # E: Argument 1 to "connector_laws" has incompatible type "type[Base]"; expected "Callable[[], Connector] | str" [arg-type]
""",
}  # fmt: skip
