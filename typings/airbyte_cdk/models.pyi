from typing import Any

class ConnectorSpecification:
    def __init__(self, *, connectionSpecification: dict[str, Any]) -> None: ...  # noqa: N803 - its name there
