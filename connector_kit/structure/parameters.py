"""Compares the parameters of a method with the arguments that callers give it."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .expected import Argument

__all__ = ["unfit"]

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
    """Give for each argument the parameter that is meant for it, where there is one."""
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
