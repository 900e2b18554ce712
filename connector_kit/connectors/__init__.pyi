from .mock.config import MockConfig as MockConfig
from .mock.connector import MockConnector as MockConnector
from .rest.config import Resource as Resource
from .rest.config import RestConfig as RestConfig
from .rest.connector import RestConnector as RestConnector
from .rest.pagination import (
    CursorField as CursorField,
)
from .rest.pagination import (
    LastRecord as LastRecord,
)
from .rest.pagination import (
    LinkHeader as LinkHeader,
)
from .rest.pagination import (
    NextUrl as NextUrl,
)
from .rest.pagination import (
    NoPagination as NoPagination,
)
from .rest.pagination import (
    Offset as Offset,
)
from .rest.pagination import (
    PageNumber as PageNumber,
)
from .rest.pagination import (
    Pagination as Pagination,
)
