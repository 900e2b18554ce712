"""Looks at one method, without calling it: what a call would give, and which arguments it takes.

What cannot be known is taken to fit: a decorator that changes what its function gives, a callable written in C, the name
of somebody's alias. Annotations are read as text and never evaluated, for they may name what only type checkers import.
"""

from __future__ import annotations

import ast
import inspect
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from .parameters import unfit

if TYPE_CHECKING:
    from collections.abc import Callable

    from .expected import Expected

__all__ = ["Look", "look_at"]

Kind: TypeAlias = Literal["async method", "async generator", "generator", "method", "callable"]

_AWAITABLES = frozenset({"Awaitable", "Coroutine", "Future", "Task"})
_COLLECTIONS = frozenset({"list", "List", "tuple", "Tuple", "set", "frozenset", "Sequence", "Collection"})
_SYNC_ITERATORS = frozenset({"Iterator", "Generator", "Iterable"})
_VALUES = frozenset({"None", "bool", "int", "str", "dict", "Dict", "Mapping", "Catalog"})
_RECORDS = frozenset({"Record", "Mapping", "MutableMapping", "dict", "Dict"})


@attrs.frozen
class Look:
    """What was seen: `kind` in words, all `faults`, and the two that a wrapper of the kit mends."""

    kind: str
    faults: tuple[str, ...] = ()
    synchronous: bool = False
    record_wise: bool = False

    @property
    def found(self) -> str:
        """What was found, in words."""
        return "; ".join(self.faults) or self.kind


def look_at(method: Any, expected: Expected) -> Look:
    """Compare what was found under a method's name with what is expected there."""
    if not callable(method):
        return Look("", (f"{type(method).__name__!r}, which cannot be called",))
    kind = _kind(method)
    try:
        signature = inspect.signature(method)
    except TypeError:
        return Look(kind)
    except ValueError:  # either no Python function, or one that has no place for the instance
        return Look("", ("no `self`",)) if inspect.ismethod(method) else Look(kind)
    given = _look_at_result(kind, signature, expected)
    faults = (*given.faults, *unfit(signature, expected.arguments))
    return attrs.evolve(given, faults=faults)


def _kind(method: Callable[..., object]) -> Kind:
    """Tell what kind of function it is; "callable" where that says nothing of what a call gives."""
    target: object = method.func if isinstance(method, partial) else method
    if isinstance(target, MethodType):
        target = target.__func__
    if not isinstance(target, FunctionType):
        target = getattr(type(target), "__call__", None)  # noqa: B004 - looked at, not asked for
    if not isinstance(target, FunctionType):
        return "callable"
    if inspect.isasyncgenfunction(target):
        return "async generator"
    if inspect.iscoroutinefunction(target) or target.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return "async method"
    if inspect.isgeneratorfunction(target):
        return "generator"
    return "callable" if hasattr(target, "__wrapped__") or target.__name__ == "<lambda>" else "method"


def _look_at_result(kind: Kind, signature: inspect.Signature, expected: Expected) -> Look:
    """Say what is wrong with what a call gives."""
    if kind == "callable":
        return Look(kind)
    outer, item = _names(signature.return_annotation)
    if expected.gives == "nothing":
        faults = () if kind == "method" else (f"an {kind}" if kind != "generator" else "a generator",)
        return Look(kind, faults)
    if expected.gives == "awaitable":
        return _look_at_awaitable(kind, outer)
    return _look_at_stream(kind, outer, item)


def _look_at_awaitable(kind: Kind, outer: str) -> Look:
    if kind == "async generator":
        return Look(kind, ("an async generator: there is a `yield` in it",))
    plain = _VALUES | _COLLECTIONS | _SYNC_ITERATORS | {""}
    if kind == "generator" or (kind == "method" and outer in plain):
        return Look(
            kind, ("synchronous: no `async`, and not annotated as giving an Awaitable",), synchronous=True
        )
    return Look(kind)


def _look_at_stream(kind: Kind, outer: str, item: str) -> Look:
    if kind == "async method":
        what = f" of a {outer}" if outer in _COLLECTIONS else ""
        return Look(kind, (f"`async def` without `yield`: a coroutine{what}, no iterator",))
    faults: list[str] = []
    synchronous = kind == "generator" or (kind == "method" and outer in _SYNC_ITERATORS)
    if synchronous:
        faults.append("synchronous: an iterator, no async one")
    elif kind == "method" and outer in _AWAITABLES | _COLLECTIONS | _VALUES:
        faults.append(f"gives {outer}, no iterator")
        item = ""
    record_wise = item in _RECORDS
    if record_wise:
        faults.append("yields single records, no pages")
    elif item in _COLLECTIONS:
        faults.append(f"yields {item}, no pages")
    return Look(kind, tuple(faults), synchronous=synchronous, record_wise=record_wise)


def _names(annotation: object) -> tuple[str, str]:
    """Give the name of an annotation and of its first argument: of `AsyncIterator[Page]` both, of others what there is."""
    if annotation is inspect.Signature.empty:
        return "", ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    try:
        tree = _unquoted(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return "?", ""
    if not isinstance(tree, ast.Subscript):
        return _last_name(tree), ""
    first = tree.slice.elts[0] if isinstance(tree.slice, ast.Tuple) and tree.slice.elts else tree.slice
    first = _unquoted(first)
    return _last_name(tree.value), _last_name(first.value if isinstance(first, ast.Subscript) else first)


def _unquoted(tree: ast.expr) -> ast.expr:
    quoted = isinstance(tree, ast.Constant) and isinstance(tree.value, str)
    return ast.parse(ast.literal_eval(tree), mode="eval").body if quoted else tree


def _last_name(tree: ast.expr) -> str:
    if isinstance(tree, ast.Constant):
        return str(tree.value)
    return tree.attr if isinstance(tree, ast.Attribute) else getattr(tree, "id", "?")
