"""httpx2 alone, as its documentation shows (one `AsyncClient` for all requests): parse every page, write its records.

    python bare_httpx2.py URL FOLDER SECONDS orjson|msgspec

No retry, no checkpoint: this is what one writes in ten minutes. https://www.python-httpx.org/async/,
https://github.com/ijl/orjson#serialize (OPT_APPEND_NEWLINE), https://jcristharif.com/msgspec/perf-tips.html
(encode_lines for line-delimited JSON).
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2


async def with_orjson(client: httpx2.AsyncClient, url: str, path: Path) -> None:
    """Parse and write by orjson."""
    # each library is in its own jobs' environment
    import orjson  # noqa: PLC0415 - of the two, only the one that is measured

    parameters: dict[str, str] = {}
    with path.open("wb") as lines:
        while True:
            answer = await client.get(f"{url}/records", params=parameters)
            body: dict[str, Any] = orjson.loads(answer.raise_for_status().content)
            for record in body["data"]:
                lines.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            if body["next"] is None:
                return
            parameters = {"cursor": body["next"]}


async def with_msgspec(client: httpx2.AsyncClient, url: str, path: Path) -> None:
    """Parse and write by msgspec."""
    import msgspec  # noqa: PLC0415 - of the two, only the one that is measured

    decoder, encoder = msgspec.json.Decoder(), msgspec.json.Encoder()
    parameters: dict[str, str] = {}
    with path.open("wb") as lines:
        while True:
            answer = await client.get(f"{url}/records", params=parameters)
            body = decoder.decode(answer.raise_for_status().content)
            lines.write(encoder.encode_lines(body["data"]))
            if body["next"] is None:
                return
            parameters = {"cursor": body["next"]}


async def main(url: str, folder: str, seconds: str, library: str) -> None:
    """Read everything into FOLDER."""
    work = {"orjson": with_orjson, "msgspec": with_msgspec}[library]
    async with httpx2.AsyncClient(timeout=float(seconds)) as client:
        await work(client, url, Path(folder, "records.jsonl"))


URL, FOLDER, SECONDS, LIBRARY = sys.argv[1:]
anyio.run(main, URL, FOLDER, SECONDS, LIBRARY)
