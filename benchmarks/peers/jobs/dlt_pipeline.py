"""A pipeline of dlt: its `rest_api` source into its `filesystem` destination, as JSONL.

    python dlt_pipeline.py URL FOLDER SECONDS nested|flat

As https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic (cursor pagination, data selector) and
https://dlthub.com/docs/dlt-ecosystem/file-formats/jsonl show. By default it makes a table of its own of each list; with `nested`
(`max_table_nesting`) lists and objects stay where they are, as everybody else leaves them, which spares it work. Files are
not compressed, as nobody else's are. SECONDS is `runtime.request_timeout`.
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import os
import sys

URL, FOLDER, SECONDS, SHAPE = sys.argv[1:]
os.environ |= {
    "DLT_DATA_DIR": f"{FOLDER}/dlt",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__REQUEST_TIMEOUT": SECONDS,
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
}

import dlt  # noqa: E402 - it reads its settings when it is imported
from dlt.destinations import filesystem  # noqa: E402 - dlt reads its settings when it is imported
from dlt.sources.rest_api import rest_api_source  # noqa: E402 - dlt reads its settings when it is imported

source = rest_api_source(
    {
        "client": {"base_url": f"{URL}/"},
        "resources": [
            {
                "name": "records",
                "primary_key": "id",
                "write_disposition": "replace",
                **({"max_table_nesting": 0} if SHAPE == "nested" else {}),
                "endpoint": {
                    "path": "records",
                    "data_selector": "data",
                    "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
                },
            }
        ],
    }
)
pipeline = dlt.pipeline(
    pipeline_name="served",
    pipelines_dir=f"{FOLDER}/pipelines",
    destination=filesystem(bucket_url=f"file://{FOLDER}/out"),
    dataset_name="served",
)
pipeline.run(source, loader_file_format="jsonl").raise_on_failed_jobs()
