"""hypothesis, which draws examples; without it, an error that names the extra it comes with.

Who needs it imports this module late: the rest of the testing kit works without.
"""

from __future__ import annotations

from connector_kit.errors import ConfigError

try:
    import hypothesis
    from hypothesis import strategies as st
except ImportError as error:
    raise ConfigError(
        "drawing examples needs the package hypothesis, which is not installed; "
        "install it with: pip install 'connector-kit[testing]'"
    ) from error

__all__ = ["hypothesis", "st"]
