from .mock.connector import MockConfig as MockConfig
from .mock.connector import MockConnector as MockConnector
from .rest.body_errors import BodyError as BodyError
from .rest.config import Resource as Resource
from .rest.config import RestConfig as RestConfig
from .rest.connector import RestConnector as RestConnector
from .rest.paging import (
    CursorField as CursorField,
)
from .rest.paging import (
    LastRecord as LastRecord,
)
from .rest.paging import (
    LinkHeader as LinkHeader,
)
from .rest.paging import (
    NextUrl as NextUrl,
)
from .rest.paging import (
    NoPagination as NoPagination,
)
from .rest.paging import (
    Offset as Offset,
)
from .rest.paging import (
    PageNumber as PageNumber,
)
from .rest.paging import (
    Pagination as Pagination,
)
