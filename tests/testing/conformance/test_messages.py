"""What evidence says: what happened and when, what is expected, what to mend."""

from __future__ import annotations

import pytest

from connector_kit.errors import RequestRejectedError
from connector_kit.testing.conformance.bounds import NoAnswerError
from connector_kit.testing.conformance.law import Evidence, Findings, Law
from connector_kit.testing.conformance.telling import advice, telling


def told(error: Exception, *, when: str = "") -> Evidence:
    """Give the evidence that comes of an error."""
    found = Findings(Law(8, "closing", ""))

    def read() -> None:
        raise error

    with telling(found, "orders", when=when):
        read()
    (evidence,) = found.verdict().evidence
    return evidence


def test_evidence_has_a_line_for_each_part() -> None:
    evidence = Evidence("1 record lost", "all", "look", "orders", 2, ('{"id":1}',), "[None]")
    assert str(evidence).splitlines() == [
        "entity orders, page 2: 1 record lost",
        "  expected: all",
        "  to mend: look",
        "  plan: [None]",
        '  {"id":1}',
    ]


def test_parts_that_are_not_there_have_no_line() -> None:
    assert str(Evidence("1 record lost")) == "1 record lost"


def test_an_error_is_told_with_its_circumstance() -> None:
    evidence = told(RequestRejectedError("the client is closed"), when="after reads that were closed early")
    assert evidence.what == "after reads that were closed early, RequestRejectedError: the client is closed"
    assert "a client, a pool, a stream" in evidence.mend
    assert told(RequestRejectedError("no")).mend == "do what the error says"


def test_a_call_without_an_answer_is_told_with_its_circumstance() -> None:
    evidence = told(NoAnswerError("page 1 did not come back"), when="with two reads in turn")
    assert evidence.what == "with two reads in turn, page 1 did not come back"
    assert evidence.mend.startswith("look for a lock")
    assert told(NoAnswerError("page 1 did not come back")).mend.startswith("set a time limit")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("async generator ignored GeneratorExit"), "no `yield` in a `finally`"),
        (RuntimeError("Attempted to exit cancel scope in a different task"), "inside a task group"),
        (RuntimeError("no such thing"), "Translating"),
        (KeyError("cancel scope"), "Translating"),
    ],
)
def test_what_python_says_of_scopes_and_generators_has_its_own_advice(error: Exception, words: str) -> None:
    expected, mend = advice(error)
    assert words in mend
    assert (expected == "no error") == ("Translating" not in mend)
    assert told(error).mend == mend
