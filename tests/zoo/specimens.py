"""All specimens of the zoo, in the order of the laws they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    wrong_catalog,
    wrong_closing,
    wrong_cursors,
    wrong_errors,
    wrong_lifecycle,
    wrong_progress,
    wrong_resume,
    wrong_sample,
    wrong_shape,
    wrong_since,
)

if TYPE_CHECKING:
    from .specimen import Specimen

__all__ = ["SPECIMENS"]

SPECIMENS: tuple[Specimen, ...] = (
    *wrong_lifecycle.SPECIMENS,
    *wrong_catalog.SPECIMENS,
    *wrong_shape.SPECIMENS,
    *wrong_resume.SPECIMENS,
    *wrong_since.SPECIMENS,
    *wrong_progress.SPECIMENS,
    *wrong_cursors.SPECIMENS,
    *wrong_closing.SPECIMENS,
    *wrong_errors.SPECIMENS,
    *wrong_sample.SPECIMENS,
)
"""A new specimen joins by its name in the table of its law's module."""
