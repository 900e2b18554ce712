"""`python -m connector_kit` is the command `connector-kit`."""

from __future__ import annotations

from .cli.main import process

if __name__ == "__main__":
    process()
