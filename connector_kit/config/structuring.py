"""The strict converter: cattrs finds the hook for a type, and every hook is the kit's own. Scalars, containers, classes, unions, references."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, TypeGuard, TypeVar, get_args, get_origin

import attrs
import cattrs

from connector_kit.errors import ConfigError, Problem
from connector_kit.records.values import is_mapping, is_sequence, is_set
from connector_kit.redaction import Secret

from .annotations import (
    NONE,
    Part,
    Tags,
    hides,
    holds_secrets,
    is_config_class,
    members,
    parses,
    parts,
    plain,
    says_none,
    tags,
    takes_numbers,
)
from .problems import (
    ProblemCollector,
    Refused,
    expectation,
    kind,
    nearest,
    one_of,
    scrubbed,
    shorten,
    show,
    step,
    told,
)
from .url import Url

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = [
    "Hook",
    "Text",
    "as_table",
    "class_hook",
    "container_hook",
    "failure",
    "is_container",
    "is_scalar",
    "make_converter",
    "scalar_hook",
    "secret_hook",
    "structure",
    "union_hook",
    "unpacked",
    "url_hook",
]


Hook: TypeAlias = Callable[[Any, Any], Any]
"""What cattrs calls with a value and the type it should become."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Text(str):
    """Text from a source that has no other types: an environment variable."""

    __slots__ = ()


def is_scalar(annotation: Any) -> bool:
    """Whether `scalar_hook` knows the type."""
    return (
        annotation in _HOOKS
        or get_origin(annotation) is Literal
        or _is_enum(annotation)
        or parses(annotation)
    )


def scalar_hook(annotation: Any) -> Hook:
    """Return the hook for a type that `is_scalar`."""
    if annotation in _HOOKS:
        return _HOOKS[annotation]
    if get_origin(annotation) is Literal:
        return _choice_hook({(type(value), value): value for value in get_args(annotation)})
    if _is_enum(annotation):
        return _choice_hook({(type(member.value), member.value): member for member in annotation})
    return _parse


def _is_enum(annotation: Any) -> TypeGuard[type[Enum]]:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def refused(given: object, target: Any, mend: str = "") -> Refused:
    """Make the exception for a value that is no such scalar; the value may be shown."""
    return Refused(Problem("", show(given), expectation(target), mend))


def _string(given: Any, target: Any) -> str:
    if not isinstance(given, str):
        quotable = isinstance(given, bool | int | float | date)
        raise refused(given, target, "write it in quotes" if quotable else "")
    return str(given)


def _unquoted(given: Any, pattern: re.Pattern[str]) -> str:
    return "write it without quotes" if isinstance(given, str) and pattern.fullmatch(given) else ""


def _integer(given: Any, target: Any) -> int:
    if isinstance(given, Text) and _INTEGER.fullmatch(given):
        return int(given)
    if type(given) is not int:
        raise refused(given, target, _unquoted(given, _INTEGER))
    return given


def _number(given: Any, target: Any) -> float:
    readable = isinstance(given, Text) and _NUMBER.fullmatch(given)
    if not readable and type(given) not in (int, float):
        raise refused(given, target, _unquoted(given, _NUMBER))
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused(given, target, "give a finite one")
    return number


def _boolean(given: Any, target: Any) -> bool:
    if isinstance(given, Text) and given in ("true", "false"):
        return given == "true"
    if not isinstance(given, bool):
        raise refused(given, target, _unquoted(given, re.compile("true|false")))
    return given


def _time(given: Any, target: Any) -> datetime:
    time = given
    if isinstance(given, str):
        try:
            time = datetime.fromisoformat(given)
        except ValueError:
            time = None
    if not isinstance(time, datetime):
        raise refused(given, target)
    if time.utcoffset() is None:
        raise refused(given, target, "add the offset, Z for UTC")
    return time


def _date(given: Any, target: Any) -> date:
    day = given
    if isinstance(given, str):
        try:
            day = date.fromisoformat(given) if _DATE.fullmatch(given) else None
        except ValueError:
            day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise refused(given, target)
    return day


