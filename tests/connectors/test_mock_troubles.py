"""What the mock connector does badly when asked to: latency, faults, a rate limit."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import RateLimitError, TransientError
from connector_kit.records.page import Page, Quota
from connector_kit.testing.virtual_clock import VirtualClock


async def read_through(
    connector: MockConnector, entity: str = "orders"
) -> tuple[list[Page], list[TransientError]]:
    """Read an entity, going on at the last cursor after each error."""
    await connector.connect()
    pages: list[Page] = []
    errors: list[TransientError] = []
    while True:
        try:
            async for page in connector.fetch_data(entity, cursor=pages[-1].cursor if pages else None):
                pages.append(page)  # noqa: PERF401 - what came before the error counts
        except TransientError as error:
            errors.append(error)
        else:
            return pages, errors


def run(config: MockConfig, backend: str = "asyncio") -> tuple[list[Page], list[str]]:
    clock = VirtualClock()
    pages, errors = clock.run(read_through, MockConnector(config, clock=clock), backend=backend)
    return pages, [f"{type(error).__name__} after {len(pages)} pages: {error}" for error in errors]


@given(st.integers(), st.floats(0, 1), st.integers(1, 4))
def test_faults_are_the_same_every_time_and_cost_no_record(seed: int, share: float, in_a_row: int) -> None:
    config = MockConfig(seed=seed, size=100, page_size=10, faults=share, max_faults_in_a_row=in_a_row)
    pages, errors = run(config)
    assert (pages, errors) == run(config)
    assert pages == run(MockConfig(seed=seed, size=100, page_size=10))[0]


@given(st.integers(), st.integers(1, 4))
def test_after_so_many_faults_in_a_row_a_request_succeeds(seed: int, in_a_row: int) -> None:
    config = MockConfig(seed=seed, size=50, page_size=10, faults=1, max_faults_in_a_row=in_a_row)
    assert len(run(config)[1]) == 5 * in_a_row


def test_an_entity_meets_the_same_faults_whatever_else_is_read(anyio_backend: str) -> None:
    config = MockConfig(size=300, page_size=10, faults=0.5)

    async def both() -> list[str]:
        connector = MockConnector(config)
        found: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_through, connector, "events")
            found += [str(error) for error in (await read_through(connector, "orders"))[1]]
        return found

    async def alone() -> list[str]:
        return [str(error) for error in (await read_through(MockConnector(config), "orders"))[1]]

    assert anyio.run(both, backend=anyio_backend) == anyio.run(alone, backend=anyio_backend) != []


def test_about_the_share_of_requests_asked_for_fails(anyio_backend: str) -> None:
    config = MockConfig(size=3_000, page_size=1, faults=0.25, max_faults_in_a_row=100)
    pages, errors = run(config, anyio_backend)
    assert 0.2 < len(errors) / (len(errors) + len(pages)) < 0.3
    assert len({error.split()[0] for error in errors}) == 3


def test_without_faults_nothing_fails(anyio_backend: str) -> None:
    assert run(MockConfig(size=3_000, page_size=1), anyio_backend)[1] == []


def test_a_fault_says_what_it_is_and_that_it_was_asked_for() -> None:
    _, errors = run(MockConfig(faults=1, max_faults_in_a_row=1))
    assert all("fails on purpose; try it again" in error for error in errors)


def test_every_request_takes_the_latency(anyio_backend: str) -> None:
    clock = VirtualClock()
    connector = MockConnector(MockConfig(size=100, page_size=10, latency="2s"), clock=clock)
    clock.run(read_through, connector, backend=anyio_backend)
    assert clock.monotonic_ns() == 20_000_000_000


def test_beyond_the_rate_requests_are_refused_until_the_time_that_is_said(anyio_backend: str) -> None:
    clock = VirtualClock()
    connector = MockConnector(MockConfig(size=100, page_size=10, rate="3/s, 5/min"), clock=clock)

    async def main() -> None:
        await connector.connect()
        stream = connector.fetch_data("orders")
        left = [(await anext(stream)).quota for _ in range(3)]
        assert left == [Quota(3, 2, 1.0), Quota(3, 1, 1.0), Quota(3, 0, 1.0)]
        await clock.sleep(0.25)
        with pytest.raises(RateLimitError, match=r"wait 0\.75 s") as refused:
            await connector.get_sample_data("orders")
        assert refused.value.retry_after == 0.75
        await clock.sleep(0.75)
        await connector.get_sample_data("orders")
        assert [page.quota async for page in connector.fetch_data("orders", cursor={"from": 0, "to": 1})] == [
            Quota(5, 0, 59.0)
        ]
        with pytest.raises(RateLimitError) as refused:
            await connector.get_sample_data("orders")
        assert refused.value.retry_after == 59.0
        await clock.sleep(59)
        await connector.get_sample_data("orders")

    clock.run(main, backend=anyio_backend)


def test_a_refused_request_does_not_count(anyio_backend: str) -> None:
    clock = VirtualClock()
    connector = MockConnector(MockConfig(rate="1/min"), clock=clock)

    async def main() -> None:
        await connector.connect()
        await connector.get_sample_data("orders")
        for second in range(60):
            with pytest.raises(RateLimitError) as refused:
                await connector.get_sample_data("orders")
            assert refused.value.retry_after == 60 - second
            await clock.sleep(1)
        await connector.get_sample_data("orders")

    clock.run(main, backend=anyio_backend)


@pytest.mark.anyio
async def test_without_a_rate_pages_tell_of_no_quota() -> None:
    connector = MockConnector()
    await connector.connect()
    assert {page.quota async for page in connector.fetch_data("orders")} == {None}
