"""A pipeline of dlt over pages in memory: a resource that yields whole pages, as its page on performance asks for.

    python dlt_memory.py RECORDS FOLDER

https://dlthub.com/docs/reference/performance ("Yield pages instead of rows"). See dlt_pipeline.py for the settings.
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import os
import sys
from collections.abc import Iterator
from typing import Any

RECORDS, FOLDER = sys.argv[1:]
os.environ |= {
    "DLT_DATA_DIR": f"{FOLDER}/dlt",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
}

import dlt  # noqa: E402 - it reads its settings when it is imported
from dlt.destinations import filesystem  # noqa: E402 - dlt reads its settings when it is imported
from memory_pages import made  # noqa: E402 - dlt reads its settings when it is imported


@dlt.resource(name="records", primary_key="id", write_disposition="replace")
def records() -> Iterator[list[dict[str, Any]]]:
    """Give one page after the other."""
    yield from made(int(RECORDS), FOLDER)


pipeline = dlt.pipeline(
    pipeline_name="memory",
    pipelines_dir=f"{FOLDER}/pipelines",
    destination=filesystem(bucket_url=f"file://{FOLDER}/out"),
    dataset_name="served",
)
pipeline.run(records, loader_file_format="jsonl").raise_on_failed_jobs()
