"""Structuring attrs classes: all keys, then every field's validator, then the class as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import ConfigError, Problem

from .annotations import Part, holds_secrets, parts
from .containers import as_table
from .findings import Findings, Refused, told
from .scrub import scrubbed
from .wording import expectation, kind, nearest, shorten, show, step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import cattrs

    from .scalars import Hook

__all__ = ["class_hook"]

_REJECTIONS = (ValueError, TypeError, ConfigError)
"""What validators, converters and `__attrs_post_init__` raise; anything else is a bug in them and passes through."""


def class_hook(cls: type[attrs.AttrsInstance], converter: cattrs.Converter) -> Hook:
    """Give the hook for a config class. Raises `TypeError` where a field's type cannot be resolved."""
    keys = {part.key: part for part in parts(cls)}

    def structure(given: Any, target: Any) -> Any:
        if isinstance(given, cls):
            return given
        table, findings = as_table(given, expectation(target)), Findings()
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
    table: Mapping[Any, Any], keys: Mapping[str, Part], converter: cattrs.Converter, findings: Findings
) -> dict[str, Any]:
    values = {}
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
    checked = []
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
    convert: Any = attribute.converter
    if isinstance(attribute.converter, attrs.Converter):
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
