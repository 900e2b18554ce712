"""Collecting everything that is wrong, instead of stopping at the first thing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Findings", "Refused", "told"]


class Refused(Exception):  # noqa: N818 (no error that anybody outside of this package meets)
    """A value cannot be structured. Carries every problem, with paths from that value on."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Findings:
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
    def at(self, step: str) -> Iterator[None]:
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
    """Give what a `ConfigError` from somebody else's check says, as problems."""
    return error.problems or (Problem("", error.message, "values that its own check accepts"),)