def _null(given: Any, target: Any) -> None:
    if given is not None:
        raise refused(given, target)


def _anything(given: Any, _: Any) -> Any:
    return str(given) if isinstance(given, Text) else given


def _choice_hook(choices: dict[tuple[type, Any], Any]) -> Hook:
    def choose(given: Any, target: Any) -> Any:
        if isinstance(given, Enum) and given in choices.values():
            return given
        for (cls, value), choice in choices.items():
            # 1 == 1.0 == True in Python, but not in a file.
            spelled = value if cls is str else show(value)
            if given == spelled if isinstance(given, Text) else (type(given) is cls and given == value):
                return choice
        raise refused(given, target, nearest(given, [value for _, value in choices]))

    return choose


def _parse(given: Any, target: Any) -> Any:
    if isinstance(given, target):
        return given
    shown: object = given
    try:
        if isinstance(given, str):
            shown = target.redact(given) if hides(target) else given
            return target.parse(str(given))
        if takes_numbers(target) and type(given) in (int, float):
            return target.of(given)
        expected = expectation(target)
    except (ValueError, OverflowError) as error:
        expected = shorten(str(error))
    raise Refused(Problem("", kind(given) if shown is None else show(shown), expected))


_HOOKS: dict[Any, Hook] = {
    str: _string,
    int: _integer,
    float: _number,
    bool: _boolean,
    datetime: _time,
    date: _date,
    NoneType: _null,
    Any: _anything,
    object: _anything,
}


_LISTS = (list, Sequence, tuple)
_SETS = (set, frozenset, AbstractSet)
_TABLES = (dict, Mapping, MutableMapping)

_Item: TypeAlias = Callable[[Any, Any], Any]


def _origin(annotation: Any) -> Any:
    return get_origin(annotation) or annotation


def is_container(annotation: Any) -> bool:
    """Whether `container_hook` knows the type."""
    return _origin(annotation) in (*_LISTS, *_SETS, *_TABLES)


def container_hook(annotation: Any, converter: cattrs.Converter) -> Hook:
    """Return the hook for a type that `is_container`."""
    origin, args = _origin(annotation), get_args(annotation)
    if origin in _TABLES:
        key, value = args or (str, Any)
        return _mapping_hook(key, value, converter.structure)
    if origin in _SETS:
        make = set if origin is set else frozenset
        return _set_hook(make, args[0] if args else Any, converter.structure)
    if origin is tuple and args and args[-1] is not ...:
        return _row_hook(args, converter.structure)
    item = args[0] if args else Any
    return _list_hook(list if origin is list else tuple, item, converter.structure)


def unpacked(given: Any, expected: str) -> Any:
    """Return the value; where it is `Text`, what it says as JSON."""
    if not isinstance(given, Text):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        pass
    raise Refused(Problem("", "a string that is no JSON", f"{expected}, as JSON"))


def as_table(given: Any, expected: str) -> Mapping[Any, Any]:
    """Return the value as a table; it is not shown where it is none, for a secret may have been put there."""
    given = unpacked(given, expected)
    if not is_mapping(given):
        raise Refused(Problem("", kind(given), expected))
    return given


def _as_list(given: Any, target: Any) -> list[Any]:
    given = unpacked(given, expectation(target))
    if is_sequence(given) or is_set(given):
        return list(given)
    raise Refused(Problem("", kind(given), expectation(target)))


def _items(given: list[Any], types: Sequence[Any], item: _Item, findings: ProblemCollector) -> list[Any]:
    structured: list[Any] = []
    for index, (value, annotation) in enumerate(zip(given, types, strict=True)):
        with findings.at(f"[{index}]"):
            structured.append(item(value, annotation))
    return structured


