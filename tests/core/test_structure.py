"""`explain` names each mistake that authors make, and lets through whatever works."""

from __future__ import annotations

import functools
import gc
import runpy
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from functools import cached_property, partial, partialmethod
from pathlib import Path
from types import coroutine
from typing import Any

import attrs
import pytest
import sources
import stacks

import connector_kit
from connector_kit.blocking.blocking import blocking
from connector_kit.connectors.mock import MockConnector
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import ConfigError
from connector_kit.records.page import Page, Record
from connector_kit.runtime.session import connected
from connector_kit.runtime.sync import sync
from connector_kit.structure.expected import CAPABILITIES, METHODS
from connector_kit.structure.explain import conforms, explain
from connector_kit.wrappers.stack.protect import protect

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


class Shop:
    """A connector as somebody writes it who has never heard of a protocol."""

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Any: ...

    async def fetch_data(self, entity: str, since: Any = None, cursor: Any = None) -> Any:
        yield Page([])


def having(**methods: Any) -> object:
    """Give an instance of a class like `Shop`, with other methods."""
    return type("Shop", (Shop,), methods)()


def found(method: str, function: object) -> str:
    """Give what is found of one method, which must be refused, and alone."""
    explanation = explain(having(**{method: function}))
    assert [each.method for each in explanation.findings if not each.ok] == [method]
    assert not explanation.ok
    assert explanation[method].status == "malformed"
    return explanation[method].found


async def pages(*_: object, **__: object) -> AsyncIterator[Page]:
    yield Page([])


