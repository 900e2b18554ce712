"""What an object lacks of a connector, read off its signatures: `explain`, `conforms` and `require`."""

from __future__ import annotations

import ast
import inspect
from functools import cached_property, partial
from inspect import Parameter, Signature
from types import FunctionType, MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import attrs

from connector_kit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CAPABILITIES",
    "METHODS",
    "Argument",
    "Expected",
    "Explanation",
    "Finding",
    "Gives",
    "Look",
    "Status",
    "conforms",
    "explain",
    "look_at",
    "require",
    "unfit",
]


Status: TypeAlias = Literal["present", "defaulted", "missing", "malformed"]


@attrs.frozen
class Finding:
    """One method: what was found, what is expected, and the first line of a definition that fits."""

    method: str
    status: Status
    found: str
    expected: str
    line: str

    @property
    def ok(self) -> bool:
        """Whether the kit can work with it: the method fits, or its default takes its place."""
        return self.status in {"present", "defaulted"}


@attrs.frozen
class Explanation:
    """How far an object is a connector. `name` is its class; `str()` gives a table, with the lines to write below.

    `remarks` are about the object as a whole: that it is a class, that `Threaded` or `Paged` makes a connector of it.
    """

    name: str
    findings: tuple[Finding, ...]
    remarks: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is a connector."""
        return not self.problems

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What does not fit; the whole before its methods, in the order of the contract."""
        return (
            *self.remarks,
            *(
                Problem(each.method, each.found, each.expected, f"write `{each.line}`")
                for each in self.findings
                if not each.ok
            ),
        )

    def __getitem__(self, method: str) -> Finding:
        """Return the finding of a method."""
        return {each.method: each for each in self.findings}[method]

    def __str__(self) -> str:
        rows = [("method", "status", "found", "expected")]
        rows += [(each.method, each.status, each.found, each.expected) for each in self.findings]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines = [each.line for each in self.findings if not each.ok]
        return "\n".join(
            [
                f"{self.name} {'is a connector' if self.ok else 'is no connector'}",
                *(f"  {each.given}; expected {each.expected}; {each.mend}" for each in self.remarks),
                "",
                *table,
                *(["", "write", *(f"    {line}" for line in lines)] if lines else []),
            ]
        )


Gives: TypeAlias = Literal["awaitable", "pages", "nothing"]


@attrs.frozen
class Argument:
    """One argument, and how callers give it. `left_out` says that they may leave it out."""

    name: str
    by_position: bool = False
    by_keyword: bool = False
    left_out: bool = False


@attrs.frozen
class Expected:
    """One method: its name, what a call gives, its arguments, and the first line of its definition."""

    name: str
    gives: Gives
    line: str
    arguments: tuple[Argument, ...] = ()

    @property
    def words(self) -> str:
        """What is expected, in a few words."""
        kinds = {
            "awaitable": "an async method",
            "pages": "an async generator of pages",
            "nothing": "a plain method",
        }
        given = ", ".join(f"{each.name}=" if each.by_keyword else each.name for each in self.arguments)
        return f"{kinds[self.gives]}, called with ({given})"


_ENTITY: Final = Argument("entity", by_position=True)
_SINCE: Final = Argument("since", by_keyword=True, left_out=True)

METHODS: Final = (
    Expected("connect", "awaitable", "async def connect(self) -> None:"),
    Expected("disconnect", "awaitable", "async def disconnect(self) -> None:"),
    Expected("discover_schema", "awaitable", "async def discover_schema(self) -> Catalog:"),
    Expected(
        "fetch_data",
        "pages",
        "async def fetch_data(self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None) "
        "-> AsyncIterator[Page]:",
        (_ENTITY, _SINCE, Argument("cursor", by_keyword=True, left_out=True)),
    ),
)
"""Those of `Connector`."""

