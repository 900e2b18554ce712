"""How a connector proves who it is, as values for a connector's own config class. Nothing here speaks HTTP."""

from __future__ import annotations

from .exports import lazy

__getattr__, __dir__ = lazy(__name__, __file__)
