"""hypothesis, which draws examples; without it, an error that names the extra it comes with.

Who needs it imports this module late: the rest of the testing kit works without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import hypothesis
    from hypothesis import strategies as st
except ImportError as error:
    raise ConfigError(
        "drawing examples needs the package hypothesis, which is not installed; "
        "install it with: pip install 'connector-kit[testing]'"
    ) from error

__all__ = ["hypothesis", "search", "st"]

T = TypeVar("T")


def search(drawn: st.SearchStrategy[T], attempt: Callable[[T], None], most: int) -> None:
    """Attempt at most so many examples, and smaller ones once an attempt raises; the same examples each time."""
    settings = hypothesis.settings(
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=most,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=(
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
            hypothesis.HealthCheck.nested_given,
        ),
        verbosity=hypothesis.Verbosity.quiet,
        report_multiple_bugs=False,
    )
    settings(hypothesis.given(drawn)(attempt))()
