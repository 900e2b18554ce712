from collections.abc import Iterable, Mapping
from typing import Any

class Stream:
    name: str
    primary_key: str

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Mapping[str, Any]]: ...
    def get_json_schema(self) -> Mapping[str, Any]: ...
