"""aiohttp alone, as its documentation shows (one `ClientSession` for all requests): parse every page, write its records.

    python bare_aiohttp.py URL FOLDER SECONDS orjson|msgspec

No retry, no checkpoint. https://docs.aiohttp.org/en/stable/client_quickstart.html; the JSON libraries as in
bare_httpx2.py.
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import orjson


async def with_orjson(session: aiohttp.ClientSession, url: str, path: Path) -> None:
    """Parse and write by orjson."""
    parameters: dict[str, str] = {}
    with path.open("wb") as lines:
        while True:
            async with session.get(f"{url}/records", params=parameters) as answer:
                body: dict[str, Any] = orjson.loads(await answer.read())
            for record in body["data"]:
                lines.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            if body["next"] is None:
                return
            parameters = {"cursor": body["next"]}


async def with_msgspec(session: aiohttp.ClientSession, url: str, path: Path) -> None:
    """Parse and write by msgspec."""
    decoder, encoder = msgspec.json.Decoder(), msgspec.json.Encoder()
    parameters: dict[str, str] = {}
    with path.open("wb") as lines:
        while True:
            async with session.get(f"{url}/records", params=parameters) as answer:
                body = decoder.decode(await answer.read())
            lines.write(encoder.encode_lines(body["data"]))
            if body["next"] is None:
                return
            parameters = {"cursor": body["next"]}


async def main(url: str, folder: str, seconds: str, library: str) -> None:
    """Read everything into FOLDER."""
    work = {"orjson": with_orjson, "msgspec": with_msgspec}[library]
    limit = aiohttp.ClientTimeout(total=float(seconds))
    async with aiohttp.ClientSession(timeout=limit, raise_for_status=True) as session:
        await work(session, url, Path(folder, "records.jsonl"))


URL, FOLDER, SECONDS, LIBRARY = sys.argv[1:]
asyncio.run(main(URL, FOLDER, SECONDS, LIBRARY))
