# What the benchmarks use of singer-sdk, which is not installed beside the package.

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from singer_sdk.contrib.msgspec import MsgSpecWriter

_Token = TypeVar("_Token")

class Stream:
    name: str
    schema: dict[str, Any]
    primary_keys: Sequence[str]

    def __init__(self, tap: Tap) -> None: ...
    @abstractmethod
    def get_records(self, context: Any) -> Iterable[dict[str, Any]]: ...

class RESTStream(Stream, Generic[_Token]):
    path: str
    url_base: str
    records_jsonpath: str
    next_page_token_jsonpath: str | None

    @property
    def timeout(self) -> int: ...
    def get_records(self, context: Any) -> Iterable[dict[str, Any]]: ...
    def get_url_params(self, context: Any, next_page_token: _Token | None) -> dict[str, Any]: ...

class Tap:
    name: str
    config_jsonschema: dict[str, Any]
    message_writer_class: type[MsgSpecWriter]

    def discover_streams(self) -> Sequence[Stream]: ...
    @classmethod
    def cli(cls, args: list[str]) -> None: ...
