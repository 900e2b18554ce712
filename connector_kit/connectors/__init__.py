"""The kit's own connectors. Each name is imported when it is first used: `rest` needs the extra `http`."""

from __future__ import annotations

from connector_kit.exports import lazy

__getattr__, __dir__ = lazy(__name__, __file__)
