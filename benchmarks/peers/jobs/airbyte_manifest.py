"""A declarative source of airbyte-cdk: a manifest, read to stdout by `source-declarative-manifest`.

    python airbyte_manifest.py URL FOLDER SECONDS

As https://docs.airbyte.com/platform/connector-development/config-based/understanding-the-yaml-file/pagination (cursor
pagination) and .../understanding-the-yaml-file/reference show. SECONDS is `read_timeout_in_seconds`.
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import json
import sys
from pathlib import Path

from airbyte_cdk.cli.source_declarative_manifest import run
from served_fields import FIELDS

URL, FOLDER, SECONDS = sys.argv[1:]
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {{type: CheckStream, stream_names: [records]}}
streams:
  - type: DeclarativeStream
    name: records
    primary_key: id
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: {url}
        path: /records
        http_method: GET
        read_timeout_in_seconds: {seconds}
      record_selector:
        type: RecordSelector
        extractor: {{type: DpathExtractor, field_path: [data]}}
      paginator:
        type: DefaultPaginator
        page_token_option: {{type: RequestOption, inject_into: request_parameter, field_name: cursor}}
        pagination_strategy:
          type: CursorPagination
          cursor_value: "{{{{ response['next'] }}}}"
          stop_condition: "{{{{ not response['next'] }}}}"
    schema_loader:
      type: InlineSchemaLoader
      schema: {schema}
spec:
  type: Spec
  connection_specification: {{type: object, properties: {{}}}}
"""
SCHEMA = {
    "type": "object",
    "properties": {
        name: {"type": ["null", "string" if type_ == "datetime" else type_]} for name, type_ in FIELDS.items()
    },
}

folder = Path(FOLDER)
(folder / "manifest.yaml").write_text(
    MANIFEST.format(url=URL, seconds=float(SECONDS), schema=json.dumps(SCHEMA))
)
(folder / "config.json").write_text(json.dumps({}))
(folder / "catalog.json").write_text(
    json.dumps(
        {
            "streams": [
                {
                    "stream": {
                        "name": "records",
                        "json_schema": SCHEMA,
                        "supported_sync_modes": ["full_refresh"],
                    },
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": "overwrite",
                }
            ]
        }
    )
)
sys.argv[1:] = [
    "read",
    *("--config", str(folder / "config.json")),
    *("--catalog", str(folder / "catalog.json")),
    *("--manifest-path", str(folder / "manifest.yaml")),
]
run()