class TestResults:
    """What a call would give."""

    def test_a_missing_method(self) -> None:
        explanation = explain(object())
        assert {each.method: each.status for each in explanation.findings} == {
            **dict.fromkeys(["connect", "disconnect", "discover_schema", "fetch_data"], "missing"),
            **dict.fromkeys(["get_sample_data", "validate_config", "partition_data"], "defaulted"),
        }
        assert [problem.path for problem in explanation.problems] == [each.name for each in METHODS]

    def test_something_that_cannot_be_called(self) -> None:
        assert found("connect", 3) == "'int', which cannot be called"
        assert found("validate_config", None) == "'NoneType', which cannot be called"

    def test_an_async_def_that_gives_a_list(self) -> None:
        async def fetch_data(
            self: object, entity: str, *, since: Any = None, cursor: Any = None
        ) -> list[Page]:
            return []

        assert (
            found("fetch_data", fetch_data)
            == "`async def` without `yield`: a coroutine of a list, no iterator"
        )

    def test_an_async_def_that_gives_an_iterator(self) -> None:
        """The one that reads well and fails at the first `async for`."""

        async def fetch_data(
            self: object, entity: str, *, since: Any = None, cursor: Any = None
        ) -> AsyncIterator[Page]:
            return pages()

        assert found("fetch_data", fetch_data) == "`async def` without `yield`: a coroutine, no iterator"

    @pytest.mark.parametrize(
        ("annotation", "said"),
        [
            (list[Page], "gives list, no iterator"),
            ("list[Page]", "gives list, no iterator"),
            ("Sequence[Record]", "gives Sequence, no iterator"),
            ("None", "gives None, no iterator"),
            (None, "gives None, no iterator"),
            (Awaitable[AsyncIterator[Page]], "gives Awaitable, no iterator"),
            (Coroutine[Any, Any, AsyncIterator[Page]], "gives Coroutine, no iterator"),
            ("Iterator[Page]", "synchronous: an iterator, no async one"),
            (Iterator[Page], "synchronous: an iterator, no async one"),
            (AsyncIterator[Record], "yields single records, no pages"),
            ("AsyncIterator[Record]", "yields single records, no pages"),
            ("AsyncIterator[dict[str, Any]]", "yields single records, no pages"),
            ("collections.abc.AsyncGenerator['Record', None]", "yields single records, no pages"),
            ("'AsyncIterator[Mapping[str, Any]]'", "yields single records, no pages"),
            ("AsyncIterator[list[Record]]", "yields list, no pages"),
            ("Iterator[Record]", "synchronous: an iterator, no async one; yields single records, no pages"),
        ],
    )
    def test_an_annotation_that_tells_of_something_else(self, annotation: object, said: str) -> None:
        def fetch_data(self: object, entity: str, since: Any = None, cursor: Any = None) -> Any: ...

        fetch_data.__annotations__["return"] = annotation
        assert found("fetch_data", fetch_data) == said

    @pytest.mark.parametrize(
        "annotation",
        [
            AsyncIterator[Page],
            AsyncGenerator[Page, None],
            "AsyncIterator[Page]",
            "AsyncIterator",
            "Pages",
            "Pages | None",
            "AsyncIterator[Page] if",
            "AsyncIterator[()]",
            Any,
        ],
    )
    def test_an_annotation_that_fits_or_says_nothing(self, annotation: object) -> None:
        def fetch_data(self: object, entity: str, since: Any = None, cursor: Any = None) -> Any: ...

        fetch_data.__annotations__["return"] = annotation
        assert conforms(having(fetch_data=fetch_data))

    def test_an_async_generator_of_records(self) -> None:
        async def fetch_data(
            self: object, entity: str, since: Any = None, cursor: Any = None
        ) -> AsyncIterator[Record]:
            yield {}

        assert found("fetch_data", fetch_data) == "yields single records, no pages"
        remarks = explain(having(fetch_data=fetch_data)).remarks
        assert [remark.mend for remark in remarks] == ["wrap it: `Paged(Shop(...), 500)`, or write:"]

    def test_a_generator(self) -> None:
        def fetch_data(self: object, entity: str, since: Any = None, cursor: Any = None) -> Any:
            yield Page([])

        assert found("fetch_data", fetch_data) == "synchronous: an iterator, no async one"
        assert explain(having(fetch_data=fetch_data)).remarks == ()

    @pytest.mark.parametrize("annotation", [None, "None", "Catalog", "list[str]", "Iterator[str]"])
    def test_a_synchronous_method(self, annotation: object) -> None:
        def connect(self: object) -> Any: ...

        connect.__annotations__["return"] = annotation
        assert (
            found("connect", connect) == "synchronous: no `async`, and not annotated as giving an Awaitable"
        )
        del connect.__annotations__["return"]
        assert found("connect", connect).startswith("synchronous")

    @pytest.mark.parametrize("annotation", [Awaitable[None], "Coroutine[Any, Any, None]", "Soon"])
    def test_a_plain_method_that_gives_an_awaitable(self, annotation: object) -> None:
        def connect(self: object) -> Any: ...

        connect.__annotations__["return"] = annotation
        assert conforms(having(connect=connect))

    def test_a_yield_where_none_should_be(self) -> None:
        async def asynchronous(self: object) -> Any:
            yield

        def synchronous(self: object) -> Any:
            yield

        async def awaited(self: object) -> None: ...

        assert found("connect", asynchronous) == "an async generator: there is a `yield` in it"
        assert found("connect", synchronous).startswith("synchronous")
        assert found("validate_config", asynchronous) == "an async generator"
        assert found("validate_config", synchronous) == "a generator"
        assert found("validate_config", awaited) == "an async method"

    def test_a_whole_synchronous_connector_is_sent_to_threaded(self) -> None:
        explanation = explain(blocking(sources.Shop()))
        assert [problem.mend.partition("(")[0] for problem in explanation.remarks] == ["wrap it: `Threaded"]
        assert explanation.problems[0].given.endswith("is synchronous")

    def test_a_class_is_told_from_an_instance(self) -> None:
        (problem,) = explain(Shop).problems
        assert str(problem) == "(top level): Shop is a class; expected an instance; call it: `Shop(...)`"
        assert {each.status for each in explain(Shop).findings} == {"present", "defaulted"}


