"""`connector-kit test`: whether a connector keeps the laws. Nothing here is a test of the kit's own."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import click

from connector_kit.cli.exit_codes import Code, code_of, error_text
from connector_kit.cli.law_report import (
    LawProgress,
    evidence_lines,
    law_summary,
    laws_table,
    shown_progress,
    unchecked_lines,
)
from connector_kit.cli.options import (
    Diagnostics,
    connector_argument,
    diagnostics_options,
    entities_options,
    examples_epilog,
)
from connector_kit.cli.output import print_json, print_line, print_to_stderr
from connector_kit.cli.report_file import report_option, store_report
from connector_kit.cli.settings import settings_option
from connector_kit.cli.tables import show
from connector_kit.config.problems import secrets_in
from connector_kit.config.url import Url
from connector_kit.errors import ConnectorError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.redaction import without_secrets
from connector_kit.registry.connectors import locate
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_connector
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from connector_kit.registry.connectors import Located
    from connector_kit.testing.conformance.law import LawReport, Verdict
    from connector_kit.testing.conformance.wire import Wire

__all__ = ["command"]


def _names(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


@click.command(
    "test",
    epilog=examples_epilog(
        "test my_package.shop:make_shop",
        "test flights.toml airlines planes --max-requests 500",
        then="connector_laws(make_shop) in a test file makes these tests of yours, for pytest.",
    ),
)
@connector_argument
@entities_options
@settings_option
@click.option(
    "--law", "laws", multiple=True, metavar="NAME", callback=_names, help="Only this law; may be repeated."
)
@click.option(
    "--max-requests", type=click.IntRange(min=1), help="Ask the source for no more calls and pages than that."
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=Bounds().seconds,
    show_default=True,
    help="Take no longer than that.",
)
@click.option(
    "--call-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=Bounds().call_seconds,
    show_default=True,
    help="How long the source may take for one answer.",
)
@click.option(
    "--faults/--no-faults",
    default=True,
    help="Whether requests are made to fail, around the connector and on its way to the source.",
)
@click.option(
    "--backend",
    type=click.Choice(["asyncio", "trio"]),
    default="asyncio",
    show_default=True,
    help="The event loop.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON instead of a table.")
@report_option
@diagnostics_options
@click.pass_obj
def command(  # noqa: PLR0913 - one argument for each option
    diagnostics: Diagnostics,
    connector: str,
    settings: dict[str, Any],
    laws: tuple[str, ...],
    *,
    entities: tuple[str, ...],
    max_requests: int | None,
    max_seconds: float,
    call_seconds: float,
    backend: str,
    faults: bool,
    as_json: bool,
    report_file: Path | None,
) -> Code:
    """Look whether CONNECTOR keeps the laws that runs rely on: that a read goes on exactly where it broke, and nine more.

    It is read many times over; nothing is written. What was not looked at is said at the end. A rate in the file's
    [resilience] is kept; the rest of it is left out, since a retry would hide what is to be seen.

    Exit codes: 0 all that was looked at held; 11 a law is broken; 130 interrupted; others as everywhere.

    """
    located = locate(connector, settings)
    bounds = Bounds(
        requests=max_requests,
        seconds=max_seconds,
        call_seconds=call_seconds,
        entities=entities or located.select,
        faults=faults,
    )
    with shown_progress(len(CONNECTOR_LAWS.named(laws)), diagnostics) as progress:
        report = _check_laws(located, bounds, laws, backend, progress)
    if report is None:
        return _say_partial_result(progress, as_json=as_json)
    if report_file is not None:
        store_report(report.as_json(), report_file, meanwhile="run it again")
    if as_json:
        print_json(report.as_json())
    elif report.verdicts:
        _show_verdicts(report.verdicts, law_summary(report))
    return _exit_code(report, located, diagnostics)


def _check_laws(
    located: Located, bounds: Bounds, laws: Sequence[str], backend: str, progress: LawProgress
) -> LawReport | None:
    """Return the report of the laws; None where Ctrl-C ended it."""
    rates = located.resilience.rate
    check = partial(
        check_connector,
        bounds=bounds,
        secrets=_secrets(located),
        limiter=None if rates is None else RateLimiter(rates),
        laws=laws,
        backend=backend,
        progress=progress,
        name=located.name,
    )
    try:
        with behind_proxy(located) if bounds.faults else nullcontext((located, None)) as (behind, wire):
            return anyio.run(partial(check, behind.make, wire=wire))
    except KeyboardInterrupt:
        return None


@contextmanager
def behind_proxy(located: Located) -> Generator[tuple[Located, Wire | None]]:
    """Yield a connector whose requests go through a proxy on loopback, and the proxy; unchanged, and None, where it has no URL.

    The rule is one name: where the settings of a connector, whichever it is, have a field `base_url` of type `Url`, its
    source is there and speaks HTTP.
    """
    upstream = getattr(located.values, "base_url", None)
    if not isinstance(upstream, Url):
        yield located, None
        return
    from connector_kit.testing.conformance.http_proxy import HttpProxy  # noqa: PLC0415 - few need an HTTP server

    with HttpProxy(upstream.reveal()) as proxy:
        values: Any = located.values  # of a class that nobody knows here
        yield attrs.evolve(located, values=attrs.evolve(values, base_url=Url(proxy.url))), proxy


def _show_verdicts(verdicts: Sequence[Verdict], last: str) -> None:
    show(laws_table(verdicts))
    print_line("\n".join([*evidence_lines(verdicts), "", *unchecked_lines(verdicts), last]))


def _say_partial_result(progress: LawProgress, *, as_json: bool) -> Code:
    """Show the laws that were looked at to the end. A program gets nothing, since half a report looks like a whole one."""
    if progress.verdicts and not as_json:
        _show_verdicts(progress.verdicts, "not all laws were looked at")
    print_to_stderr(
        f"interrupted after {len(progress.verdicts)} of {progress.count} laws; there is no report"
    )
    return Code.INTERRUPTED


def _secrets(located: Located) -> tuple[str, ...]:
    return tuple(set(secrets_in(located.values)) - {""})


def _exit_code(report: LawReport, located: Located, diagnostics: Diagnostics) -> Code:
    """Return the exit code, and say why nothing could be looked at, where it is so."""
    if report.failure:
        if report.error is not None and diagnostics.traceback:
            print_to_stderr(without_secrets(error_text(report.error, with_traceback=True), _secrets(located)))
        print_to_stderr(f"error: {report.failure}")
        return code_of(report.error) if isinstance(report.error, ConnectorError) else Code.BROKEN
    return Code.BROKEN if report.broken else Code.OK
