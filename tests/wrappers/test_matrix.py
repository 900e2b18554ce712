"""Every wrapper, alone and around every other one: the laws of wrappers for each stack that can be built.

What the stacks are made of is in stacks.py.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from itertools import product
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import (
    INNERMOST,
    WRAPPERS,
    Bench,
    Stack,
    Wrapper,
    answers_of,
    bench,
    exported,
    name,
    pages_of,
    shop,
    stacked,
)

import connector_kit.wrappers.wrapper
from connector_kit.capabilities import close_stream
from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.protocols import FullConnector
from connector_kit.testing.strategies import schedules
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Faulty, Schedule, Stall
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import outline
from connector_kit.wrappers.timeout.wrapper import TimeLimited
from connector_kit.wrappers.translation.wrapper import Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from connector_kit.records.page import Page

BACKENDS = ("asyncio", "trio")
MAX_FAULTS = 12
FOREVER = 1_000_000
"""Seconds after which a test that hangs is given up; virtual ones, so that nobody waits for them."""

PAIRS = list(product(WRAPPERS, WRAPPERS))
LEGAL: list[Stack] = [
    *((each,) for each in WRAPPERS),
    *((outer, inner) for outer, inner in PAIRS if outer.refusal(inner) is None),
]
every_legal_stack = pytest.mark.parametrize("stack", LEGAL, ids=map(name, LEGAL))
RETRYING = [stack for stack in LEGAL if any(each.cls is Retrying for each in stack)]


def subclasses(cls: type[object]) -> Iterator[type[object]]:
    """Yield the subclasses of a class, and theirs."""
    for each in cls.__subclasses__():
        yield each
        yield from subclasses(each)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one folder for the files of all stacks."""
    return tmp_path_factory.mktemp("stacks")


def on_bench(test: Callable[[Bench], Awaitable[None]], folder: Path, backend: str) -> None:
    """Run a test in virtual time, on a bench that looks at the end whether all is given back."""
    clock = VirtualClock()

    async def run() -> None:
        async with bench(folder, clock) as made:
            with anyio.fail_after(FOREVER):
                await test(made)

    clock.run(run, backend=backend)


async def bare_answers() -> list[object]:
    """Give what the connector answers without any wrapper but the one that adds the optional methods."""
    return await answers_of(Translating(shop()))


async def bare_pages() -> list[Page]:
    """Give the pages of the connector without any wrapper."""
    return await pages_of(shop())


class TestTheTable:
    def test_every_wrapper_of_the_package_is_exported(self) -> None:
        """And so examined here: the table has all that are exported."""
        for module in pkgutil.walk_packages(connector_kit.__path__, "connector_kit."):
            if module.name.startswith(("connector_kit.wrappers.", "connector_kit.cassettes.")):
                importlib.import_module(module.name)
        defined = {
            cls.__name__
            for cls in subclasses(connector_kit.wrappers.wrapper.Wrapper)
            if cls.__module__.startswith("connector_kit") and ".testing." not in cls.__module__
        }
        assert defined
        assert defined <= {each.cls.__name__ for each in WRAPPERS}
        assert set(exported()) == {each.cls for each in WRAPPERS} | set(INNERMOST)

    @pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda each: each.cls.__name__)
    def test_every_wrapper_shows_its_stack(self, wrapper: Wrapper, folder: Path) -> None:
        """A line for each layer, and no more than that."""

        async def test(made: Bench) -> None:
            connector = wrapper.around(made.source, made)
            assert repr(connector) == outline(connector)
            assert repr(connector).startswith(f"{wrapper.cls.__name__}(")

        on_bench(test, folder, "asyncio")

    @pytest.mark.parametrize(
        ("outer", "inner"),
        [(outer, inner) for outer, inner in PAIRS if outer.refusal(inner) is not None],
        ids=lambda each: each.cls.__name__,
    )
    def test_an_order_that_cannot_work_is_refused_with_the_reason(
        self, outer: Wrapper, inner: Wrapper, folder: Path
    ) -> None:
        """Directly around it, and with others in between."""
        harmless = tuple(each for each in WRAPPERS if each.cls in (Observed, TimeLimited))
        refusal = outer.refusal(inner)

        async def test(made: Bench) -> None:
            for between in ((), harmless):
                with pytest.raises(ConfigError, match=re.escape(str(refusal))):
                    stacked((outer, *between, inner), made.source, made)

        on_bench(test, folder, "asyncio")


