from collections.abc import Mapping
from typing import Any

from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources.streams import Stream

class AbstractSource:
    def check_connection(self, logger: Any, config: Mapping[str, Any]) -> tuple[bool, Any]: ...
    def streams(self, config: Mapping[str, Any]) -> list[Stream]: ...
    def spec(self, logger: Any) -> ConnectorSpecification: ...