class TestParameters:
    """Which arguments it takes."""

    @pytest.mark.parametrize(
        ("parameters", "said"),
        [
            ("self, entity", "no `since`; no `cursor`"),
            ("self, entity, since=None", "no `cursor`"),
            ("self, entity, since=None, cursor=None, /", "`since` cannot be given by keyword; `cursor` cannot be given by keyword"),
            ("self, *, entity, since=None, cursor=None", "`entity` cannot be given by position"),
            ("self, *, since=None, cursor=None", "no `entity`"),
            ("self, since=None, cursor=None", "no `entity`"),
            ("self, **options", "no `entity`"),
            ("self, *names", "no `since`; no `cursor`"),
            ("self, entity, since, cursor=None", "`since` has no default"),
            ("self, entity, *, since=None, cursor", "`cursor` has no default"),
            ("self, entity, tenant, since=None, cursor=None", "`tenant` has no default, and nobody gives it"),
            ("self, entity, *, tenant, **options", "`tenant` has no default, and nobody gives it"),
        ],
    )  # fmt: skip
    def test_of_fetch_data_that_do_not_fit(self, parameters: str, said: str) -> None:
        assert found("fetch_data", written(f"async def method({parameters}): yield")) == said

    @pytest.mark.parametrize(
        "parameters",
        [
            "self, entity, /, *, since=None, cursor=None",
            "self, name, since=None, cursor=None",
            "self, *args, **kwargs",
            "self, entity, **kwargs",
            "self, *args, since=None, cursor=None",
            "self, entity, cursor=None, since=None, tenant=None, *more",
        ],
    )
    def test_of_fetch_data_that_fit(self, parameters: str) -> None:
        assert conforms(having(fetch_data=written(f"async def method({parameters}): yield")))

    @pytest.mark.parametrize(
        ("method", "parameters", "said"),
        [
            ("connect", "self, url", "`url` has no default, and nobody gives it"),
            ("disconnect", "", "no `self`"),
            ("get_sample_data", "self, entity", "no `limit`"),
            ("get_sample_data", "self, entity, limit", "`limit` has no default"),
            ("get_sample_data", "self, entity, count=10", "`limit` is called `count`"),
            ("get_sample_data", "self, entity, limit=10, /", "`limit` cannot be given by keyword"),
            ("get_sample_data", "self, entity, *, limit=10", "`limit` cannot be given by position"),
            ("partition_data", "self, entity, since=None", "no `target`"),
        ],
    )
    def test_of_the_others_that_do_not_fit(self, method: str, parameters: str, said: str) -> None:
        assert found(method, written(f"async def method({parameters}): ...")) == said

    def test_of_the_optional_ones_that_fit(self) -> None:
        shop = having(
            get_sample_data=written("async def method(self, entity, limit=10): ..."),
            validate_config=written("def method(self): ..."),
            partition_data=written("async def method(self, entity, *, since=None, target): ..."),
        )
        assert {each.status for each in explain(shop).findings} == {"present"}

    def test_a_synchronous_optional_method_is_malformed(self) -> None:
        sampled = written("def method(self, entity, limit=10): ...")
        assert found("get_sample_data", sampled).startswith("synchronous")


def written(line: str) -> Any:
    """Give the function that a line of source defines."""
    namespace: dict[str, object] = {}
    exec(line, namespace)
    return namespace["method"]


