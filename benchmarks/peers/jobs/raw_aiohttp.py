"""The floor on aiohttp: read the body, find the next cursor at its end, write the bytes as they came.

    python raw_aiohttp.py URL FOLDER SECONDS

No record is looked at, and what is written is whole bodies: one line a page.
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import asyncio
import sys
from pathlib import Path

import aiohttp


async def main(url: str, folder: str, seconds: str) -> None:
    """Read everything into FOLDER."""
    parameters: dict[str, str] = {}
    limit = aiohttp.ClientTimeout(total=float(seconds))
    with Path(folder, "records.pages").open("wb") as pages:  # noqa: ASYNC230 - by hand, nobody does otherwise
        async with aiohttp.ClientSession(timeout=limit, raise_for_status=True) as session:
            while True:
                async with session.get(f"{url}/records", params=parameters) as answer:
                    body = await answer.read()
                pages.write(body)
                pages.write(b"\n")
                cursor = body[body.rindex(b'"next":') + 7 : -1]
                if cursor == b"null":
                    return
                parameters = {"cursor": cursor.strip(b'"').decode()}


URL, FOLDER, SECONDS = sys.argv[1:]
asyncio.run(main(URL, FOLDER, SECONDS))
