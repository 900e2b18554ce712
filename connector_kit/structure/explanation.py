"""The answer of `explain`: one finding for each method, and what is to be said of the object as a whole."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from connector_kit.errors import Problem

__all__ = ["Explanation", "Finding", "Status"]

Status: TypeAlias = Literal["present", "defaulted", "missing", "malformed"]


@attrs.frozen
class Finding:
    """One method: what was found, what is expected, and the first line of a definition that fits."""

    method: str
    status: Status
    found: str
    expected: str
    line: str

    @property
    def ok(self) -> bool:
        """Whether the kit can work with it: the method fits, or its default takes its place."""
        return self.status in {"present", "defaulted"}


@attrs.frozen
class Explanation:
    """How far an object is a connector. `name` is its class; `str()` gives a table, with the lines to write below.

    `remarks` are about the object as a whole: that it is a class, that `Threaded` or `Paged` makes a connector of it.
    """

    name: str
    findings: tuple[Finding, ...]
    remarks: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is a connector."""
        return not self.problems

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What does not fit; the whole before its methods, in the order of the contract."""
        return (
            *self.remarks,
            *(
                Problem(each.method, each.found, each.expected, f"write `{each.line}`")
                for each in self.findings
                if not each.ok
            ),
        )

    def __getitem__(self, method: str) -> Finding:
        """Give the finding of a method."""
        return {each.method: each for each in self.findings}[method]

    def __str__(self) -> str:
        rows = [("method", "status", "found", "expected")]
        rows += [(each.method, each.status, each.found, each.expected) for each in self.findings]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines = [each.line for each in self.findings if not each.ok]
        return "\n".join(
            [
                f"{self.name} {'is a connector' if self.ok else 'is no connector'}",
                *(f"  {each.given}; expected {each.expected}; {each.mend}" for each in self.remarks),
                "",
                *table,
                *(["", "write", *(f"    {line}" for line in lines)] if lines else []),
            ]
        )
