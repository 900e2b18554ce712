"""A secret is found in any of its forms, in all that an error shows, and in what a process says."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import warnings
from contextlib import redirect_stdout
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.testing.conformance.overheard import SecretForms, overhearing, texts_of

if TYPE_CHECKING:
    from pathlib import Path

SECRET = 'p+a/s "w\\ord'
FORMS = SecretForms.of((SECRET,))


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        repr({"password": SECRET}),
        json.dumps({"password": SECRET}),
        f"https://example.com/?key={quote(SECRET, safe='')}",
        base64.b64encode(SECRET.encode()).decode(),
        f"Basic {base64.b64encode(f'u:{SECRET}'.encode()).decode()}",
    ],
)
def test_a_secret_is_found_in_every_form_and_hidden(text: str) -> None:
    excerpt = FORMS.excerpt(f"before {text} behind")
    assert excerpt is not None
    assert "****" in excerpt
    assert FORMS.excerpt(excerpt) is None


@given(st.text(min_size=12, max_size=30), st.binary(max_size=7), st.binary(max_size=7))
def test_in_base64_it_is_found_wherever_it_stands(secret: str, before: bytes, behind: bytes) -> None:
    try:
        raw = secret.encode()
    except UnicodeEncodeError:
        return
    encoded = base64.b64encode(before + raw + behind).decode()
    assert SecretForms.of((secret,)).excerpt(encoded) is not None


def test_other_texts_are_left_alone() -> None:
    assert FORMS.excerpt("a text without any") is None
    assert SecretForms.of(("ab", "")).forms == ()
    long = FORMS.excerpt("x" * 500 + SECRET + "y" * 500)
    assert long is not None
    assert long.startswith("…xxx")
    assert len(long) < 200


def test_all_that_a_traceback_shows_of_an_error_is_looked_at() -> None:
    inner, middle, outer = KeyError("inner"), ValueError("middle"), RuntimeError("outer")
    middle.__cause__ = inner
    outer.__context__ = middle
    outer.add_note("noted")
    texts = dict(texts_of(outer))
    assert texts["the message of RuntimeError"] == "outer"
    assert texts["a note of RuntimeError"] == "noted"
    assert texts["the message of ValueError, the cause of RuntimeError"] == "middle"
    assert texts["the repr of KeyError, the cause of ValueError"] == "KeyError('inner')"


def test_a_suppressed_context_a_circle_and_an_error_without_text_are_no_trouble() -> None:
    class Mute(Exception):  # noqa: N818 - not raised
        def __str__(self) -> str:
            raise ValueError("no words")

    hidden = ValueError("shown to nobody")
    error = RuntimeError("shown")
    error.__context__, error.__suppress_context__ = hidden, True
    group = ExceptionGroup("two", [error, Mute()])
    error.__cause__ = group
    texts = dict(texts_of(group))
    assert texts["the message of RuntimeError, in ExceptionGroup"] == "shown"
    assert texts["the message of Mute, in ExceptionGroup"] == "(ValueError)"
    assert "shown to nobody" not in texts.values()


def heard_while(*says: object) -> list[tuple[str, str]]:
    """Give what is heard while functions run."""
    heard: list[tuple[str, str]] = []
    with overhearing(lambda where, text: heard.append((where, text))):
        for say in says:
            assert callable(say)
            say()
    return heard


def test_logs_warnings_and_output_are_heard_and_output_is_passed_on() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        heard = heard_while(
            lambda: logging.getLogger("some.library").debug("hello %s", "you"),
            # what does not fit together is told to the listener alone: other handlers make a fuss of it
            lambda: (
                logging.getLogger()
                .handlers[-1]
                .handle(logging.LogRecord("some.library", logging.WARNING, "", 1, "%d", ("no number",), None))
            ),
            lambda: warnings.warn("careful", UserWarning, stacklevel=1),
            lambda: sys.stdout.write("printed"),
            sys.stdout.flush,
        )
    assert ("a log line of some.library (DEBUG)", "hello you") in heard
    assert ("a log line of some.library (WARNING)", "%d ('no number',)") in heard
    assert ("a UserWarning", "careful") in heard
    assert ("standard output", "printed") in heard
    assert out.getvalue() == "printed"


def test_a_stream_that_is_listened_to_is_what_it_was(tmp_path: Path) -> None:
    with (
        open(sys.__stdout__.fileno() if sys.__stdout__ else 1, "w", closefd=False) as real,
        redirect_stdout(real),
    ):
        told: list[object] = []
        heard_while(
            lambda: told.extend(
                [
                    sys.stdout.isatty(),
                    sys.stdout.fileno(),
                    sys.stdout.encoding,
                    sys.stdout.writable(),
                    sys.stdout.buffer,
                ]
            )
        )
        assert told == [real.isatty(), real.fileno(), real.encoding, True, real.buffer]


def test_handlers_of_the_root_hear_no_more_than_before() -> None:
    heard: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    root, chatty = logging.getLogger(), logging.getLogger("chatty.library")
    handler = Handler()
    root.addHandler(handler)
    chatty.setLevel(logging.DEBUG)
    try:
        heard_while(
            lambda: logging.getLogger("quiet.library").debug("below the root's level"),
            lambda: logging.getLogger("quiet.library").error("above it"),
            lambda: chatty.debug("a level of its own"),
        )
    finally:
        root.removeHandler(handler)
        chatty.setLevel(logging.NOTSET)
    assert heard == ["above it", "a level of its own"]
