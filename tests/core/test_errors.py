"""Errors: what they say, what they carry, and that nothing is lost on the way to another process."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit import errors
from connector_kit.errors import (
    CircuitOpenError,
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    DataError,
    PermanentError,
    Problem,
    RateLimitError,
    RetriesExhaustedError,
    ServiceUnavailableError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ConnectorError)
]
PLACES = ("connector", "operation", "entity", "cursor", "attempt")

names = st.none() | st.text(min_size=1)
places = st.fixed_dictionaries(
    {
        "connector": names,
        "operation": names,
        "entity": names,
        "cursor": st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
        "attempt": st.none() | st.integers(min_value=1),
    }
)


def an(kind: type[ConnectorError]) -> ConnectorError:
    """Make an error of any class, with every attribute it may have filled."""
    given: dict[str, object] = {
        "retry_after": 2.5,
        "problems": [Problem("auth.token", "missing", "text", "set TOKEN")],
        "attempts": [ConnectionFailedError("first"), ServiceUnavailableError("second", 1.0)],
        "bad": {3: "no text"},
    }
    wanted = {name: value for name, value in given.items() if name in inspect.signature(kind).parameters}
    return kind("it broke", **wanted)


def through_pickle(error: ConnectorError) -> ConnectorError:
    made = pickle.loads(pickle.dumps(error))
    assert isinstance(made, ConnectorError)
    return made


class QuaintError(ConnectorError):
    """An author's own error, whose arguments are not those of its base."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}")
        self.hint = hint


class TestCopies:
    @pytest.mark.parametrize("duplicate", [through_pickle, copy.copy, copy.deepcopy])
    @pytest.mark.parametrize("kind", CLASSES)
    def test_every_class_keeps_message_and_attributes(
        self, kind: type[ConnectorError], duplicate: Callable[[ConnectorError], ConnectorError]
    ) -> None:
        error = an(kind)
        error.locate(
            connector="shop", operation="fetch_data", entity="orders", cursor={"after": 3}, attempt=2
        )
        other = duplicate(error)
        assert type(other) is kind
        assert str(other) == str(error)
        assert other.args == error.args == ("it broke",)
        assert {**vars(other), "attempts": 0} == {**vars(error), "attempts": 0}
        if isinstance(error, RetriesExhaustedError):
            assert isinstance(other, RetriesExhaustedError)
            assert [str(each) for each in other.attempts] == ["first", "second"]

    @pytest.mark.parametrize("duplicate", [through_pickle, copy.copy])
    def test_an_authors_own_class_too(self, duplicate: Callable[[ConnectorError], ConnectorError]) -> None:
        """Whatever its __init__ asks for."""
        other = duplicate(QuaintError(7, hint="look up"))
        assert isinstance(other, QuaintError)
        assert (str(other), other.hint, other.args) == ("code 7", "look up", ("code 7",))


class TestLocate:
    @given(places, places)
    def test_fills_in_only_what_is_not_known(self, first: dict[str, object], then: dict[str, object]) -> None:
        """What an inner layer has said stands, the falsy cursors 0, "" and {} included."""
        error = ConnectorError("it broke")
        error.locate(**first)  # type: ignore[arg-type]  # the strategy draws a value of the right type for each name
        error.locate(**then)  # type: ignore[arg-type]  # as above
        for name in PLACES:
            assert getattr(error, name) == (then[name] if first[name] is None else first[name])

    @given(places)
    def test_the_message_tells_where_but_for_the_cursor(self, place: dict[str, object]) -> None:
        """A cursor may be long, and may hold what nobody else should see."""
        error = ConnectorError("it broke")
        error.locate(**place)  # type: ignore[arg-type]  # as above
        known = [f"{name} {place[name]}" for name in PLACES if name != "cursor" and place[name] is not None]
        assert str(error) == ("it broke" if not known else f"it broke [{', '.join(known)}]")


class TestGroups:
    def test_what_to_do_is_read_off_the_class(self) -> None:
        """Every error is in exactly one group; giving up after retries is not to be retried."""
        groups = (TransientError, PermanentError, DataError)
        assert all(sum(issubclass(kind, group) for group in groups) <= 1 for kind in CLASSES)
        assert not issubclass(RetriesExhaustedError, TransientError)
        assert not issubclass(CircuitOpenError, TransientError)
        assert sorted(kind.__name__ for kind in CLASSES) == sorted(set(errors.__all__) - {"Problem"})

    @pytest.mark.parametrize("kind", [RateLimitError, ServiceUnavailableError])
    def test_the_other_side_need_not_say_when(
        self, kind: type[RateLimitError | ServiceUnavailableError]
    ) -> None:
        assert kind("busy").retry_after is None
        assert kind("busy", retry_after=3.0).retry_after == 3.0

    def test_an_open_circuit_says_when(self) -> None:
        assert CircuitOpenError("open", 3.0).retry_after == 3.0


class TestConfigProblems:
    def test_a_config_error_lists_every_problem_on_a_line(self) -> None:
        error = ConfigError(
            "flights.toml has 2 problems",
            [Problem("auth.token", "missing", "text", "set TOKEN"), Problem("", "a list", "a table")],
        )
        assert str(error).splitlines() == [
            "flights.toml has 2 problems",
            "  auth.token: missing; expected text; set TOKEN",
            "  (top level): a list; expected a table",
        ]

    @pytest.mark.parametrize(
        ("path", "seen"), [("token", "auth.token"), ("[2].token", "auth[2].token"), ("", "auth")]
    )
    def test_a_problem_seen_from_further_up(self, path: str, seen: str) -> None:
        problem = Problem(path, "missing", "text", "set it")
        assert problem.under("auth") == Problem(seen, "missing", "text", "set it")
