"""The laws of a connector as plain functions: `await resume(factory)` gives a verdict.

Each takes what makes a connector, or a `Subject` with bounds and more. `check_connector` looks at all of them together,
and bears with connectors that block or never come back.
"""

from .conformance.connector.catalog import catalog
from .conformance.connector.closing import closing
from .conformance.connector.cursors import cursors
from .conformance.connector.errors import errors
from .conformance.connector.lifecycle import lifecycle
from .conformance.connector.progress import progress
from .conformance.connector.resume import resume
from .conformance.connector.sample import sample
from .conformance.connector.shape import shape
from .conformance.connector.since import since

__all__ = [
    "catalog",
    "closing",
    "cursors",
    "errors",
    "lifecycle",
    "progress",
    "resume",
    "sample",
    "shape",
    "since",
]
