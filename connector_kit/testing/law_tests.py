"""Laws as tests of pytest: one line in a test file, a test for each law.

The laws of one subject are looked at together, within the same bounds, when the first of its tests that were chosen
runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
import attrs
import pytest

from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_connector, check_destination, check_wrapper
from connector_kit.testing.conformance.destination.subject import DESTINATION_LAWS
from connector_kit.testing.conformance.law import LawReport
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.wrapper.subject import WRAPPER_LAWS

from .pytest_plugin import UNCHECKED

if TYPE_CHECKING:
    from connector_kit.limiters.rates import Rate
    from connector_kit.protocols import Limiter
    from connector_kit.testing.conformance.destination.fixture import FixtureFactory
    from connector_kit.testing.conformance.law import Law, LawFunction, Verdict
    from connector_kit.testing.conformance.subject import Factory
    from connector_kit.testing.conformance.wire import Wire
    from connector_kit.testing.conformance.wrapper.content import Content
    from connector_kit.testing.conformance.wrapper.subject import Around

    from .virtual_clock import VirtualClock

__all__ = ["connector_laws", "destination_laws", "wrapper_laws"]

T = TypeVar("T")

_MOST_EVIDENCE = 3  # for a person: the first ones tell, and one mistake shows at many pages


def connector_laws(
    factory: Factory | str,
    /,
    *,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    wire: Wire | str | None = None,
    change: Callable[[], None] | str | None = None,
    secrets: Sequence[str] = (),
    limiter: Limiter | None = None,
    laws: Sequence[str] = (),
    backend: str = "asyncio",
) -> type:
    """Return a class of tests, one for each law of a connector; the arguments are those of `check_connector`.

    `TestShop = connector_laws(make_shop)` in a test file gives `TestShop::test_resume` and so on. Where something is
    there during a test only, give the name of a fixture instead of `factory`, `wire` or `change`.
    """
    return _tests(
        CONNECTOR_LAWS.named(laws),
        lambda given, chosen: check_connector(
            given(factory),
            bounds=bounds,
            wire=given(wire),
            change=given(change),
            secrets=secrets,
            limiter=limiter,
            laws=chosen,
            backend=backend,
        ),
    )


def wrapper_laws(  # noqa: PLR0913 - the options of `check_wrapper`
    around: Around,
    /,
    *,
    retries: bool = False,
    reads_records: bool = False,
    rate: Rate | str | None = None,
    content: Content | None = None,
    clock: VirtualClock | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    laws: Sequence[str] = (),
    backend: str = "asyncio",
) -> type:
    """Return a class of tests, one for each law of a wrapper; the arguments are those of `check_wrapper`."""
    return _tests(
        WRAPPER_LAWS.named(laws),
        lambda _, chosen: check_wrapper(
            around,
            retries=retries,
            reads_records=reads_records,
            rate=rate,
            content=content,
            clock=clock,
            bounds=bounds,
            laws=chosen,
            backend=backend,
        ),
    )


def destination_laws(
    new_fixture: FixtureFactory | str,
    /,
    *,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    ordered: bool = True,
    laws: Sequence[str] = (),
    backend: str = "asyncio",
) -> type:
    """Return a class of tests, one for each law of a destination; the arguments are those of `check_destination`.

    `new_fixture` may be the name of a pytest fixture, as of one that makes them in `tmp_path`.
    """
    return _tests(
        DESTINATION_LAWS.named(laws),
        lambda given, chosen: check_destination(
            given(new_fixture), bounds=bounds, ordered=ordered, laws=chosen, backend=backend
        ),
    )


@attrs.frozen
class _Fixtures:
    """Returns what an author named: the value of a fixture for its name, anything else as it is."""

    request: pytest.FixtureRequest

    def __call__(self, value: T | str) -> T:
        found: Any = self.request.getfixturevalue(value) if isinstance(value, str) else value
        returned: T = found
        return returned


_Look: TypeAlias = Callable[[_Fixtures, Sequence[str]], Awaitable[LawReport]]
"""Looks at the laws of these names."""


@attrs.define(eq=False)
class _SharedReport:
    """Looks at laws once, and has a verdict for each of their tests."""

    look: _Look
    _report: LawReport | None = attrs.field(default=None, init=False)
    _looked_at: frozenset[str] = attrs.field(default=frozenset(), init=False)

    def report(self, law: Law, request: pytest.FixtureRequest) -> LawReport:
        """Return the report that has the verdict on this law; made for all chosen tests of the class at once."""
        if self._report is None or law.name not in self._looked_at:
            tests_of: object = getattr(request, "cls", None)
            tests = [each for each in request.session.items if getattr(each, "cls", None) is tests_of]
            tested = [getattr(getattr(each, "function", None), "law", None) for each in tests]
            chosen = tuple(each.name for each in tested if each is not None)
            # In a context of its own: a fixture of somebody's may keep an event loop that belongs to this one.
            look = partial(self.look, _Fixtures(request), chosen)
            self._report = Context().run(lambda: anyio.run(look))
            self._looked_at = frozenset(chosen)
        return self._report


def _tests(laws: Sequence[LawFunction[Any, Any]], look: _Look) -> type:
    """Make the class. Its tests are plain methods, as written by hand: pytest needs no plugin for them."""
    examination = _SharedReport(look)
    return type("LawTests", (), {f"test_{each.law.name}": _test(each.law, examination) for each in laws})


def _test(law: Law, examination: _SharedReport) -> Callable[..., None]:
    def test(_self: object, request: pytest.FixtureRequest) -> None:
        report = examination.report(law, request)
        verdict = next((each for each in report.verdicts if each.law == law), None)
        if verdict is None:
            pytest.fail(f"{report.subject}: {report.failure}", pytrace=False)
        if verdict.outcome == "broken":
            pytest.fail(_told(verdict, report.subject), pytrace=False)
        if verdict.outcome == "unchecked":
            pytest.skip("; ".join(verdict.unchecked) or "nothing was looked at")
        request.node.user_properties += [(UNCHECKED, what) for what in verdict.unchecked]

    test.__name__ = test.__qualname__ = f"test_{law.name}"
    test.__doc__ = law.says
    vars(test)["law"] = law
    return test


def _told(verdict: Verdict, subject: str) -> str:
    """Return a broken law with its evidence, as text."""
    law = verdict.law
    lines = [f"{subject} breaks law {law.number}, {law.name}: {law.says}"]
    lines += [f"  {each}".replace("\n", "\n  ") for each in verdict.evidence[:_MOST_EVIDENCE]]
    more = len(verdict.evidence) - _MOST_EVIDENCE
    lines += [f"  and {more} more like these"] if more > 0 else []
    lines += [f"  checked: {what}" for what in verdict.checked]
    lines += [f"  not checked: {what}" for what in verdict.unchecked]
    return "\n".join(lines)
