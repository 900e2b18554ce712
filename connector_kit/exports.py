"""Names of a package that are imported when they are first used, so that a program pays for what it touches.

The names stand once, in the package's `__init__.pyi`: type checkers read it, and so does the package.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy"]


def lazy(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the package of this name, whose `__init__.py` is `file`.

    An exported class or function names the package as its `__module__`: it is what a user imports it from.
    """

    @cache
    def homes() -> Mapping[str, tuple[str, str]]:
        return _homes(package, file.removesuffix(".py") + ".pyi")

    def get(name: str) -> object:
        if name == "__all__":
            return sorted(homes())
        if name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, original = homes()[name]
        if module == package:
            return import_module(f"{package}.{original}")
        value: object = getattr(import_module(module), original)
        _show_as_part_of(package, value)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes()})

    return get, names


def _homes(package: str, stub: str) -> dict[str, tuple[str, str]]:
    """Return, for each name that the stub imports, its module and its name there."""
    import ast  # noqa: PLC0415 - neither is needed before the first name is; each takes a third of this package's import
    from pathlib import Path  # noqa: PLC0415 - the same

    homes: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(Path(stub).read_text("utf-8")).body:
        if isinstance(statement, ast.ImportFrom):
            base = package.split(".")[: -statement.level + 1 or None]
            module = (
                ".".join([*base, statement.module or ""]).rstrip(".") if statement.level else statement.module
            )
            for alias in statement.names:
                homes[alias.asname or alias.name] = (module or package, alias.name)
    return homes


def _show_as_part_of(package: str, value: object) -> None:
    home = getattr(value, "__module__", "")
    if not callable(value) or not isinstance(home, str) or not home.startswith("connector_kit."):
        return
    # Annotations are text until somebody asks; names in it are looked up in the module that the class names.
    if isinstance(value, type):
        init = vars(value).get("__init__")
        for annotated in (value, init) if isinstance(init, FunctionType) else (value,):
            with suppress(NameError):  # of a type that is imported for type checkers only
                names = vars(sys.modules[home])
                annotated.__annotations__ = get_type_hints(annotated, names, include_extras=True)
    value.__module__ = package
