"""The laws of a connector as plain functions: `await resume(factory)` gives a verdict.

Each takes what makes a connector, or a `Subject` with bounds and more. `check_connector` looks at all of them together,
and bears with connectors that block or never come back.
"""

from connector_kit.testing.conformance.connector.catalog import catalog
from connector_kit.testing.conformance.connector.closing import closing
from connector_kit.testing.conformance.connector.cursors import cursors
from connector_kit.testing.conformance.connector.errors import errors
from connector_kit.testing.conformance.connector.lifecycle import lifecycle
from connector_kit.testing.conformance.connector.progress import progress
from connector_kit.testing.conformance.connector.resume import resume
from connector_kit.testing.conformance.connector.sample import sample
from connector_kit.testing.conformance.connector.shape import shape
from connector_kit.testing.conformance.connector.since import since

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