CAPABILITIES: Final = (
    Expected(
        "get_sample_data",
        "awaitable",
        "async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:",
        (_ENTITY, Argument("limit", by_position=True, by_keyword=True, left_out=True)),
    ),
    Expected("validate_config", "nothing", "def validate_config(self) -> None:"),
    Expected(
        "partition_data",
        "awaitable",
        "async def partition_data(self, entity: str, /, *, since: datetime | None = None, target: int) "
        "-> Sequence[Cursor]:",
        (_ENTITY, _SINCE, Argument("target", by_keyword=True)),
    ),
)
"""Those of the optional protocols; the kit has a default for each."""


_ANY_NUMBER = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def unfit(signature: Signature, arguments: tuple[Argument, ...]) -> Iterator[str]:
    """Say, a line each, which arguments the parameters do not take, and which parameters nobody fills."""
    parameters = signature.parameters.values()
    any_number = frozenset(each.kind for each in parameters if each.kind in _ANY_NUMBER)
    filled = _filled(signature, arguments)
    for argument in arguments:
        parameter = filled.get(argument.name)
        if parameter is not None:
            yield from _misfits(argument, parameter, any_number)
        elif not _caught(argument, any_number):
            yield f"no `{argument.name}`"
    for parameter in parameters:
        if _required(parameter) and parameter not in filled.values():
            yield f"`{parameter.name}` has no default, and nobody gives it"


def _filled(signature: Signature, arguments: tuple[Argument, ...]) -> dict[str, Parameter]:
    """Return for each argument the parameter that is meant for it, where there is one."""
    named = {name: each for name, each in signature.parameters.items() if each.kind not in _ANY_NUMBER}
    in_order = [each for each in named.values() if each.kind is not Parameter.KEYWORD_ONLY]
    filled: dict[str, Parameter] = {}
    for argument in arguments:
        others = {each.name for each in arguments} - {argument.name}
        if argument.by_position and in_order and in_order[0].name not in others:
            filled[argument.name] = in_order.pop(0)
        elif argument.name in named:
            filled[argument.name] = named[argument.name]
    return filled


def _misfits(argument: Argument, parameter: Parameter, any_number: frozenset[object]) -> Iterator[str]:
    if argument.by_position and parameter.kind is Parameter.KEYWORD_ONLY:
        yield f"`{argument.name}` cannot be given by position"
    if argument.by_keyword and Parameter.VAR_KEYWORD not in any_number:
        if parameter.name != argument.name:
            yield f"`{argument.name}` is called `{parameter.name}`"
        elif parameter.kind is Parameter.POSITIONAL_ONLY:
            yield f"`{argument.name}` cannot be given by keyword"
    if argument.left_out and _required(parameter):
        yield f"`{argument.name}` has no default"


def _caught(argument: Argument, any_number: frozenset[object]) -> bool:
    """Tell whether `*args` and `**kwargs` take an argument, in each way that it is given."""
    return (not argument.by_position or Parameter.VAR_POSITIONAL in any_number) and (
        not argument.by_keyword or Parameter.VAR_KEYWORD in any_number
    )


def _required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind not in _ANY_NUMBER


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
    """Return the name of an annotation and of its first argument: of `AsyncIterator[Page]` both, of others what there is."""
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


_ABSENT: Final = object()
_ALL: Final = (*METHODS, *CAPABILITIES)
_KNOWN: WeakKeyDictionary[type, Explanation] = WeakKeyDictionary()
"""What is known of classes whose instances are all alike. A class that is changed afterwards keeps its entry."""


def explain(obj: object, /) -> Explanation:
    """Say of each of a connector's methods whether it is there and fits, what is expected, and the line to write.

    Looks at signatures: none of the methods is called, and no property is read. An attribute that only a `__getattr__`
    gives is asked for. The answer is kept per class, unless an instance has methods of its own.

    >>> class Shop:
    ...     async def connect(self) -> None: ...
    ...     async def disconnect(self) -> None: ...
    ...     async def discover_schema(self): ...
    ...     async def fetch_data(self, entity, since=None): ...
    >>> for problem in explain(Shop()).problems:
    ...     print(problem.path, "-", problem.given)
    fetch_data - `async def` without `yield`: a coroutine, no iterator; no `cursor`
    """
    cls = type(obj)
    if any(each.name in getattr(obj, "__dict__", {}) for each in _ALL):
        return _explained(obj)
    explanation = _KNOWN.get(cls)
    if explanation is None:
        explanation = _explained(obj)
        if _alike(cls):
            _KNOWN[cls] = explanation
    return explanation