@every_legal_stack
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_fault_it_gives_what_the_bare_connector_gives(
    stack: Stack, backend: str, folder: Path
) -> None:
    """Transparent: the same catalog, sample and pages, from the start and from every cursor."""

    async def test(made: Bench) -> None:
        connector = stacked(stack, made.source, made)
        assert isinstance(connector, FullConnector)
        assert await answers_of(connector) == await bare_answers()

    on_bench(test, folder, backend)


async def use(connector: FullConnector, clock: Clock) -> None:
    """Ask for the catalog, a sample and all pages, with some time for each page."""
    await connector.discover_schema()
    await connector.get_sample_data("orders", 4)
    stream = connector.fetch_data("orders")
    try:
        async for _ in stream:
            await clock.sleep(0.5)
    finally:
        with anyio.CancelScope(shield=True):
            await close_stream(stream)


@pytest.mark.unmeasured
@every_legal_stack
@settings(max_examples=5)
@given(after=st.floats(0, 40), readers=st.integers(1, 2))
def test_cancelled_at_any_moment_it_leaves_nothing_behind(
    stack: Stack, after: float, readers: int, folder: Path
) -> None:
    """No stream is open, no slot and no place in a queue is taken, no task runs; and the next read is whole."""

    async def test(made: Bench) -> None:
        slow = Faulty(made.source, [Stall(0.7)] * 40, clock=made.clock)
        connector = stacked(stack, slow, made)
        assert isinstance(connector, FullConnector)
        before = len(anyio.get_running_tasks())
        with anyio.move_on_after(after):
            async with anyio.create_task_group() as tasks:
                for _ in range(readers):
                    tasks.start_soon(use, connector, made.clock)
        assert made.held == 0
        assert len(anyio.get_running_tasks()) == before
        assert await pages_of(connector) == await bare_pages()

    for backend in BACKENDS:
        on_bench(test, folder, backend)


@every_legal_stack
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_scope_is_open_while_a_page_is_handed_over(stack: Stack, backend: str, folder: Path) -> None:
    """A consumer cancels its own scope around a page, goes on in another task, and keeps its own deadline."""

    async def take(stream: AsyncIterator[Page], pages: list[Page]) -> None:
        pages.append(await anext(stream))

    async def test(made: Bench) -> None:
        pages: list[Page] = []
        deadline = anyio.current_effective_deadline()
        stream = stacked(stack, made.source, made).fetch_data("orders")
        with anyio.CancelScope() as scope:
            await take(stream, pages)
            assert anyio.current_effective_deadline() == deadline
            scope.cancel()
            await checkpoint()
        assert scope.cancelled_caught
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, stream, pages)
        async for page in stream:
            pages.append(page)
            assert anyio.current_effective_deadline() == deadline
        assert pages == await bare_pages()

    on_bench(test, folder, backend)


@pytest.mark.unmeasured
@pytest.mark.parametrize("stack", RETRYING, ids=map(name, RETRYING))
@settings(max_examples=10)
@given(schedule=schedules(max_in_a_row=MAX_FAULTS, max_size=MAX_FAULTS))
def test_with_a_retry_it_is_exact_under_any_schedule_of_faults(
    stack: Stack, schedule: Schedule, folder: Path
) -> None:
    """The pages are those of a read without faults: none lost, none twice."""

    async def test(made: Bench) -> None:
        faulty = Faulty(made.source, schedule, clock=made.clock)
        assert await pages_of(stacked(stack, faulty, made)) == await bare_pages()

    for backend in BACKENDS:
        on_bench(test, folder, backend)


@pytest.mark.parametrize("outer", WRAPPERS, ids=lambda each: each.cls.__name__)
@pytest.mark.parametrize("innermost", INNERMOST, ids=lambda each: each.__name__)
@pytest.mark.parametrize("backend", BACKENDS)
def test_around_what_holds_no_connector_it_is_transparent_too(
    outer: Wrapper, innermost: type[object], backend: str, folder: Path
) -> None:
    """In real time, at a rate that makes nobody wait."""

    async def test() -> None:
        async with bench(folder, AnyioClock(), rate="1000/s") as made:
            connector = stacked((outer,), await INNERMOST[innermost](made), made)
            assert isinstance(connector, FullConnector)
            await connector.connect()
            assert await answers_of(connector) == await bare_answers()
            await connector.disconnect()

    anyio.run(test, backend=backend)
