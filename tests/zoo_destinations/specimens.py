"""All specimens of the zoo, in the order of the laws they break. A new one joins by its line."""

from __future__ import annotations

import re

import attrs

from . import wrong_calls as calls
from . import wrong_rows as rows
from . import wrong_steps as steps
from .shelf import Holding, Shelf, Versioned

__all__ = ["RIGHT", "SPECIMENS", "Specimen"]


@attrs.frozen
class Specimen:
    """A wrong destination and the name of the law that it breaks. Its docstring says how; what it derives from is right."""

    law: str
    wrong: type[Shelf]

    @property
    def name(self) -> str:
        """The wrong one's name, in words."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", self.wrong.__name__).lower()


RIGHT: tuple[type[Shelf], ...] = (Shelf, Versioned, Holding, steps.CheckpointThroughJson)

SPECIMENS: tuple[Specimen, ...] = (
    Specimen("atomic", steps.CheckpointFirst),
    Specimen("atomic", steps.RowsFirst),
    Specimen("atomic", steps.NoteBeforeVersion),
    Specimen("atomic", steps.OldRowsGoFirst),
    Specimen("atomic", steps.LogFirst),
    Specimen("checkpoints", steps.CursorAsText),
    Specimen("checkpoints", steps.CursorThroughFloats),
    Specimen("checkpoints", steps.ShortCursors),
    Specimen("checkpoints", steps.LocalTimes),
    Specimen("checkpoints", steps.CheckpointOnlyAtTheEnd),
    Specimen("checkpoints", steps.CheckpointOfNothing),
    Specimen("checkpoints", steps.LogForgotten),
    Specimen("checkpoints", steps.LogOnlyGrows),
    Specimen("checkpoints", steps.OneLogForTwoGenerations),
    Specimen("provisional", steps.ProvisionalRowsStay),
    Specimen("provisional", steps.ProvisionalRowsStayAtRestart),
    Specimen("provisional", steps.DroppedUpsertsTakeTheirKeys),
    Specimen("provisional", steps.EachCheckpointCoversItsPage),
    Specimen("append", rows.RepeatedRowsGo),
    Specimen("append", rows.NewestFirst),
    Specimen("append", steps.NoCheckpointOfEmptyPages),
    Specimen("upsert", rows.UpsertAppends),
    Specimen("upsert", rows.FirstWins),
    Specimen("upsert", rows.UpsertMerges),
    Specimen("upsert", rows.KeyOfOneField),
    Specimen("upsert", rows.KeyAsText),
    Specimen("upsert", rows.KeysOnTopOnly),
    Specimen("replace", rows.TruncatesAtStart),
    Specimen("replace", rows.ContinuedGenerationIsLost),
    Specimen("replace", rows.AlwaysResumes),
    Specimen("replace", rows.NeverSwaps),
    Specimen("replace", rows.EmptyGenerationIsIgnored),
    Specimen("replace", rows.OldCheckpointForANewGeneration),
    Specimen("replace", rows.BothRowsOfAKey),
    Specimen("replace", rows.FirstOfAReplaceWins),
    Specimen("replace", rows.KeysOnTopOnly),
    Specimen("evolution", rows.NewFieldsAreIgnored),
    Specimen("evolution", rows.NewFieldsStartOver),
    Specimen("evolution", rows.NumbersAreRounded),
    Specimen("values", rows.IntegersAsFloats),
    Specimen("values", rows.TimesWithoutZone),
    Specimen("values", rows.TimesToTheMillisecond),
    Specimen("values", rows.DecimalsAsFloats),
    Specimen("values", rows.EmptyTextIsNone),
    Specimen("values", rows.ListsAsRepr),
    Specimen("names", calls.CaseIsFolded),
    Specimen("names", calls.OddLettersBecomeUnderscores),
    Specimen("names", calls.FieldsAreFolded),
    Specimen("names", calls.QuotesAreDropped),
    Specimen("entities", calls.OneReadForAll),
    Specimen("entities", calls.OneHeldPageForAll),
    Specimen("entities", calls.FinishEndsAllReads),
    Specimen("lifecycle", calls.CloseLosesPages),
    Specimen("lifecycle", calls.ClosesOnce),
    Specimen("lifecycle", calls.OpensOnce),
    Specimen("lifecycle", calls.ModesOfItsOwn),
    Specimen("lifecycle", calls.EmptiesAtOpen),
    Specimen("refusals", calls.WritesWithoutAStart),
    Specimen("refusals", calls.UnknownModesAppend),
    Specimen("refusals", calls.DoesMoreThanItSays),
    Specimen("refusals", calls.ErrorsOfItsOwn),
    Specimen("refusals", calls.HalfAPageOfWhatItRefuses),
    Specimen("refusals", calls.WritesOverOthers),
    Specimen("refusals", calls.WorksAfterClose),
    Specimen("reset", calls.ResetDeletesRows),
    Specimen("reset", calls.ResetOnlyInMemory),
    Specimen("reset", calls.ResetKeepsTheGeneration),
    Specimen("lazy", rows.DictsOnly),
    Specimen("lazy", rows.KeepsWhatIsNotItsOwn),
    Specimen("cancelled", steps.TwoAwaits),
    Specimen("cancelled", steps.LockThatStays),
    Specimen("sequences", calls.ReplaceKeepsProvisionalRows),
    Specimen("sequences", calls.AppendAfterReplaceForgets),
    Specimen("sequences", steps.ProvisionalRowsStay),
    Specimen("sequences", steps.DroppedUpsertsTakeTheirKeys),
    Specimen("sequences", rows.UpsertMerges),
    Specimen("sequences", rows.BothRowsOfAKey),
    Specimen("states", steps.OneDamagedHidesAll),
    Specimen("states", steps.DamagedIsNone),
    Specimen("states", steps.ResetDecodes),
    Specimen("states", steps.CountsTheLastRead),
    Specimen("bad_records", steps.OnlyTheFirstIsNamed),
    Specimen("bad_records", steps.RefusalWithoutPositions),
    Specimen("bad_records", steps.RefusalEndsTheRead),
    Specimen("bad_records", steps.OthersAreStoredAtOnce),
)