def conforms(obj: object, /) -> bool:
    """Tell whether an object is a connector; `explain` says what it lacks."""
    return explain(obj).ok


def require(obj: object, what: str, /) -> None:
    """Raise `ConfigError` with the explanation where an object is no connector. `what` says whose it is."""
    explanation = explain(obj)
    if not explanation.ok:
        raise ConfigError(
            f"{what} {explanation.name!r}, which is no connector; expected an object with the four async methods "
            f"{', '.join(each.name for each in METHODS)}; mend what is listed:",
            explanation.problems,
        )


def _alike(cls: type[object]) -> bool:
    """Tell whether instances of a class without methods of their own are alike: no slots for methods, no forwarding."""
    return (
        not issubclass(cls, type)
        and not hasattr(cls, "__getattr__")
        and not any(isinstance(_of_class(cls, each.name), MemberDescriptorType) for each in _ALL)
    )


def _explained(obj: object) -> Explanation:
    looks = {each.name: _look(obj, each) for each in _ALL}
    name = obj.__name__ if isinstance(obj, type) else type(obj).__name__
    findings = [_finding(each, looks[each.name], optional=each in CAPABILITIES) for each in _ALL]
    return Explanation(name, tuple(findings), tuple(_remarks(obj, name, looks)))


def _look(obj: object, expected: Expected) -> Look | None:
    """Look at one method of an object; None where it has none of that name."""
    held = _of_class(type(obj), expected.name)
    if isinstance(held, property | cached_property):
        return Look("property, not looked into")  # reading it could do anything
    if isinstance(obj, type):
        held = _of_class(obj, expected.name)
        if isinstance(held, FunctionType):
            return look_at(MethodType(held, obj), expected)  # as its instances would have it
        if isinstance(held, property | cached_property | MemberDescriptorType):
            return Look("attribute of instances")
    try:
        found = getattr(obj, expected.name, _ABSENT)
    except Exception:  # noqa: BLE001 - a `__getattr__` may raise anything; it gives no method in any case
        return None
    return None if found is _ABSENT else look_at(found, expected)


def _of_class(cls: type, name: str) -> object:
    """Return what a class holds under a name, as it is, without binding or computing it."""
    return inspect.getattr_static(cls, name, None)


def _finding(expected: Expected, look: Look | None, *, optional: bool) -> Finding:
    status: Status
    if look is None:
        status, found = (
            ("defaulted", "not there: the kit's default") if optional else ("missing", "not there")
        )
    else:
        status, found = "malformed" if look.faults else "present", look.found
    return Finding(expected.name, status, found, expected.words, expected.line)


def _remarks(obj: object, name: str, looks: dict[str, Look | None]) -> list[Problem]:
    """Say what mends the object as a whole."""
    remarks: list[Problem] = []
    if isinstance(obj, type) and any(isinstance(_of_class(obj, each.name), FunctionType) for each in METHODS):
        remarks.append(Problem("", f"{name} is a class", "an instance", f"call it: `{name}(...)`"))
    *calls, stream = [looks[each.name] for each in METHODS]
    if all(look is not None and look.synchronous for look in calls):
        remarks.append(
            Problem(
                "", f"{name} is synchronous", "async methods", f"wrap it: `Threaded({name}(...))`, or write:"
            )
        )
    if stream is not None and stream.record_wise:
        remarks.append(
            Problem(
                "", f"{name} yields single records", "pages", f"wrap it: `Paged({name}(...), 500)`, or write:"
            )
        )
    return remarks
