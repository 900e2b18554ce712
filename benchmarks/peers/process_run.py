"""One job in a fresh process: how long it took, what it cost, what it wrote. Linux."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import attrs
from environments import python_of
from faults import NONE
from written_rows import STDOUT, Rows, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contestants import Contestant

__all__ = ["JOBS", "Api", "Outcome", "run_job", "serving", "timed"]

HERE = Path(__file__).resolve().parent
JOBS = HERE / "jobs"
STDERR = "stderr.txt"
AS_ONE_PROCESS = 'exec "$0" "$1" "http://127.0.0.1:$2/read/$$/$3" "$4" "$5" $6'
"""The shell becomes the job: the process that the URL names is the one that reads."""
LIMIT = 60
"""Seconds that a request may take, for whoever has a setting for it."""
GIVEN_UP = 900.0
"""Seconds after which a job is ended."""


@attrs.frozen
class Api:
    """A served API: where it listens and how many records it has."""

    port: int
    records: int


@attrs.frozen
class Outcome:
    """What a process took.

    Times are in seconds, without the start-up, which stands beside them; `memory` is the peak in bytes. `code` is the
    exit code, negative for a signal.
    """

    seconds: float
    processor: float
    memory: int
    startup: float
    startup_processor: float
    code: int


@contextmanager
def serving(records: int, page_size: int) -> Iterator[Api]:
    """Have an API served by a process of its own."""
    command = [sys.executable, str(HERE / "api_server.py"), "--records", str(records)]
    with subprocess.Popen([*command, "--page-size", str(page_size)], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None  # asked for above
            yield Api(int(server.stdout.readline()), records)
        finally:
            server.terminate()


def _noted(folder: Path) -> dict[str, float] | None:
    """Give what a job without an API noted itself, when all was made that it works on."""
    noted = folder / "started.json"
    return json.loads(noted.read_text()) if noted.exists() else None


def _asked(api: Api, process: int) -> dict[str, float] | None:
    """Give what the API noted when the process sent its first request."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    connection.request("GET", f"/started/{process}")
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return found if answer.status == http.HTTPStatus.OK else None


def timed(command: list[str], folder: Path, api: Api | None, give_up: float = GIVEN_UP) -> Outcome:
    """Run a command in a folder, its output in files there, and see what it took.

    Raises `RuntimeError` with its last words where it ended before its work began.
    """
    out, err = folder / STDOUT, folder / STDERR
    waiting = [
        sys.executable,
        "-I",
        "-S",
        str(HERE / "waited.py"),
        str(give_up),
        str(out),
        str(err),
        *command,
    ]
    found = json.loads(subprocess.run(waiting, check=True, stdout=subprocess.PIPE, cwd=folder).stdout)
    started = _noted(folder) if api is None else _asked(api, found["process"])
    if started is None:
        words = err.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"{' '.join(command)} ended before it began to read; its last words:\n{words}")
    return Outcome(
        seconds=found["ended"] - started["at"],
        processor=found["processor"] - started["cpu"],
        memory=found["memory"],
        startup=started["at"] - found["began"],
        startup_processor=started["cpu"],
        code=found["code"],
    )


def run_job(
    contestant: Contestant,
    source: Api | int,
    fault: str = NONE,
    *,
    limit: int = LIMIT,
    give_up: float = GIVEN_UP,
) -> tuple[Outcome, Rows]:
    """Run a job once, on an API or on so many records in memory, and count what it wrote.

    `limit` is the time limit of one request in seconds, `give_up` that of the whole job.
    """
    job = [python_of(contestant.environment), str(JOBS / f"{contestant.job}.py")]
    with TemporaryDirectory(prefix="bench-peers-") as name:
        folder = Path(name)
        if isinstance(source, Api):
            place = [str(source.port), fault, name, str(limit), " ".join(contestant.arguments)]
            outcome = timed(["/bin/sh", "-c", AS_ONE_PROCESS, *job, *place], folder, source, give_up)
            return outcome, written(contestant.form, folder, source.records)
        outcome = timed([*job, str(source), name, *contestant.arguments], folder, None, give_up)
        return outcome, written(contestant.form, folder, source)
