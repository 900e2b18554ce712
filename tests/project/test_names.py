"""The names a user types: what the package and its testing kit say they have, programs and type checkers find there."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import connector_kit
import connector_kit.testing

if TYPE_CHECKING:
    from types import ModuleType

MODULES = [connector_kit, connector_kit.testing]
NAMES = [(module, name) for module in MODULES for name in module.__all__]

each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
each_name = pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda it: getattr(it, "__name__", it))


def seen_by_type_checkers(module: ModuleType) -> set[str]:
    """Return the names that a module's stub imports."""
    stub = Path(inspect.getfile(module)).with_suffix(".pyi")
    return {
        alias.asname or alias.name
        for statement in ast.parse(stub.read_text()).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@each_module
def test_programs_and_type_checkers_see_the_same_names(module: ModuleType) -> None:
    assert sorted(seen_by_type_checkers(module)) == sorted(module.__all__)


@each_name
def test_a_public_name_leads_to_where_it_is_defined(module: ModuleType, name: str) -> None:
    value = getattr(module, name)
    home = getattr(value, "__module__", None)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert home is not None
        assert getattr(importlib.import_module(home), name) is value


@each_name
def test_a_public_name_is_listed_by_dir(module: ModuleType, name: str) -> None:
    assert name in dir(module)


@each_module
def test_a_name_that_is_not_there_is_refused(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'Conector'"):
        _ = getattr(module, "Conector")  # noqa: B009 - written out, it would be a type error
