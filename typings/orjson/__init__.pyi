# What the benchmarks use of orjson, which is not installed beside the package.

from typing import Any

OPT_APPEND_NEWLINE: int

def loads(obj: bytes, /) -> Any: ...
def dumps(obj: object, /, *, option: int | None = None) -> bytes: ...