def _list_hook(make: Callable[[list[Any]], Any], annotation: Any, item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> Any:
        given, findings = _as_list(given, target), ProblemCollector()
        structured = _items(given, [annotation] * len(given), item, findings)
        findings.settle()
        return make(structured)

    return structure


def _row_hook(types: Sequence[Any], item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> Any:
        given, findings = _as_list(given, target), ProblemCollector()
        if len(given) != len(types):
            raise Refused(Problem("", f"a list of {len(given)}", f"a list of exactly {len(types)}"))
        structured = _items(given, types, item, findings)
        findings.settle()
        return tuple(structured)

    return structure


def _set_hook(make: type[set[Any] | frozenset[Any]], annotation: Any, item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> Any:
        given, findings = _as_list(given, target), ProblemCollector()
        first: dict[Any, int] = {}
        for index, value in enumerate(given):
            with findings.at(f"[{index}]"):
                if not isinstance(value, Hashable):
                    raise Refused(Problem("", kind(value), "a single value"))
                at = first.setdefault(item(value, annotation), index)
                if at != index:
                    raise Refused(
                        Problem("", f"the same as [{at}]", "values that differ", "remove one of them")
                    )
        findings.settle()
        return make(list(first))

    return structure


def _mapping_hook(key_type: Any, value_type: Any, item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> dict[Any, Any]:
        findings, structured = ProblemCollector(), dict[Any, Any]()
        for key, value in as_table(given, expectation(target)).items():
            with findings.at(step(key)):
                if not isinstance(key, str):
                    raise Refused(Problem("", f"{kind(key)} as the key", "a string as the key"))
                name = item(key, key_type)
                structured[name] = item(value, value_type)
        findings.settle()
        return structured

    return structure


_REJECTIONS = (ValueError, TypeError, ConfigError)
"""What validators, converters and `__attrs_post_init__` raise; anything else is a bug in them and passes through."""


def class_hook(cls: type[attrs.AttrsInstance], converter: cattrs.Converter) -> Hook:
    """Return the hook for a config class. Raises `TypeError` where a field's type cannot be resolved."""
    keys = {part.key: part for part in parts(cls)}

    def structure(given: Any, target: Any) -> Any:
        if isinstance(given, cls):
            return given
        table, findings = as_table(given, expectation(target)), ProblemCollector()
        values = _values(table, keys, converter, findings)
        rejection: Exception | None = None
        if not findings.problems:
            try:
                return cls(**values)
            except _REJECTIONS as error:
                # Kept, not chained: what a check says of a value may show more of it than a problem does.
                rejection = error
        findings.extend(scrubbed(_rejected_fields(cls, keys, values, table), values))
        if rejection is not None and not findings.problems:
            findings.extend(scrubbed(_said_of_all(rejection), values))
        raise Refused(*findings.problems)

    return structure


def _values(
    table: Mapping[Any, Any],
    keys: Mapping[str, Part],
    converter: cattrs.Converter,
    findings: ProblemCollector,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, part in keys.items():
        if key in table:
            with findings.at(step(key)):
                values[key] = converter.structure(table[key], part.type)
        elif part.required:
            findings.add(Problem(step(key), "missing", expectation(part.type), f"add {step(key)} = …"))
    for key in table:
        if key not in keys:
            mend = nearest(key, [known for known in keys if known not in table]) or "correct or remove it"
            expected = f"one of {', '.join(keys)}" if keys else "an empty table"
            findings.add(Problem(step(key), "an unknown key", expected, mend))
    return values


def _rejected_fields(
    cls: type[attrs.AttrsInstance],
    keys: Mapping[str, Part],
    values: Mapping[str, Any],
    table: Mapping[Any, Any],
) -> Iterator[Problem]:
    """Try each field's converter and validator apart, since the class itself stops at the first that raises.

    They get an instance that `__init__` never saw, with the fields that could be structured. A validator that looks
    at another field, which is missing there, cannot judge: whatever stopped that field is reported already.
    """
    probe = cls.__new__(cls)
    settled = [
        (part, values.get(key))
        for key, part in keys.items()
        if key in values or _has_default(key, part, table)
    ]
    checked: list[tuple[Part, Any]] = []
    for part, value in settled:
        try:
            checked.append((part, _set(probe, part, value, given=part.key in values)))
        except _REJECTIONS as error:
            yield from _said_of_field(error, part, table)
    for part, value in checked:
        validate: Any = part.attribute.validator
        try:
            if validate is not None:
                validate(probe, part.attribute, value)
        except _REJECTIONS as error:
            yield from _said_of_field(error, part, table)
        except AttributeError:
            continue


def _has_default(key: str, part: Part, table: Mapping[Any, Any]) -> bool:
    return key not in table and not part.required


def _set(probe: attrs.AttrsInstance, part: Part, value: Any, *, given: bool) -> Any:
    attribute = part.attribute
    if not given:
        default: Any = attribute.default
        value = default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # typed as a function in attrs' stubs
            value = default.factory(probe) if default.takes_self else default.factory()
    convert: Any = getattr(attribute, "converter", None)
    takes_more = isinstance(getattr(attribute, "converter", None), attrs.Converter)
    if takes_more:
        value = convert(value, probe, attribute)
    elif convert is not None:
        value = convert(value)
    object.__setattr__(probe, attribute.name, value)
    return value


def _said_of_field(error: Exception, part: Part, table: Mapping[Any, Any]) -> Iterator[Problem]:
    if isinstance(error, ConfigError) and error.problems:
        yield from (problem.under(step(part.key)) for problem in error.problems)
        return
    given = "its default"
    if part.key in table:
        value = table[part.key]
        given = kind(value) if holds_secrets(part.type) else show(value)
    said = _message(error)
    bare = said.removeprefix(f"'{part.attribute.name}' must be ")
    expected = f"a value that passes its check: {said}" if bare == said else f"a value that is {bare}"
    yield Problem(step(part.key), given, expected)


def _said_of_all(error: Exception) -> Iterator[Problem]:
    if isinstance(error, ConfigError):
        yield from told(error)
    else:
        yield Problem("", _message(error), "values that fit together")


def _message(error: Exception) -> str:
    # attrs' validators put the attribute and the value behind the message.
    return shorten(str(error.args[0])) if error.args else type(error).__name__


def union_hook(union: Any, converter: cattrs.Converter) -> Hook:
    """Return the hook for a union. Raises `TypeError` where its classes cannot be told apart."""
    types = members(union)
    classes = tuple(member for member in types if is_config_class(member))
    others = tuple(member for member in types if not is_config_class(member))
    told = tags(classes) if len(classes) > 1 else None
    none_said = says_none(types)
    for member in others:
        # A member that no hook takes is the author's error: told now, not once a file has such a value.
        converter.get_structure_hook(member)

    def structure(given: Any, _: Any) -> Any:
        if NoneType in types and (given is None or (none_said and given == NONE)):
            return None
        if isinstance(given, Text) and not any(
            _takes(member, given) for member in others if member is not NoneType
        ):
            given = unpacked(given, expectation(union))
        if is_mapping(given) and classes:
            return converter.structure(given, _tagged(given, told) if told else classes[0])
        if isinstance(given, classes):
            return given
        return _first_that_takes(given, union, others, converter)

    return structure


def _tagged(given: Mapping[Any, Any], told: Tags) -> Any:
    tag = given.get(told.key)
    if isinstance(tag, str) and tag in told.classes:
        return told.classes[tag]
    shown = show(tag) if told.key in given else "missing"
    mend = nearest(tag, told.classes) if told.key in given else f"add {step(told.key)} = …"
    raise Refused(Problem(step(told.key), shown, one_of(told.classes), mend))


def _takes(member: Any, given: object) -> bool:
    """Whether a value of this shape could be of the type at all; if one type alone takes it, its problems are told."""
    if member is Any or not (is_scalar(member) or is_container(member) or member in (Secret, Path)):
        return True
    if isinstance(given, Mapping):
        is_table = is_container(member) and issubclass(get_origin(member) or member, Mapping)
        return is_table or member is Secret
    if isinstance(given, Sequence | AbstractSet) and not isinstance(given, str | bytes):
        return is_container(member) and not issubclass(get_origin(member) or member, Mapping)
    return is_scalar(member) or member in (Secret, Path)


def _first_that_takes(given: Any, union: Any, types: tuple[Any, ...], converter: cattrs.Converter) -> Any:
    able = [member for member in types if member is not NoneType and _takes(member, given)]
    if len(able) == 1:
        return converter.structure(given, able[0])
    # 1 is an integer before it is a number; text of the environment is a string only where it is nothing else.
    able.sort(key=lambda member: (member is str) if isinstance(given, Text) else type(given) is not member)
    for member in able:
        try:
            return converter.structure(given, member)
        except Refused:
            continue
    raise Refused(Problem("", kind(given) if holds_secrets(union) else show(given), expectation(union)))


_PLACES = ("env", "file")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
"""How variables are named by custom. Anything else might be the secret itself, put where its name belongs."""


def secret_hook(env: Mapping[str, str], base: Path) -> Hook:
    """Return the hook for `Secret`: variables come from `env`, and files are relative to `base`."""

    def structure(given: Any, _: Any) -> Secret:
        if isinstance(given, Secret | str):
            return Secret.of(given)
        if not is_mapping(given):
            raise Refused(Problem("", kind(given), expectation(Secret)))
        place, name = _place(given)
        return Secret(_from_variable(name, env) if place == "env" else _from_file(name, base))

    return structure


def url_hook(env: Mapping[str, str], base: Path) -> Hook:
    """Return the hook for `Url`, found in the same places."""
    secret, parse = secret_hook(env, base), scalar_hook(Url)

    def structure(given: Any, target: Any) -> Url:
        text = secret(given, Secret).reveal() if isinstance(given, Mapping) else given
        url: Url = parse(text, target)
        return url

    return structure


def _place(given: Mapping[Any, Any]) -> tuple[str, str]:
    findings = ProblemCollector()
    for key, value in given.items():
        if key not in _PLACES:
            findings.add(
                Problem(step(key), "an unknown key", "env or file", nearest(key, _PLACES) or "remove it")
            )
        elif not isinstance(value, str) or not value:
            what = "the name of an environment variable" if key == "env" else "the path of a file"
            findings.add(Problem(step(key), kind(value) if value != "" else "an empty string", what))
    if sum(key in given for key in _PLACES) != 1:
        both = "both env and file" if all(key in given for key in _PLACES) else "neither env nor file"
        findings.add(Problem("", both, "one of them", 'write { env = "NAME" } or { file = "PATH" }'))
    findings.settle()
    ((place, name),) = given.items()
    return place, name


def _from_variable(name: str, env: Mapping[str, str]) -> str:
    if value := env.get(name):
        return value
    state = "is empty" if name in env else "is not set"
    if _VARIABLE.fullmatch(name):
        raise Refused(
            Problem("", f"environment variable {name} {state}", "the secret in it", f"export {name}=…")
        )
    raise Refused(
        Problem(
            "",
            f"the environment variable named here {state}",
            "the secret in it",
            "set it or correct its name",
        )
    )


def _from_file(name: str, base: Path) -> str:
    try:
        text, reason = (base / name).read_text("utf-8"), "it is empty"
    except OSError as error:
        text, reason = "", error.strerror or type(error).__name__
    except ValueError:
        # Not UTF-8, or a path with a null byte. What these errors carry is the file's content.
        text, reason = "", "it is no UTF-8 text"
    if secret := text.removesuffix("\n").removesuffix("\r"):
        return secret
    raise Refused(
        Problem(
            "",
            f"the file named here gives no secret: {reason}",
            f"a file with the secret in it; its path is relative to {base}",
            "write it or correct the path",
        )
    )


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

    def unwrapped(annotation: Any) -> Hook:
        return lambda given, _: converter.structure(given, plain(annotation))

    def register(takes: Callable[[Any], bool], make: Callable[[Any], Hook]) -> None:
        converter.register_structure_hook_factory(takes, make)

    # Asked from the last one to the first.
    register(lambda _: True, simple)
    register(is_config_class, lambda cls: class_hook(cls, converter))
    register(is_container, lambda annotation: container_hook(annotation, converter))
    register(lambda annotation: bool(members(annotation)), lambda union: union_hook(union, converter))
    register(lambda annotation: annotation is Secret, lambda _: secret)
    register(lambda annotation: annotation is Url, lambda _: url)
    register(lambda annotation: plain(annotation) is not annotation, unwrapped)
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
