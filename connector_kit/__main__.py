"""`python -m connector_kit` is the command `connector-kit`."""

from __future__ import annotations

import sys

from connector_kit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
