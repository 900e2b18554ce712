"""Events reach those who observe the call they happen in, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs
import pytest

from connector_kit.events import CallFinished, Event, PermitGranted, emit, observing

if TYPE_CHECKING:
    from connector_kit.events import Observer

pytestmark = pytest.mark.anyio


@attrs.define
class Ear:
    """Keeps what it hears, under its name, in a list that several may share."""

    name: str = "ear"
    heard: list[tuple[str, Event]] = attrs.field(factory=list)

    def observe(self, event: Event, /) -> None:
        self.heard.append((self.name, event))


def waited(seconds: float) -> Event:
    return PermitGranted("fetch_data", "orders", seconds)


def test_without_an_observer_nothing_happens() -> None:
    emit(waited(1.0))


def test_inner_observers_hear_first_and_outer_ones_too() -> None:
    heard: list[tuple[str, Event]] = []
    outer, inner = Ear("outer", heard), Ear("inner", heard)
    with observing(outer):
        with observing(inner):
            emit(waited(1.0))
        emit(waited(2.0))
    emit(waited(3.0))
    assert heard == [("inner", waited(1.0)), ("outer", waited(1.0)), ("outer", waited(2.0))]


def test_an_error_ends_the_observing() -> None:
    ear = Ear()
    with pytest.raises(ZeroDivisionError), observing(ear):
        raise ZeroDivisionError
    emit(waited(1.0))
    assert ear.heard == []


async def test_tasks_hear_what_was_observed_where_they_were_started() -> None:
    """A task that is started in the block belongs to it; one that runs beside it does not."""
    inside, beside = Ear(), Ear()

    async def work(seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        emit(waited(seconds))

    async def observe_itself() -> None:
        with observing(beside):
            await work(3.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, 1.0)
        tasks.start_soon(observe_itself)
        with observing(inside):
            tasks.start_soon(work, 2.0)
            await anyio.lowlevel.checkpoint()
        emit(waited(4.0))
    assert [event for _, event in inside.heard] == [waited(2.0)]
    assert [event for _, event in beside.heard] == [waited(3.0)]


def test_events_are_frozen_values() -> None:
    event = CallFinished("connect", None, 0.5)
    assert event == CallFinished("connect", None, 0.5, error=None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.seconds = 1.0  # type: ignore[misc]  # this is what is tried


def test_an_object_with_the_one_method_is_an_observer() -> None:
    observer: Observer = Ear()
    observer.observe(waited(0.1))
