"""Tells a source that fails now and then from a connector that calls its own failure transient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import TransientError
from connector_kit.testing.conformance.telling import telling

from .steady import still_the_same

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["insisting"]

_ATTEMPTS = 3


async def insisting(
    subject: Subject, entity: str, look: Callable[[], Awaitable[None]], found: Findings, *, when: str
) -> bool:
    """Look, and where that ends with a transient error, again, as long as a new connector reads the entity meanwhile.

    An error that comes each time, and to new connectors never, is evidence, as is any that is not transient; `when` says
    under which circumstance it comes. Otherwise the source failed. Tells whether a look came to its end; raises
    `EnoughError`.
    """
    ended = False
    with telling(found, entity, when=when):
        ended = await _came_to_its_end(subject, entity, look, found, when)
    return ended  # noqa: RET504 - False where `telling` has swallowed what was raised


async def _came_to_its_end(
    subject: Subject, entity: str, look: Callable[[], Awaitable[None]], found: Findings, when: str
) -> bool:
    errors: list[TransientError] = []
    while len(errors) < _ATTEMPTS:
        try:
            await look()
        except TransientError as error:
            errors.append(error)
            if type(error) is not type(errors[0]) or not await still_the_same(subject, entity):
                raise
        else:
            return True
    found.broken(
        f"{when}, {type(errors[-1]).__name__}: {errors[-1]} ({_ATTEMPTS} times of {_ATTEMPTS})",
        expected="what a new connector gets at the same time, without an error",
        mend="look at what is closed or used up and not made anew: a client, a pool, a stream",
        entity=entity,
    )
    return False
