"""Reports as files: the option, which refuses a file that cannot be written before the work begins, and the writing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from connector_kit.errors import DestinationError

__all__ = ["report_option", "store_report"]


def _report_file(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Path | None:
    path = None if text is None else Path(text)
    if path is not None and (path.suffix != ".json" or not path.parent.is_dir()):
        raise click.BadParameter(
            f"{text!r} is no place for it; expected a file FILE.json in a folder that exists"
        )
    return path


report_option = click.option(
    "--report",
    "report_file",
    metavar="FILE.json",
    callback=_report_file,
    help="Write the report to a file, too.",
)
"""The option, as a decorator."""


def store_report(value: dict[str, Any], path: Path, *, meanwhile: str) -> None:
    """Write a report as JSON: all of it is there, or what was there before.

    Raises `DestinationError` where it cannot be written; `meanwhile` says there what is not lost by that.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
            try:
                part.write(text)
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).chmod(0o644)
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DestinationError(
            f"the report cannot be written to {path}: {error.strerror or error}; expected a file that may be written to; "
            f"name another one; {meanwhile}"
        ) from error
