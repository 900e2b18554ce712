"""Data source connectors without a base class: four async methods, composable wrappers, exactly-once sync.

Every public name is imported when it is first used, so that a program pays for what it touches.
"""

from __future__ import annotations

from .exports import lazy

__getattr__, __dir__ = lazy(__name__, __file__)

__version__ = "0.1.0"
