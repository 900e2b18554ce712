"""The names a user types: what the package's root says it has, it has, for programs and type checkers alike."""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest

import connector_kit


def seen_by_type_checkers() -> set[str]:
    """Give the names that the root imports under `if TYPE_CHECKING`."""
    tree = ast.parse(inspect.getsource(connector_kit))
    return {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def test_programs_and_type_checkers_see_the_same_names() -> None:
    assert sorted(seen_by_type_checkers()) == sorted(connector_kit.__all__)


@pytest.mark.parametrize("name", connector_kit.__all__)
def test_a_public_name_leads_to_where_it_is_defined(name: str) -> None:
    value = getattr(connector_kit, name)
    home = getattr(value, "__module__", None)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert home is not None
        assert getattr(importlib.import_module(home), name) is value


@pytest.mark.parametrize("name", connector_kit.__all__)
def test_a_public_name_is_listed_by_dir(name: str) -> None:
    assert name in dir(connector_kit)


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Conector'"):
        _ = getattr(connector_kit, "Conector")  # noqa: B009 - written out, it would be a type error
