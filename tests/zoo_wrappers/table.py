"""All specimens of the zoo: a wrong wrapper, its right twin, and the law that the wrong one breaks."""

from __future__ import annotations

import re

import attrs

from connector_kit.limiters.rates import Rate
from connector_kit.testing.conformance.wrapper.subject import Around

from . import wrong_pages as pages
from . import wrong_tasks as tasks
from . import wrong_wholes as wholes
from .right import Again, Paced, Plain, Timed, Worded

__all__ = ["RIGHT", "SPECIMENS", "Right", "Specimen"]


@attrs.frozen
class Right:
    """A right wrapper, and what it claims."""

    around: type[Plain | Again | Paced | Timed | Worded]
    retries: bool = False
    rate: Rate | None = None


PLAIN, TIMED, WORDED = Right(Plain), Right(Timed), Right(Worded)
AGAIN, PACED = Right(Again, retries=True), Right(Paced, rate=Rate.parse("2/s"))
RIGHT = (PLAIN, TIMED, WORDED, AGAIN, PACED)


@attrs.frozen
class Specimen:
    """A wrong wrapper, named for what is wrong with it; words that its evidence has."""

    law: str
    wrong: Around
    right: Right
    words: str

    def __str__(self) -> str:
        name = getattr(self.wrong, "__name__", "").replace("_", " ")
        return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


SPECIMENS = (
    Specimen("transparent", pages.DropsTheCursor, PLAIN, "with cursor=None"),
    Specimen("transparent", pages.DropsACursorThatIsFalse, PLAIN, "with cursor=None"),
    Specimen("transparent", pages.DropsSinceWithACursor, PLAIN, "with since=None"),
    Specimen("transparent", pages.SkipsEmptyPages, PLAIN, "or other ones"),
    Specimen("transparent", pages.CopiesRecords, PLAIN, "came as a list"),
    Specimen("transparent", pages.LosesTheQuota, PLAIN, "its quota is None"),
    Specimen("transparent", pages.NamesEntitiesAnew, PLAIN, "another catalog"),
    Specimen("transparent", pages.LosesTheLastPage, PLAIN, "delivers 4 pages"),
    Specimen("transparent", pages.TakesCursorsForTexts, PLAIN, 'its cursor is "0" and not 0'),
    Specimen("transparent", pages.WantsRecords, PLAIN, "raised IndexError"),
    Specimen("transparent", pages.AnswersFromMemory, PLAIN, "did not reach the inner connector"),
    Specimen("exact", pages.RetriesFromTheStart, AGAIN, "there twice"),
    Specimen("exact", pages.SkipsTheFailedPage, AGAIN, "lost"),
    Specimen("exact", pages.EndsWithAnError, PLAIN, "lost"),
    Specimen("exact", pages.GivesUpTooEarly, AGAIN, "came out of a wrapper that retries"),
    Specimen("bounded", tasks.TakesOnePermitForARead, PACED, "requests reached the source within"),
    Specimen("bounded", tasks.SamplesPastItsLimit, PACED, "requests reached the source within"),
    Specimen("bounded", tasks.LooksWithoutALock, PACED, "requests reached the source within"),
    Specimen("cancellable", tasks.SwallowsCancellation, PLAIN, "the cancellation did not come out"),
    Specimen("cancellable", tasks.TranslatesCancellation, PLAIN, "the cancellation did not come out"),
    Specimen("cancellable", tasks.ShieldsThePage, PLAIN, "the request went on to its end"),
    Specimen("cancellable", tasks.ShieldsTheStream, TIMED, "the request went on to its end"),
    Specimen("cancellable", tasks.ClosesWithoutAShield, PLAIN, "stay open"),
    Specimen("cancellable", tasks.KeepsItsSlot, PLAIN, "it hangs"),
    Specimen("cancellable", tasks.WaitsUnderAShield, AGAIN, "late, when the wait was over"),
    Specimen("cancellable", tasks.leaves_tasks, PLAIN, "tasks that go on: 1"),
    Specimen("cancellable", tasks.StaysBusy, PLAIN, "the next read raised RequestRejectedError: busy"),
    Specimen("cancellable", tasks.GoesOnWhereItWas, PLAIN, "the next read delivers other records"),
    Specimen("scopes", tasks.LimitsTheWholeReadInOneScope, PLAIN, "s left, and had no limit before"),
    Specimen("scopes", tasks.PrefetchesInsideTheGenerator, PLAIN, "cancel"),
    Specimen("overhead", wholes.LooksIntoEachRecord, PLAIN, "more looks into a record"),
    Specimen("overhead", wholes.KeepsWhatWasRead, PLAIN, "calls near the beginning of a read"),
    Specimen("overhead", wholes.KeepsWhatWasRead, PLAIN, "pages are still held"),
    Specimen("overhead", wholes.KeepsAReport, PLAIN, "pages are still held"),
    Specimen("methods", wholes.LosesPartitions, PLAIN, "partition_data"),
    Specimen("methods", wholes.LosesSince, PLAIN, "partition_data did not hand `since` on"),
    Specimen("methods", wholes.DividesWhatCannotBe, PLAIN, "partition_data gives []"),
    Specimen("methods", wholes.SamplesAPage, PLAIN, "get_sample_data(limit=0) gives 3 records"),
    Specimen("methods", tasks.SamplesPastItsLimit, PACED, "a sample asked for page"),
    Specimen("methods", wholes.LosesTheSample, PLAIN, "get_sample_data(limit=3)"),
    Specimen("methods", wholes.LosesValidation, PLAIN, "validate_config says nothing"),
    Specimen("methods", wholes.SamplesWithoutRetries, AGAIN, "of a sample"),
    Specimen("methods", wholes.LeavesTheSampleOpen, PLAIN, "stays open"),
    Specimen("methods", wholes.StaysConnected, PLAIN, "heard connect, disconnect, disconnect"),
    Specimen("methods", wholes.forwards_by_name, PLAIN, "get_sample_data: not there"),
    Specimen("errors", wholes.ThrownInIsRetried, AGAIN, "the inner connector was read again"),
    Specimen("errors", wholes.StaysOpenWhereAnErrorIsThrownIn, PLAIN, "the inner stream stays open"),
    Specimen("errors", wholes.TranslatesWithoutTheCause, WORDED, "without it as its cause"),
    Specimen("errors", wholes.TranslatesToItsOwn, WORDED, "no ConnectorError"),
    Specimen("errors", wholes.SaysItIsEmpty, PLAIN, "nothing came out"),
    Specimen("errors", wholes.RaisesGroups, PLAIN, "ExceptionGroup"),
    Specimen("closing", wholes.LeavesTheInnerOpen, PLAIN, "the inner stream stays open"),
    Specimen("closing", wholes.HasNoClose, TIMED, "Unclosable has no aclose"),
    Specimen("closing", wholes.ClosesOnce, TIMED, "closing it the second time raised ConfigError"),
    Specimen("closing", wholes.DeliversAfterItsClose, TIMED, "a page came from a stream that was closed"),
    Specimen("independent", pages.ReadsOneAtATime, PLAIN, "RequestRejectedError came out"),
    Specimen("independent", pages.KeepsPages, PLAIN, "what was there before"),
    Specimen("independent", pages.KeepsTheStream, PLAIN, "records"),
)
"""A new specimen joins by its line."""
