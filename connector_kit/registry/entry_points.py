"""What installed packages declare in an entry-point group, found by name and imported with an error that says what to do.

A group is a scheme of names: `connector_kit.connectors`, `connector_kit.destinations`.
"""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint
    from types import ModuleType

__all__ = ["attribute", "imported", "installed", "loaded"]


def installed(group: str) -> Mapping[str, EntryPoint]:
    """Return what installed packages declare in a group, by name in alphabetical order. Nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def loaded(point: EntryPoint) -> object:
    """Return what an entry point names. Raise `ConfigError`, which names its package, where it cannot be imported."""
    try:
        return attribute(imported(point.module, point), point.attr)
    except ConfigError as error:
        whose = f" of package {point.dist.name}" if point.dist is not None else ""
        raise ConfigError(f"{point.name}{whose} cannot be used: {error.message}") from error


def imported(name: str, point: EntryPoint | None = None) -> ModuleType:
    """Import a module, also from the current folder. Raise `ConfigError` where that fails; `point` names its package."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(
            f"{name!r} is no name of a module; expected module:factory, as in my_package.shop:make_shop"
        )
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)  # where `python -m` looks too
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{name}.".startswith(f"{missing}."):
            raise ConfigError(
                f"no module {missing!r}; expected one that can be imported from {here} or is installed; "
                "correct the name, or go to the folder it is in"
            ) from error
        raise ConfigError(
            f"{name} needs the module {missing!r}, which is not installed; {_remedy(missing, point)}"
        ) from error
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{name} cannot be imported: {type(error).__name__}: {error}; expected a module without errors; "
            "correct it (--traceback shows where)"
        ) from error


def attribute(module: ModuleType, path: str) -> object:
    """Return what a module has under a dotted name. Raise `ConfigError` where it has nothing there."""
    target: object = module
    for step in path.split("."):
        if not hasattr(target, step):
            known = [each for each in dir(target) if not each.startswith("_")]
            near = get_close_matches(step, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"it has {', '.join(known[:10]) or 'nothing public'}"
            )
            raise ConfigError(
                f"{module.__name__} has no {path!r}; expected a class or a function there; {hint}"
            )
        target = getattr(target, step)
    return target


def _remedy(missing: str, point: EntryPoint | None) -> str:
    """Say what to install: the extra that brings the module, where the package of the entry point declares one."""
    if point is not None and point.dist is not None:
        wanted = re.compile(
            rf"{re.escape(missing.partition('.')[0])}\b.*extra\s*==\s*['\"](\S+?)['\"]", re.IGNORECASE
        )
        for requirement in point.dist.requires or ():
            if found := wanted.match(requirement.replace("-", "_")):
                return f"install the extra: pip install '{point.dist.name}[{found[1]}]'"
    return f"install what brings it: pip install {missing.partition('.')[0]}"
