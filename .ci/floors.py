#!/usr/bin/env python3
"""Draw the floors of the package from the code: docs/explanation/floors.svg.

The floors are those of the import contract in pyproject.toml, the lines are the imports that the modules make. Run it
through `make drawing`; a test compares the file with what the code says.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DRAWING = ROOT / "docs" / "explanation" / "floors.svg"
PACKAGE = "connector_kit"

BOX_WIDTH, BOX_HEIGHT, GAP, ROW, LEFT, TOP = 96, 34, 14, 84, 24, 24


def floors() -> list[list[str]]:
    """Return the parts of the package on each floor, the topmost first, as the contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["name"] == "floors")
    rows = [re.findall(r"\w+", layer) for layer in layers]
    return [there for row in rows if (there := [part for part in row if _files(part)])]


def imports(parts: set[str]) -> set[tuple[str, str]]:
    """Return which part imports which other one."""
    found = set[tuple[str, str]]()
    for part in parts:
        for file in _files(part):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom):
                    found |= {(part, target) for target in _targets(node, file) if target != part}
    return {(one, other) for one, other in found if other in parts}


def _files(part: str) -> list[Path]:
    folder = ROOT / PACKAGE / part
    alone = folder.with_suffix(".py")
    return sorted(folder.rglob("*.py")) or ([alone] if alone.is_file() else [])


def _targets(node: ast.ImportFrom, file: Path) -> set[str]:
    """Return the parts that a statement imports from."""
    package = list(file.relative_to(ROOT).parent.parts)
    base = package[: len(package) - node.level + 1] if node.level else []
    module = [*base, *(node.module or "").split(".")]
    names = [module] if len(module) > 1 and module[1] else [[PACKAGE, alias.name] for alias in node.names]
    return {name[1] for name in names if name[0] == PACKAGE and len(name) > 1}


def drawing() -> str:
    """Return the drawing as SVG: a row for each floor, a line for each import, from the importer down."""
    rows = floors()
    width = LEFT * 2 + max(len(row) for row in rows) * (BOX_WIDTH + GAP) - GAP
    places = {
        part: (
            (width - len(row) * (BOX_WIDTH + GAP) + GAP) / 2 + column * (BOX_WIDTH + GAP),
            TOP + number * ROW,
        )
        for number, row in enumerate(rows)
        for column, part in enumerate(row)
    }
    height = TOP * 2 + (len(rows) - 1) * ROW + BOX_HEIGHT
    lines = [
        f'<line x1="{places[one][0] + BOX_WIDTH / 2:.0f}" y1="{places[one][1] + BOX_HEIGHT}" '
        f'x2="{places[other][0] + BOX_WIDTH / 2:.0f}" y2="{places[other][1]}"><title>{one} imports {other}</title></line>'
        for one, other in sorted(imports(set(places)))
        if places[one][1] < places[other][1]
    ]
    boxes = [
        f'<rect x="{x:.0f}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"/>'
        f'<text x="{x + BOX_WIDTH / 2:.0f}" y="{y + BOX_HEIGHT / 2 + 4:.0f}">{part}</text>'
        for part, (x, y) in places.items()
    ]
    style = (
        "line{stroke:#8aa0b8;stroke-width:.7;opacity:.6}line:hover{stroke:#c04000;stroke-width:2;opacity:1}"
        "rect{fill:#f4f7fa;stroke:#44586e}text{font:12px sans-serif;text-anchor:middle;fill:#1d2733}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>The floors of connector_kit: each part imports from below its own</title>",
            f"<style>{style}</style>",
            f'<rect width="{width}" height="{height}" style="fill:#fff;stroke:none"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    DRAWING.write_text(drawing())
    print(f"{DRAWING.relative_to(ROOT)}: {len(floors())} floors")
