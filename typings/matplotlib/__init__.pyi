# What the benchmarks use of matplotlib, which is not installed beside the package.

from typing import Any

rcParams: dict[str, Any]  # noqa: N816 - its name there

def use(backend: str) -> None: ...
