"""The floor in memory: an async generator over pages, and a loop that writes the same bytes by msgspec.

python plain_memory.py RECORDS FOLDER
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
from memory_pages import made


async def read(pages: list[list[dict[str, Any]]]) -> AsyncIterator[list[dict[str, Any]]]:
    """Give one page after the other."""
    for page in pages:
        yield page


async def main(records: str, folder: str) -> None:
    """Write everything into FOLDER."""
    encoder, pages = msgspec.json.Encoder(), made(int(records), folder)
    with Path(folder, "records.jsonl").open("wb") as lines:  # noqa: ASYNC230 - by hand, nobody does otherwise
        async for page in read(pages):
            lines.write(encoder.encode_lines(page))


RECORDS, FOLDER = sys.argv[1:]
anyio.run(main, RECORDS, FOLDER)
