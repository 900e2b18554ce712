"""Runs a command as a process of its own and prints what the system counted for it, as JSON; Linux and other Unixes.

    python -I -S waited.py SECONDS OUT ERR COMMAND...

It does little else, so that it is small: the system starts a process's peak memory at that of the one that starts it.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path


def main(seconds: str, out: str, err: str, *command: str) -> None:
    """Wait for the command, so many seconds at most."""
    began = time.monotonic()
    with Path(out).open("wb") as output, Path(err).open("wb") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
    timer = threading.Timer(float(seconds), process.kill)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.monotonic()
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    found = {
        "process": process.pid,
        "began": began,
        "ended": ended,
        "processor": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
        "code": process.returncode,
    }
    print(json.dumps(found))


main(*sys.argv[1:])
