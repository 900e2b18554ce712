"""The names a user types: what the package and its testing kit say they have, programs and type checkers find there."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import connector_kit
import connector_kit.auth
import connector_kit.connectors
import connector_kit.destinations
import connector_kit.errors
import connector_kit.events
import connector_kit.testing
from connector_kit.connectors import MockConnector, RestConnector
from connector_kit.registry.factories import NoSettings, find_factory

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
LAZY = [
    connector_kit,
    connector_kit.auth,
    connector_kit.connectors,
    connector_kit.destinations,
    connector_kit.testing,
]
DOORS = [*LAZY, connector_kit.errors, connector_kit.events]
NAMES = [(module, name) for module in DOORS for name in getattr(module, "__all__")]  # noqa: B009 - the stubs do not have it
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)

each_module = pytest.mark.parametrize("module", LAZY, ids=lambda module: module.__name__)
each_name = pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda it: getattr(it, "__name__", it))


def names_in_stub(module: ModuleType) -> set[str]:
    """Return the names that a door's stub, which type checkers read, imports."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).with_suffix(".pyi").read_text())
    return {
        alias.asname or alias.name
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@each_module
def test_programs_and_type_checkers_see_the_same_names(module: ModuleType) -> None:
    assert sorted(names_in_stub(module)) == getattr(module, "__all__")  # noqa: B009 - the stub does not have it


@each_name
def test_a_public_name_says_that_it_is_at_home_at_its_door(module: ModuleType, name: str) -> None:
    """It is what `help`, a traceback and a pickle name, and what a user imports it from."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__module__ == module.__name__
        assert getattr(importlib.import_module(value.__module__), name) is value


def advice(path: Path) -> set[str]:
    """Return the dotted names that a module of the testing kit says what to use by: in `expected` and `mend`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        named = [node.arg] if isinstance(node, ast.keyword) else []
        if isinstance(node, ast.Assign):
            named = [target.id.strip("_").lower() for target in node.targets if isinstance(target, ast.Name)]
        if isinstance(node, ast.keyword | ast.Assign) and {"expected", "mend"} & set(named):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.update(re.findall(r"\bconnector_kit(?:\.\w+)+", part.value))
    return found


def test_evidence_sends_authors_to_doors() -> None:
    """`connector_kit.sample`, not the module where it is today."""
    doors = {f"{module.__name__}.{name}" for module, name in NAMES} | {module.__name__ for module in DOORS}
    told = set().union(*map(advice, (ROOT / "connector_kit" / "testing").rglob("*.py")))
    assert "connector_kit.sample" in told
    assert told <= doors


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (str(path.relative_to(ROOT)), shown)
        for path in [
            ROOT / "README.md",
            *sorted((ROOT / "docs").rglob("*.md")),
            *sorted((ROOT / "docs").rglob("*.py")),
        ]
        for shown in ([path.read_text()] if path.suffix == ".py" else PYTHON.findall(path.read_text()))
        if "connector_kit" in shown
    ],
    ids=lambda it: it if it.endswith((".md", ".py")) else "",
)
def test_the_documentation_imports_from_the_doors_alone(page: str, shown: str) -> None:
    imported = {
        node.module
        for node in ast.walk(ast.parse(shown))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.partition(".")[0] == "connector_kit"
    }
    assert imported <= {door.__name__ for door in DOORS}, page


@each_name
def test_a_public_name_is_listed_by_dir(module: ModuleType, name: str) -> None:
    assert name in dir(module)


@each_module
def test_a_name_that_is_not_there_is_refused(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'Conector'"):
        _ = getattr(module, "Conector")  # noqa: B009 - written out, it would be a type error


def test_an_exported_connectors_settings_are_found() -> None:
    """They are read off an annotation, whose names are not those of the door."""
    for name, connector in (("mock", MockConnector), ("rest", RestConnector)):
        assert connector.__module__ == "connector_kit.connectors"
        assert find_factory(name).settings is not NoSettings
