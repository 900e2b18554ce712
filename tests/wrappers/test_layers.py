"""Looking into a stack: the layers, the innermost one, the one of a class."""

from __future__ import annotations

import attrs
import pytest
import sources
from doubles import Able

from connector_kit.errors import ConfigError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.protocols import SupportsSample
from connector_kit.redaction import Secret
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import asks_for, innermost, layers, unwrap
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Translating

SHOP = sources.Shop()
STACK = TimeLimited(Retrying(TimeLimited(Translating(SHOP), Timeouts(page=1))), Timeouts(page=9))


def test_layers_are_given_from_the_outermost_in() -> None:
    assert layers(STACK) == (STACK, STACK.inner, STACK.inner.inner, STACK.inner.inner.inner, SHOP)
    assert layers(SHOP) == (SHOP,)
    assert innermost(STACK) is SHOP is innermost(SHOP)


def test_the_outermost_of_a_class_is_given() -> None:
    assert unwrap(STACK, TimeLimited) is STACK
    assert unwrap(STACK, Translating) is STACK.inner.inner.inner
    assert unwrap(STACK, sources.Shop) is SHOP


def test_where_there_is_none_the_layers_are_named() -> None:
    with pytest.raises(
        ConfigError, match="no Retrying in this stack; it has TimeLimited > Translating > Shop"
    ):
        unwrap(TimeLimited(Translating(SHOP), Timeouts()), Retrying)


def test_a_connectors_own_inner_thing_is_no_layer() -> None:
    """Only a connector in `inner` is: an author may call a client, or anything else, by that name."""

    class Own(sources.Shop):
        inner = "a client"

    own = Own()
    assert layers(Translating(own))[1:] == (own,)
    assert innermost(own) is own


def test_an_optional_method_is_asked_for_where_the_connector_itself_has_it() -> None:
    """Wrappers have all methods, and say nothing of the connector inside."""
    for stack in (Able(), Translating(Able()), Translating(Translating(Able()))):
        assert asks_for(stack, SupportsSample)
    for lacking in (SHOP, Translating(SHOP), STACK):
        assert not asks_for(lacking, SupportsSample)


def test_a_stack_is_shown_as_a_line_for_each_layer() -> None:
    """With what is not as by default; a connector of somebody's by its class."""
    faulty = Faulty(sources.Shop(), (None, Fail()))
    limited = RateLimited(faulty, RateLimiter("3/s"), costs={"connect": 0})
    stack = TimeLimited(Retrying(limited, Retry(attempts=2, first_wait="1s")), Timeouts(page="1m"))
    lines = repr(stack).splitlines()
    assert lines[:3] == [
        "TimeLimited(timeouts=Timeouts(page=Duration('1m')))",
        "Retrying(retry=Retry(attempts=2, first_wait=Duration('1s')))",
        "RateLimited(limiter=RateLimiter('3/s'), costs={'connect': 0})",
    ]
    assert lines[3].startswith("Faulty(schedule=(None, Fail(")
    assert lines[4].startswith("Shop(")
    assert len(lines) == 5


def test_no_layer_shows_a_secret() -> None:
    """Not the innermost one's configuration, either."""

    @attrs.define(eq=False)
    class Locked(sources.Shop):
        token: Secret | None = None

    shown = repr(Retrying(Locked(token=Secret("hunter2"))))
    assert "hunter2" not in shown
    assert "****" in shown
