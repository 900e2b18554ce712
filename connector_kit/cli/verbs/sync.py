"""`connector-kit sync`: the main job. Brings what is new into a destination."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from connector_kit.cli.event_log import log_observer
from connector_kit.cli.exit_codes import Code, code_of_report, error_text
from connector_kit.cli.options import (
    Diagnostics,
    connector_argument,
    diagnostics_options,
    entities_options,
    examples_epilog,
)
from connector_kit.cli.output import print_json, print_line, print_to_stderr
from connector_kit.cli.report_file import report_option, store_report
from connector_kit.cli.session import until_signalled
from connector_kit.cli.settings import settings_option
from connector_kit.cli.sync_report import (
    bad_record_lines,
    fault_lines,
    next_step,
    note_lines,
    rejection_lines,
    report_table,
    summary,
)
from connector_kit.cli.tables import show
from connector_kit.registry.connectors import locate
from connector_kit.registry.destinations import open_destination
from connector_kit.runtime.sync import sync
from connector_kit.wrappers.stack.protect import protect

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connector_kit.events import Observer
    from connector_kit.records.checkpoint import Mode
    from connector_kit.runtime.report import Report

__all__ = ["command"]


@click.command(
    "sync",
    epilog=examples_epilog(
        "sync mock --set size=5000 --to sqlite:mock.sqlite",
        "sync flights.toml flights --to jsonl:flights --mode append",
        then="run it again, and it reads only what is new; connector-kit state show DESTINATION says how far it is.",
    ),
)
@connector_argument
@entities_options
@click.option(
    "--to", "destination", required=True, metavar="DESTINATION", help="sqlite:FILE or jsonl:FOLDER."
)
@click.option(
    "--mode",
    type=click.Choice(["append", "upsert", "replace"]),
    help="How records land: after those that are there, over those with the same primary key, or instead of all. By "
    "default the one that keeps every row exactly once with the least reading.",
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Entities at once."
)
@click.option(
    "--allow-shrink",
    is_flag=True,
    help="Let a replace leave far fewer rows than are there, or none; else it is refused (min_share).",
)
@click.option(
    "--name", help="What the checkpoints are kept under; by default the file's or the connector's name."
)
@click.option(
    "--metadata",
    is_flag=True,
    help="Add to every row when it was written (_synced_at) and by which run (_run_id).",
)
@click.option(
    "--prefix",
    default="",
    metavar="TEXT",
    help="What the entities' names begin with in the destination, so that several connectors can share it.",
)
@click.option(
    "--quarantine",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where bad records go of entities whose options say so; by default NAME.quarantine.jsonl here.",
)
@settings_option
@click.option("--json", "as_json", is_flag=True, help="The report as JSON instead of a table.")
@report_option
@diagnostics_options
@click.pass_obj
def command(  # noqa: PLR0913 - one argument for each option
    diagnostics: Diagnostics,
    connector: str,
    destination: str,
    mode: Mode | None,
    concurrency: int,
    name: str | None,
    prefix: str,
    settings: dict[str, Any],
    *,
    allow_shrink: bool,
    metadata: bool,
    entities: tuple[str, ...],
    quarantine: Path | None,
    as_json: bool,
    report_file: Path | None,
) -> Code:
    """Bring what is new of CONNECTOR, or of some ENTITIES of it, into a destination, every row exactly once.

    What was read is stored together with how far that goes. So a run may be ended at any time, even killed: the next one
    goes on from there, and nothing is lost or there twice. Ctrl-C finishes the pages in hand; a second one stops now.

    Exit codes: 0 complete; 3 stopped before the end; 4 to 10 the most severe error; docs/reference/exit-codes.md has all.
    """
    located, target = locate(connector, settings), open_destination(destination)
    observer, display = _observer(diagnostics)

    async def body(stop: anyio.Event) -> Report:
        return await sync(
            protect(located.make(), located.resilience),
            target,
            entities=entities or located.select or None,
            mode=mode,
            options=located.entities,
            name=name or located.name,
            prefix=prefix,
            concurrency=concurrency,
            allow_shrink=allow_shrink,
            metadata=metadata,
            stop=stop,
            observer=observer,
            quarantine=quarantine,
        )

    with display:
        report = anyio.run(partial(until_signalled, body, on_first=_announce_stop))
    if report_file is not None:
        store_report(report.to_dict(), report_file, meanwhile="the rows themselves are stored")
    _show_report(report, destination, diagnostics, as_json=as_json)
    return code_of_report(report)


def _announce_stop() -> None:
    print_to_stderr("finishing the pages in hand; once more to stop now")


def _observer(diagnostics: Diagnostics) -> tuple[Observer, AbstractContextManager[None]]:
    """Return the observer of the run, and the block it is drawn in: a display on a terminal, else lines."""
    if diagnostics.log is not None or diagnostics.verbose or not sys.stderr.isatty():
        return log_observer(diagnostics), nullcontext()
    from connector_kit.cli.progress import Progress, displayed  # noqa: PLC0415 - rich, which only a terminal needs

    progress = Progress()
    return progress, displayed(progress)


def _show_report(report: Report, destination: str, diagnostics: Diagnostics, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        if report.entities:
            show(report_table(report))
        print_line(
            "\n".join(
                [
                    *fault_lines(report),
                    *rejection_lines(report),
                    *bad_record_lines(report),
                    *note_lines(report),
                    summary(report),
                ]
            )
        )
    for entity in report.failed:
        if entity.error is not None:
            print_to_stderr(error_text(entity.error, with_traceback=diagnostics.traceback))
    hint = next_step(destination)
    if hint is not None and report.rows and not report.failed and not as_json:
        print_line(hint)
