"""Small records made in memory before anything is measured, the same for everybody."""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path
from typing import Any

PAGE_SIZE = 1_000


def made(records: int, folder: str) -> list[list[dict[str, Any]]]:
    """Give the pages, and note in FOLDER/started.json that what follows is the work."""
    pages = [
        [{"id": n, "name": f"name {n}", "amount": n / 4} for n in range(start, start + PAGE_SIZE)]
        for start in range(0, records, PAGE_SIZE)
    ]
    kept: list[object] = [pages]
    kept.append(
        kept
    )  # a circle that is frozen is never let go of: nobody is charged for freeing the records, or not
    gc.collect()
    gc.freeze()  # a million records would be looked at again and again, in whatever reads them
    Path(folder, "started.json").write_text(json.dumps({"at": time.monotonic(), "cpu": time.process_time()}))
    return pages
