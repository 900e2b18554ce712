# What the benchmarks use of dlt, which is not installed beside the package.

from collections.abc import Callable
from typing import Any, Literal, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

class LoadInfo:
    def raise_on_failed_jobs(self) -> None: ...

class Pipeline:
    def run(self, data: object, *, loader_file_format: Literal["jsonl"]) -> LoadInfo: ...

def pipeline(
    *, pipeline_name: str, pipelines_dir: str, destination: object, dataset_name: str
) -> Pipeline: ...
def resource(*, name: str, primary_key: str, write_disposition: str) -> Callable[[_Function], _Function]: ...
