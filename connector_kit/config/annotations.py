"""What the annotations of a config class say, before any value is there: its keys, its unions, their tags."""

from __future__ import annotations

import inspect
import types
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeGuard, Union, get_args, get_origin, get_type_hints

import attrs

from connector_kit.redaction import Secret

__all__ = [
    "NONE",
    "FromNumber",
    "FromSecretText",
    "FromText",
    "Part",
    "Tags",
    "choices",
    "hides",
    "holds_secrets",
    "is_config_class",
    "members",
    "parses",
    "parts",
    "plain",
    "says_none",
    "tags",
    "takes_numbers",
]


NONE = "none"
"""The word that stands for None: TOML has no null, and the environment has none either."""


class FromText(Protocol):
    """A value that a config file gives as text: any class with this classmethod, which nothing else marks."""

    @classmethod
    def parse(cls, text: str, /) -> Any:
        """Read the text. Raises `ValueError` whose message is what is expected (`a duration like "30s"`)."""
        ...


class FromSecretText(FromText, Protocol):
    """A value read from text that may have a secret in it, like a password in a URL."""

    @classmethod
    def redact(cls, text: str, /) -> str | None:
        """Return the text, readable or not, with nothing secret in it; None where that cannot be told."""
        ...


class FromNumber(FromText, Protocol):
    """A kind of float that a config file gives as text or as a number."""

    @classmethod
    def of(cls, given: float, /) -> Any:
        """Take the number. Raises `ValueError` whose message is what is expected."""
        ...


def plain(annotation: Any) -> Any:
    """Return the annotation without `Annotated`, `NewType` and aliases around it; None is `NoneType`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return types.NoneType if annotation is None else annotation


def members(annotation: Any) -> tuple[Any, ...]:
    """Return what a union may be, nested unions opened; nothing for what is no union."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return ()
    return tuple(inner for arg in get_args(annotation) for inner in members(plain(arg)) or (plain(arg),))


def says_none(union: tuple[Any, ...]) -> bool:
    """Whether the word "none" means None in this union: it does where it could mean nothing else."""
    words = [word for member in union if get_origin(member) is Literal for word in get_args(member)]
    return types.NoneType in union and NONE not in words and not {str, Secret, Path, Any, object} & set(union)


def parses(annotation: Any) -> TypeGuard[type[FromText]]:
    """Whether a value of this type is read from text by its own `parse`."""
    return isinstance(annotation, type) and inspect.ismethod(getattr(annotation, "parse", None))


def hides(annotation: Any) -> TypeGuard[type[FromSecretText]]:
    """Whether text for this type is shown by its own `redact` alone."""
    return parses(annotation) and inspect.ismethod(getattr(annotation, "redact", None))


def takes_numbers(annotation: Any) -> TypeGuard[type[FromNumber]]:
    """Whether a value of this type may also be given as a number."""
    return (
        parses(annotation)
        and issubclass(annotation, float)
        and inspect.ismethod(getattr(annotation, "of", None))
    )


def is_config_class(annotation: Any) -> TypeGuard[type[attrs.AttrsInstance]]:
    """Whether a value of this type is given as a table."""
    return isinstance(annotation, type) and attrs.has(annotation) and not parses(annotation)


@attrs.frozen
class Part:
    """One key of a config class: the attribute behind it, and its type with all names resolved."""

    attribute: attrs.Attribute[Any]
    type: Any

    @property
    def key(self) -> str:
        """The key in the file: the name `__init__` has for it."""
        return self.attribute.alias or self.attribute.name

    @property
    def required(self) -> bool:
        """Whether the key must be there."""
        return self.attribute.default is attrs.NOTHING


def parts(cls: type[attrs.AttrsInstance]) -> tuple[Part, ...]:
    """Return the keys of a config class, in order. Raises `TypeError` where a type's name cannot be resolved."""
    try:
        # The alias of JSON values is recursive, which no resolution ends: as a config's type it is Any.
        hints = get_type_hints(cls, localns={"JsonValue": Any}, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the types of {cls.__name__}'s fields cannot be resolved: {error}; a config class needs them at run time: "
            "import them outside of `if TYPE_CHECKING`, and define them at the top of a module"
        ) from error
    return tuple(
        Part(attribute, plain(hints.get(attribute.name, Any)))
        for attribute in attrs.fields(cls)
        if attribute.init
    )


@attrs.frozen
class Tags:
    """How the classes of a union are told apart: the key they share, and which of its values means which class."""

    key: str
    classes: dict[str, type[attrs.AttrsInstance]]


def choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values that a `Literal` or an `Enum` allows, as they stand in a file; nothing for another type."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(member.value for member in annotation)
    return ()


def _words(cls: type[attrs.AttrsInstance], key: str) -> list[str]:
    return [word for part in parts(cls) if part.key == key for word in _literal_words(part.type)]


def _literal_words(annotation: Any) -> list[str]:
    if get_origin(annotation) is not Literal:
        return []
    words = get_args(annotation)
    return list(words) if all(isinstance(word, str) for word in words) else []


def tags(classes: tuple[type[attrs.AttrsInstance], ...]) -> Tags:
    """Find the key whose literal words tell the classes apart: `type: Literal["bearer"] = "bearer"` in each of them.

    Raises `TypeError` where there is none.
    """
    for part in parts(classes[0]):
        words = {cls: _words(cls, part.key) for cls in classes}
        found = {word: cls for cls, its in words.items() for word in its}
        if all(words.values()) and len(found) == sum(map(len, words.values())):
            return Tags(part.key, found)
    names = ", ".join(cls.__name__ for cls in classes)
    raise TypeError(
        f"the classes {names} of a union cannot be told apart; give each a field of the same name with a word "
        'of its own, like `type: Literal["bearer"] = "bearer"`'
    )


def holds_secrets(annotation: Any) -> bool:
    """Whether a value given for this type must not be shown: anything but a plain scalar may hold a secret."""
    annotation = plain(annotation)
    if union := members(annotation):
        return any(holds_secrets(member) for member in union)
    if get_origin(annotation) is not None:
        return get_origin(annotation) is not Literal
    return annotation is Any or annotation is object or is_config_class(annotation) or annotation is Secret
