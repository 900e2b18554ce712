"""REST APIs over HTTP, declared in TOML or Python: the extra is `connector-kit[http]`."""

from .body_errors import BodyError
from .config import Resource, RestConfig
from .connector import RestConnector
from .paging import CursorField, LastRecord, LinkHeader, NextUrl, NoPagination, Offset, PageNumber, Pagination

__all__ = [
    "BodyError",
    "CursorField",
    "LastRecord",
    "LinkHeader",
    "NextUrl",
    "NoPagination",
    "Offset",
    "PageNumber",
    "Pagination",
    "Resource",
    "RestConfig",
    "RestConnector",
]
