"""The law of the sample: too many, foreign and endless samples are found; few, none and refused ones are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from shelves import Shelf, book, told

from connector_kit.connectors.mock import MockConnector
from connector_kit.errors import ConnectionFailedError, RequestRejectedError, TimedOutError
from connector_kit.records.page import Page
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.sample import sample
from connector_kit.testing.conformance.subject import Subject
from connector_kit.wrappers.cache.wrapper import Cached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record

pytestmark = pytest.mark.anyio


class Sampling(Shelf):
    """Has samples of its own: the last books."""

    def sampled(self, limit: int) -> Any:
        """Give a sample."""
        return [dict(row) for row in self.rows[::-1][: max(0, limit)]]

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        self.catalog()[entity]
        sampled: Sequence[Record] = self.sampled(limit)
        return sampled


class CutByALimitBelowZero(Sampling):
    """Cuts without a look at the limit: -1 is all but one."""

    def sampled(self, limit: int) -> Any:
        return self.rows[:limit]


class OneMore(Sampling):
    """Gives one more."""

    def sampled(self, limit: int) -> Any:
        return self.rows[: limit + 1]


class AtLeastOne(Sampling):
    """Takes 0 for the default."""

    def sampled(self, limit: int) -> Any:
        return super().sampled(limit or 10)


class Raw(Sampling):
    """Gives records as they were before the read converts them."""

    def sampled(self, limit: int) -> Any:
        return [{**row, "seen_at": str(row["seen_at"])} for row in super().sampled(limit)]


class Twice(Sampling):
    """Gives the same record again and again."""

    def sampled(self, limit: int) -> Any:
        return [self.rows[0]] * max(0, limit)


class APage(Sampling):
    """Gives a page."""

    def sampled(self, limit: int) -> Any:
        return Page(super().sampled(limit))


class Iterated(Sampling):
    """Gives an iterator."""

    def sampled(self, limit: int) -> Any:
        return iter(super().sampled(limit))


class Overflowing(Sampling):
    """Puts the limit into two bytes."""

    def sampled(self, limit: int) -> Any:
        return super().sampled(int.from_bytes(max(0, limit).to_bytes(2)))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (CutByALimitBelowZero, "a sample of -1 has 6 records"),
        (OneMore, "a sample of 3 has 4 records"),
        (AtLeastOne, "a sample of 0 has 7 records"),
        (Raw, "a sample of 3 has 3 records that a full read does not deliver"),
        (Twice, "a sample of 3 has 2 records that a full read does not deliver"),
        (APage, "a sample of 3 is a Page"),
        (Iterated, "a sample of 3 is a list_iterator"),
        (Overflowing, "OverflowError came out of the connector"),
    ],
)
async def test_a_wrong_sample_is_found(wrong: type[Shelf], words: str) -> None:
    verdict = await sample(wrong)
    assert words in told(verdict)
    assert verdict.evidence[0].entity == "books"


class Stateful(Sampling):
    """Its samples move the place where a read begins."""

    begin = 0

    def sampled(self, limit: int) -> Any:
        self.begin = 3
        return super().sampled(limit)

    def position(self, cursor: Any) -> int:
        return self.begin if cursor is None else super().position(cursor)


async def test_a_read_that_differs_after_samples_is_found() -> None:
    verdict = await sample(Stateful)
    assert "a read with the same connector differs in 3 records" in told(verdict)


class UsesUp(Sampling):
    """Leaves a connection open for every sample, and has three. Says that the source does not answer."""

    taken = 0

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        self.taken += 1
        if self.taken > 3:
            raise TimedOutError("no connection came free; expected one; try again")
        return await super().get_sample_data(entity, limit)


async def test_samples_that_use_up_the_connector_are_found_whatever_their_error() -> None:
    verdict = await sample(UsesUp)
    assert "after a few samples, TimedOutError" in told(verdict)
    assert "3 times of 3" in told(verdict)


async def test_a_source_that_fails_now_and_then_is_no_evidence() -> None:
    failures = iter([True, True, False, False])

    class Flaky(Sampling):
        """Fails at the first two samples of all."""

        async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
            if next(failures, False):
                raise ConnectionFailedError("gone; expected an answer; try again")
            return await super().get_sample_data(entity, limit)

    verdict = await sample(Flaky)
    assert verdict.outcome == "held"


async def test_a_source_that_fails_for_everybody_is_said_to_be_unchecked() -> None:
    class Down(Sampling):
        """Fails at every sample, and then at everything."""

        down = False

        async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
            Down.down = True
            raise ConnectionFailedError("gone; expected an answer; try again")

        async def connect(self) -> None:
            if Down.down:
                raise ConnectionFailedError("gone; expected an answer; try again")
            await super().connect()

    verdict = await sample(Down)
    assert verdict.evidence == ()
    assert any("the source failed in the middle" in what for what in verdict.unchecked)


async def test_an_unknown_entity_has_to_be_refused() -> None:
    class Anything(Sampling):
        """Has samples of everything."""

        async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
            return await super().get_sample_data("books", limit)

    class Lookup(Sampling):
        """Looks the name up in a dict."""

        async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
            return await super().get_sample_data({"books": "books"}[entity], limit)

    assert "a sample of 'books_that_is_not_there', which is not in the catalog, gives a list of 3" in told(
        await sample(Anything)
    )
    assert "raises KeyError: 'books_that_is_not_there'" in told(await sample(Lookup))


async def test_limits_that_make_no_sense_may_be_refused() -> None:
    class Strict(Sampling):
        """Refuses what makes no sense."""

        def sampled(self, limit: int) -> Any:
            if not 0 < limit <= 100:
                raise RequestRejectedError(f"limit {limit}; expected 1 to 100; ask for that")
            return super().sampled(limit)

    class TooStrict(Sampling):
        """Refuses everything."""

        def sampled(self, limit: int) -> Any:
            raise RequestRejectedError(f"limit {limit}; expected 1 to 100; ask for that")

    strict = await sample(Strict)
    assert strict.outcome == "held"
    assert len(strict.unchecked) == 4
    assert (await sample(TooStrict)).outcome == "broken"


async def test_what_a_long_read_delivers_in_the_end_is_said_to_be_unchecked() -> None:
    subject = Subject(lambda: Sampling([book(number) for number in range(30)]), bounds=Bounds(pages=4))
    verdict = await sample(subject)
    assert verdict.evidence == ()
    assert any("it was not read to its end" in what for what in verdict.unchecked)


async def test_a_source_that_changes_is_no_evidence() -> None:
    class Growing(Sampling):
        """Has another book with every connector."""

        made = 0

        def __init__(self) -> None:
            Growing.made += 1
            super().__init__([book(number) for number in range(7 + Growing.made)])

    verdict = await sample(Growing)
    assert verdict.evidence == ()
    assert any("the source changed meanwhile" in what for what in verdict.unchecked)


class ReadsElse(Shelf):
    """Reads something else where somebody read before, and has no samples of its own."""

    reads = 0

    def page(self, records: Sequence[Record], position: int) -> Page:
        self.reads += position == self.page_size
        return super().page(records if self.reads < 3 else [], position)


@pytest.mark.parametrize("right", [Shelf, Sampling, lambda: Cached(Shelf(), "1h"), lambda: Shelf([])])
async def test_right_ones_pass(right: Any) -> None:
    verdict = await sample(right)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())


async def test_samples_from_reads_are_looked_at_too() -> None:
    assert "a read with the same connector differs in 7 records" in told(await sample(ReadsElse))


async def test_the_mock_passes() -> None:
    verdict = await sample(MockConnector)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())
