"""The floor on httpx2: read the body, find the next cursor at its end, write the bytes as they came.

    python raw_httpx2.py URL FOLDER SECONDS

No record is looked at, and what is written is whole bodies: one line a page.
"""

import sys
from pathlib import Path

import anyio
import httpx2


async def main(url: str, folder: str, seconds: str) -> None:
    """Read everything into FOLDER."""
    parameters: dict[str, str] = {}
    with Path(folder, "records.pages").open("wb") as pages:  # noqa: ASYNC230 - by hand, nobody does otherwise
        async with httpx2.AsyncClient(timeout=float(seconds)) as client:
            while True:
                answer = await client.get(f"{url}/records", params=parameters)
                body = answer.raise_for_status().content
                pages.write(body)
                pages.write(b"\n")
                cursor = body[body.rindex(b'"next":') + 7 : -1]
                if cursor == b"null":
                    return
                parameters = {"cursor": cursor.strip(b'"').decode()}


URL, FOLDER, SECONDS = sys.argv[1:]
anyio.run(main, URL, FOLDER, SECONDS)
