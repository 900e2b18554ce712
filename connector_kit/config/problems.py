"""What is wrong with a configuration: problems gathered instead of stopping at the first, in words for keys, values and types, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import attrs

from connector_kit.errors import ConfigError, Problem
from connector_kit.records.values import is_collection, is_mapping
from connector_kit.redaction import Secret, without_secrets

from .annotations import NONE, choices, is_config_class, members, parses, parts, plain, says_none, tags
from .url import Url

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

__all__ = [
    "ProblemCollector",
    "Refused",
    "expectation",
    "join",
    "kind",
    "nearest",
    "one_of",
    "scrubbed",
    "secrets_in",
    "shorten",
    "show",
    "step",
    "told",
]


_LONGEST = 60
_BARE = re.compile(r"[A-Za-z0-9_-]+")

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (NoneType, "null"),
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    (datetime, "a date and time"),
    (date, "a date"),
    ((bytes, bytearray), "bytes"),
    (Mapping, "a table"),
    ((Sequence, AbstractSet), "a list"),
)

_EXPECTATIONS: Mapping[Any, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    datetime: 'a time with its offset, like "2024-01-31T08:00:00Z"',
    date: 'a date like "2024-01-31"',
    Path: "a path",
    Secret: 'a secret: a string, { env = "NAME" } or { file = "PATH" }',
    NoneType: "null",
    Any: "any value",
    object: "any value",
}


def kind(given: object) -> str:
    """Say what sort of value it is, and nothing else of it."""
    for classes, words in _KINDS:
        if isinstance(given, classes):
            return words
    return f"a value of type {type(given).__name__}"


def show(given: object) -> str:
    """Write a scalar as it stands in a file, shortened; of anything else only say what it is."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return _quoted(shorten(given, _LONGEST))
    if isinstance(given, datetime | date):
        return given.isoformat()
    # Python refuses to write integers of thousands of digits.
    if isinstance(given, int) and given.bit_length() < _LONGEST * 3:
        return str(given)
    return repr(float(given)) if isinstance(given, float) else kind(given)


def shorten(text: str, longest: int = 200) -> str:
    """Cut text that is longer than `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def step(key: object) -> str:
    """Write a key as a step of a path: bare where TOML allows it, else quoted."""
    text = key if isinstance(key, str) else str(key)
    return text if _BARE.fullmatch(text) else _quoted(text)


def join(words: Iterable[str], last: str = "or") -> str:
    """Return `a, b or c`."""
    *others, final = dict.fromkeys(words)
    return f"{', '.join(others)} {last} {final}" if others else final


def one_of(values: Iterable[object]) -> str:
    """Say which values may stand there."""
    shown = [show(value) if value is not None else "null" for value in values]
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def nearest(given: object, known: Iterable[object]) -> str:
    """Ask whether the nearest known name was meant; empty where none is near."""
    names = [name for name in known if isinstance(name, str)]
    near = get_close_matches(given, names, n=1) if isinstance(given, str) else []
    return f"did you mean {_quoted(near[0])}?" if near else ""


def expectation(annotation: Any) -> str:
    """Say what may be given for a type."""
    annotation = plain(annotation)
    if union := members(annotation):
        return _expectation_of_union(union)
    if annotation in _EXPECTATIONS:
        return _EXPECTATIONS[annotation]
    if values := choices(annotation):
        return one_of(values)
    if parses(annotation):
        return _said_by_parse(annotation)
    return _expectation_of_shape(annotation)


def _expectation_of_shape(annotation: Any) -> str:
    if is_config_class(annotation):
        own = [
            (part.key, get_args(part.type)) for part in parts(annotation) if get_origin(part.type) is Literal
        ]
        named = [f"{step(key)} = {show(words[0])}" for key, words in own if len(words) == 1]
        return " with ".join(["a table", *named[:1]])
    origin = get_origin(annotation) or annotation
    if issubclass(origin, Mapping):
        return "a table"
    is_list = issubclass(origin, Sequence | AbstractSet) and not issubclass(origin, bytes)
    # Another type is one that an author has a hook for.
    return "a list" if is_list else f"a value for {origin.__name__}"


def _expectation_of_union(union: tuple[Any, ...]) -> str:
    classes = tuple(member for member in union if is_config_class(member))
    null = _quoted(NONE) if says_none(union) else "null"
    rest = [null if member is NoneType else expectation(member) for member in union if member not in classes]
    if len(classes) < 2:  # noqa: PLR2004 (one class needs no tag)
        return join([*map(expectation, classes), *rest])
    told = tags(classes)
    return join([f"a table with {step(told.key)} = {join(map(_quoted, told.classes))}", *rest])


def _said_by_parse(annotation: Any) -> str:
    # What a type wants to read is known to its parse alone, which says so of the empty text; what it says of that
    # text itself is left out.
    try:
        annotation.parse("")
    except ValueError as error:
        return str(error).partition(", not ")[0]
    return f"a {annotation.__name__} as text"


def _quoted(text: str) -> str:
    # A lone surrogate (a file's `\ud800`, an environment's odd byte) could not be printed.
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


class Refused(Exception):  # noqa: N818 (no error that anybody outside of this package meets)
    """A value cannot be structured. Carries every problem, with paths from that value on."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ProblemCollector:
    """Problems found so far at one place and below it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Note a problem."""
        self.problems.append(problem)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note several problems."""
        self.problems.extend(problems)

    @contextmanager
    def at(self, step: str) -> Generator[None]:
        """Note what the block refuses, as problems below `step`, and go on after it."""
        try:
            yield
        except Refused as refused:
            self.extend(problem.under(step) for problem in refused.problems)
        except ConfigError as error:
            self.extend(problem.under(step) for problem in told(error))

    def settle(self) -> None:
        """Raise `Refused` if there is any problem."""
        if self.problems:
            raise Refused(*self.problems)


def told(error: ConfigError) -> tuple[Problem, ...]:
    """Return what a `ConfigError` from somebody else's check says, as problems."""
    return error.problems or (Problem("", error.message, "values that its own check accepts"),)


def scrubbed(problems: Iterable[Problem], values: object) -> Iterator[Problem]:
    """Return the problems with every secret that is anywhere in `values` replaced by `****`.

    A validator is handed the secret itself, and whoever wrote it may have put what it reveals into the message.
    """
    secrets = set(secrets_in(values))
    for problem in problems:
        yield Problem(*(without_secrets(word, secrets) for word in attrs.astuple(problem)))


def secrets_in(value: Any) -> Iterator[str]:
    """Return every secret that is anywhere in a value, in the clear. A URL is one where it hides something."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, Url):
        if str(value) != value.reveal():
            yield from (value.reveal(), *value.secrets)
    elif is_mapping(value):
        yield from secrets_in(list(value.values()))
    elif attrs.has(_class_of(value)):
        yield from secrets_in([getattr(value, field.name, None) for field in attrs.fields(_class_of(value))])
    elif is_collection(value):
        for item in value:
            yield from secrets_in(item)


def _class_of(value: object) -> Any:
    return type(value)