class TestWhatFits:
    """Real connectors, and the ways to make a method that are not a plain `def`."""

    def test_somebodys_own_class(self) -> None:
        assert conforms(Shop())
        assert explain(Shop())["fetch_data"].found == "async generator"

    def test_the_connectors_of_the_kit(self) -> None:
        assert conforms(MockConnector())
        assert conforms(sources.Shop())

    @pytest.mark.parametrize("wrapper", stacks.WRAPPERS, ids=lambda each: each.cls.__name__)
    def test_every_wrapper_has_all_seven(self, wrapper: stacks.Wrapper) -> None:
        explanation = explain(object.__new__(wrapper.cls))
        assert [each.status for each in explanation.findings] == ["present"] * 7, str(explanation)

    @pytest.mark.parametrize("cls", stacks.INNERMOST, ids=lambda each: each.__name__)
    def test_every_wrapper_around_something_else_has_all_seven(self, cls: type[object]) -> None:
        explanation = explain(object.__new__(cls))
        assert [each.status for each in explanation.findings] == ["present"] * 7, str(explanation)

    def test_the_connector_of_the_readme(self) -> None:
        planes = runpy.run_path(str(EXAMPLES / "planes.py"))["Planes"]
        assert conforms(planes("http://127.0.0.1", "secret"))

    def test_an_attrs_class(self) -> None:
        @attrs.frozen
        class Fixed(Shop):
            url: str = "x"

        assert conforms(Fixed())

    def test_methods_that_are_set_on_an_instance_count_for_it_alone(self) -> None:
        odd, plain = Shop(), Shop()
        assert conforms(odd)
        odd.__dict__["fetch_data"] = list
        odd.__dict__["connect"] = 3
        assert not conforms(odd)
        assert conforms(plain)

    def test_methods_in_slots_count_for_each_instance(self) -> None:
        @attrs.define
        class Made:
            connect: object
            disconnect: object
            discover_schema: object
            fetch_data: object

        fine = Shop()
        assert conforms(Made(fine.connect, fine.disconnect, fine.discover_schema, fine.fetch_data))
        assert not conforms(Made(3, fine.disconnect, fine.discover_schema, fine.fetch_data))
        assert explain(Made)["connect"].found == "attribute of instances"

    def test_partials_lambdas_static_methods_and_callables(self) -> None:
        class Connect:
            async def __call__(self) -> None: ...

        hard = written("async def method(self, hard): ...")

        class Odd:
            connect = Connect()
            disconnect: Any = partialmethod(hard, hard=True)
            discover_schema = lambda self: sources.Shop().discover_schema()  # noqa: E731 - a lambda is what is tried
            fetch_data = staticmethod(partial(pages, size=3))

        explanation = explain(Odd())
        assert explanation.ok, str(explanation)
        assert explanation["connect"].found == "async method"
        assert explanation["discover_schema"].found == "callable"

    def test_a_class_whose_own_methods_are_bound_is_a_connector(self) -> None:
        async def call() -> None: ...

        class Single:
            connect = staticmethod(call)
            disconnect = staticmethod(call)
            fetch_data = staticmethod(pages)

            @classmethod
            async def discover_schema(cls) -> None: ...

        assert conforms(Single)
        assert conforms(Single())

    def test_what_a_decorator_changes_is_not_judged(self) -> None:
        def later(function: Callable[..., object]) -> Callable[..., object]:
            @functools.wraps(function)
            def wrapper(*args: object, **kwargs: object) -> object:
                return function(*args, **kwargs)

            return wrapper

        assert conforms(having(connect=later(Shop.connect), disconnect=later(lambda _: None)))

    def test_a_coroutine_of_the_old_kind_is_one(self) -> None:
        @coroutine
        def connect(self: object) -> Generator[None]:
            yield

        assert conforms(having(connect=connect))

    def test_a_callable_without_a_signature_is_taken_at_its_word(self) -> None:
        assert conforms(having(validate_config=staticmethod(type)))

    def test_a_signature_that_is_none_is_not_judged(self) -> None:
        class Strange:
            __signature__ = "strange"

            def __call__(self) -> None: ...

        assert conforms(having(validate_config=Strange()))

    def test_properties_are_not_read(self) -> None:
        class Careful(Shop):
            @property
            def validate_config(self) -> Callable[[], None]:
                raise AssertionError

            @cached_property
            def get_sample_data(self) -> Callable[..., Any]:
                raise AssertionError

        assert conforms(Careful())
        assert explain(Careful())["validate_config"].found == "property, not looked into"
        assert explain(Careful)["validate_config"].found == "attribute of instances"

    def test_nothing_is_called(self) -> None:
        def refuse(*_: object, **__: object) -> Awaitable[None]:
            raise AssertionError

        every = {each.name: refuse for each in (*METHODS, *CAPABILITIES)}
        assert len(explain(having(**every)).findings) == 7

    def test_what_is_forwarded_is_looked_at(self) -> None:
        class Proxy:
            def __init__(self, inner: object) -> None:
                self.inner = inner

            def __getattr__(self, name: str) -> object:
                if self.inner is None:
                    raise RuntimeError(name)
                return getattr(self.inner, name)

        assert conforms(Proxy(Shop()))
        assert explain(Proxy(None))["connect"].status == "missing"
        assert explain(Proxy(object()))["connect"].status == "missing"


