"""The strict converter: cattrs finds the hook for a type, and every hook is the kit's own.

The hooks are ours because those of cattrs coerce ("3" becomes 3, "false" becomes True), ignore what they do not know,
report any `KeyError` as a missing field, and lose which field's validator failed; and because none of their messages
keeps a secret out. An author registers hooks for further types on the converter as usual (`register_structure_hook`):
those come before ours, and say with `ConfigError` what they refuse.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import cattrs

from connector_kit.errors import ConfigError, Problem
from connector_kit.redaction import Secret

from .annotations import is_config_class, members, plain
from .classes import class_hook
from .containers import container_hook, is_container
from .findings import Refused, told
from .references import secret_hook, url_hook
from .scalars import Hook, is_scalar, refused, scalar_hook
from .unions import union_hook
from .url import Url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["failure", "make_converter", "structure"]

_T = TypeVar("_T")


def make_converter(env: Mapping[str, str] | None = None, base: Path | None = None) -> cattrs.Converter:
    """Make a new strict converter.

    `env` is where `{ env = … }` looks (the process's environment where it is left out), `base` the folder that
    `{ file = … }` and paths are relative to (the current one). Structure with `structure`, which raises `ConfigError`
    with all problems; the converter's own method raises what is internal to this package.
    """
    base = Path() if base is None else base
    converter = cattrs.Converter()
    env = os.environ if env is None else env
    path, secret, url = _path_hook(base), secret_hook(env, base), url_hook(env, base)

    def simple(annotation: Any) -> Hook:
        if annotation is Path:
            return path
        return scalar_hook(annotation) if is_scalar(annotation) else _unsupported(annotation)

    # Asked from the last one to the first.
    converter.register_structure_hook_factory(lambda _: True, simple)
    converter.register_structure_hook_factory(is_config_class, lambda cls: class_hook(cls, converter))
    converter.register_structure_hook_factory(is_container, lambda cls: container_hook(cls, converter))
    converter.register_structure_hook_factory(
        lambda union: bool(members(union)), lambda union: union_hook(union, converter)
    )
    converter.register_structure_hook_factory(lambda cls: cls is Secret, lambda _: secret)
    converter.register_structure_hook_factory(lambda cls: cls is Url, lambda _: url)
    converter.register_structure_hook_factory(
        lambda annotation: plain(annotation) is not annotation,
        lambda annotation: lambda given, _: converter.structure(given, plain(annotation)),
    )
    # These, and classes derived from them, cattrs dispatches before it asks any factory.
    for builtin in (str, bytes, int, float, Path):
        converter.register_structure_hook(builtin, lambda given, target: simple(target)(given, target))
    return converter


def structure(cls: type[_T], given: object, converter: cattrs.Converter) -> _T:
    """Structure `given` into `cls`. Raises `ConfigError` with every problem, paths counted from `given` on."""
    try:
        return converter.structure(given, cls)
    except Refused as refused:
        problems = refused.problems
    except ConfigError as error:
        problems = told(error)
    except RecursionError:
        problems = (Problem("", "tables nested too deeply", "fewer levels", "flatten it"),)
    # Out of the `except`, so that nothing of what was given hangs on the error as its context.
    raise failure(getattr(cls, "__name__", "the value"), problems)


def failure(name: str, problems: Sequence[Problem]) -> ConfigError:
    """Make the error that has all problems of one configuration."""
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError(f"{name} has {count}:", problems)


def _path_hook(base: Path) -> Hook:
    def path(given: Any, target: Any) -> Path:
        if not isinstance(given, str | Path):
            raise refused(given, target)
        return base / given

    return path


def _unsupported(annotation: Any) -> NoReturn:
    name = getattr(annotation, "__name__", annotation)
    raise TypeError(
        f"a config class cannot have a field of type {name}; use an attrs class, a plain or kit type, or give the "
        "type a classmethod `parse(text)` that raises ValueError with what it expects"
    )
