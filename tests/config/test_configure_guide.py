"""The guide does what it says: its files are written, its code is run, its output is compared."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "configure.md"
BLOCK = re.compile(r"^```(toml|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_guide_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The types of a config class are resolved in its module, so the guide is one.
    module = types.ModuleType("configure_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    printed = compared = ""
    for language, block in BLOCK.findall(GUIDE.read_text("utf-8")):
        if language == "toml":
            Path(block.partition("\n")[0].removeprefix("# ")).write_text(block, "utf-8")
        elif language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(block, str(GUIDE), "exec"), module.__dict__)
            printed += output.getvalue()
        else:
            compared += block
    assert printed == compared
    assert compared