class TestAnswer:
    """The value that is given."""

    def test_it_is_kept_per_class(self) -> None:
        assert explain(Shop()) is explain(Shop())

    def test_a_class_that_is_gone_is_forgotten(self) -> None:
        shop = having(connect=None)
        explain(shop)
        cls = weakref.ref(type(shop))
        del shop
        gc.collect()
        assert cls() is None

    def test_it_reads_as_a_table_with_the_lines_to_write_below(self) -> None:
        lines = str(explain(having(connect=None, validate_config=Shop.connect))).splitlines()
        assert lines[0] == "Shop is no connector"
        assert [line.split()[:2] for line in lines[2:10]] == [
            ["method", "status"],
            ["connect", "malformed"],
            ["disconnect", "present"],
            ["discover_schema", "present"],
            ["fetch_data", "present"],
            ["get_sample_data", "defaulted"],
            ["validate_config", "malformed"],
            ["partition_data", "defaulted"],
        ]
        assert lines[10:] == [
            "",
            "write",
            "    async def connect(self) -> None:",
            "    def validate_config(self) -> None:",
        ]

    def test_it_says_what_mends_the_whole_above_the_table(self) -> None:
        lines = str(explain(Shop)).splitlines()
        assert lines[:2] == [
            "Shop is no connector",
            "  Shop is a class; expected an instance; call it: `Shop(...)`",
        ]
        assert "write" not in lines
        assert str(explain(Shop())).startswith("Shop is a connector\n")

    @pytest.mark.parametrize("expected", [*METHODS, *CAPABILITIES], ids=lambda each: each.name)
    def test_the_line_to_write_fits(self, expected: Any) -> None:
        """Written as it stands, with a body, it makes the method present."""
        source = f"from __future__ import annotations\n{expected.line}\n    {'yield' if expected.gives == 'pages' else '...'}"
        namespace: dict[str, object] = {}
        exec(source, namespace)
        assert explain(having(**{expected.name: namespace[expected.name]}))[expected.name].status == "present"

    def test_the_public_names_are_these(self) -> None:
        assert connector_kit.explain is explain
        assert connector_kit.conforms is conforms
        assert isinstance(explain(3), connector_kit.Explanation)


class TestWhoAsks:
    """What is given something else says so before anything happens."""

    def test_protect(self) -> None:
        with pytest.raises(
            ConfigError, match=r"protect\(\) was given 'Shop'[^\n]*\n  fetch_data: 'int', which cannot"
        ):
            protect(having(fetch_data=3))  # type: ignore[arg-type]  # on purpose
        assert conforms(protect(sources.Shop()))

    @pytest.mark.anyio
    async def test_connected(self) -> None:
        with pytest.raises(ConfigError, match=r"connected\(\) was given 'Shop'") as raised:
            async with connected(Shop):  # type: ignore[type-var]  # on purpose
                raise AssertionError
        assert [problem.given for problem in raised.value.problems] == ["Shop is a class"]

    @pytest.mark.anyio
    async def test_sync(self) -> None:
        with pytest.raises(ConfigError, match=r"sync\(\) was given 'Blocking\w*'[^\n]*\n  .*Threaded"):
            await sync(blocking(sources.Shop()), MemoryDestination())  # type: ignore[arg-type]  # on purpose
