"""What is taken for each type, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

import attrs
import pytest
from typing_extensions import TypeAliasType

from connector_kit.config.auth import ApiKey, Auth, Basic, Bearer, NoAuth
from connector_kit.config.structuring import make_converter, structure
from connector_kit.config.url import Url
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, Problem
from connector_kit.records.page import JsonValue
from connector_kit.redaction import Secret


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Word(str, Enum):  # noqa: UP042 (a str mixed in by hand, as much code still has it)
    YES = "yes"


class Level(IntEnum):
    LOW = 1


class Size:
    """A value read from text, by an author's class that the kit knows nothing of."""

    def __init__(self, width: int) -> None:
        self.width = width

    @classmethod
    def parse(cls, text: str) -> Size:
        if not text.endswith("px"):
            raise ValueError('a size like "10px"')
        return cls(int(text[:-2]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and other.width == self.width

    __hash__ = None  # type: ignore[assignment]  # not needed here


class Anything:
    @classmethod
    def parse(cls, text: str) -> Anything:
        return cls()


class Percent(float):
    """A float read from text alone: it has no `of`."""

    @classmethod
    def parse(cls, text: str) -> Percent:
        if not text.endswith("%"):
            raise ValueError('a share like "10%"')
        return cls(text[:-1])


UserId = NewType("UserId", int)
Alias = Annotated[int, "of something"]
Lazy = TypeAliasType("Lazy", tuple[int, ...])


def problems_of(annotation: Any, given: object, **kwargs: Any) -> list[str]:
    """Structure a value; give what is wrong with it, one line each."""
    with pytest.raises(ConfigError) as caught:
        structure(annotation, given, make_converter(**kwargs))
    assert caught.value.__context__ is None
    return [str(problem) for problem in caught.value.problems]


def structured(annotation: Any, given: object, **kwargs: Any) -> Any:
    return structure(annotation, given, make_converter(**kwargs))


NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (str, "x", "x"),
        (int, 3, 3),
        (float, 1.5, 1.5),
        (float, 3, 3.0),
        (bool, True, True),
        (None, None, None),
        (Any, {"x": [1]}, {"x": [1]}),
        (object, 1, 1),
        (datetime, NOON, NOON),
        (datetime, "2024-01-31T12:00:00Z", NOON),
        (date, date(2024, 1, 31), date(2024, 1, 31)),
        (date, "2024-01-31", date(2024, 1, 31)),
        (Literal["a", 1], 1, 1),
        (Literal["a", 1], "a", "a"),
        (Colour, "red", Colour.RED),
        (Colour, Colour.RED, Colour.RED),
        (Word, "yes", Word.YES),
        (Level, 1, Level.LOW),
        (Duration, "1m30s", Duration(90)),
        (Duration, 5, Duration(5)),
        (Duration, 0.5, Duration(0.5)),
        (Duration, Duration(3), Duration(3)),
        (Size, "10px", Size(10)),
        (Percent, "10%", Percent(10)),
        (Url, "https://example.com", Url("https://example.com")),
        (UserId, 3, 3),
        (Alias, 3, 3),
        (Lazy, [3], (3,)),
        (list, [1, "a"], [1, "a"]),
        (list[int], [1, 2], [1, 2]),
        (Sequence[int], [1, 2], (1, 2)),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple, [1, "a"], (1, "a")),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 2], {1, 2}),
        (set, ["a"], {"a"}),
        (AbstractSet[str], ["a"], frozenset({"a"})),
        (frozenset[str], {"a"}, frozenset({"a"})),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, UserId], {"a": 1}, {"a": 1}),
        (dict[Literal["a"], int], {"a": 1}, {"a": 1}),
        (dict, {"a": 1}, {"a": 1}),
        (int | None, None, None),
        (int | None, "none", None),
        (str | None, "none", "none"),
        (Literal["none", "all"] | None, "none", "none"),
        (int | str, "3", "3"),
        (float | int, 3, 3),
        (float | int, 3.0, 3.0),
        (Duration | Colour, "red", Colour.RED),
        (int | list[int], [1], [1]),
        (str | dict[str, int], {"a": 1}, {"a": 1}),
        (int | Any, "x", "x"),
        (int | (str | None), None, None),
        (Secret | None, "none", Secret("none")),
        (Secret | None, {"env": "TOKEN"}, Secret("t")),
    ],
)
def test_takes_what_the_type_says(annotation: Any, given: object, expected: object) -> None:
    result = structured(annotation, given, env={"TOKEN": "t"})
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "given", "said"),
    [
        (str, 3, "3; expected a string; write it in quotes"),
        (str, True, "true; expected a string; write it in quotes"),
        (str, None, "null; expected a string"),
        (str, ["x"], "a list; expected a string"),
        (str, b"x", "bytes; expected a string"),
        (int, "3", '"3"; expected an integer; write it without quotes'),
        (int, "three", '"three"; expected an integer'),
        (int, 1.0, "1.0; expected an integer"),
        (int, True, "true; expected an integer"),
        (int, {"a": 1}, "a table; expected an integer"),
        (float, "1e3", '"1e3"; expected a number; write it without quotes'),
        (float, True, "true; expected a number"),
        (float, float("nan"), "nan; expected a number; give a finite one"),
        (float, float("inf"), "inf; expected a number; give a finite one"),
        (float, 10**400, "an integer; expected a number; give a finite one"),
        (bool, "false", '"false"; expected true or false; write it without quotes'),
        (bool, 1, "1; expected true or false"),
        (None, 1, "1; expected null"),
        (datetime, NOON.replace(tzinfo=None), "add the offset, Z for UTC"),
        (datetime, "2024-01-31T12:00:00", "add the offset, Z for UTC"),
        (
            datetime,
            date(2024, 1, 31),
            '2024-01-31; expected a time with its offset, like "2024-01-31T08:00:00Z"',
        ),
        (datetime, "noon", '"noon"; expected a time'),
        (datetime, 5, "5; expected a time"),
        (date, NOON, "2024-01-31T12:00:00+00:00; expected a date"),
        (date, "20240131", '"20240131"; expected a date like "2024-01-31"'),
        (date, "2024-02-31", '"2024-02-31"; expected a date'),
        (Literal["a", 1], True, 'true; expected one of "a", 1'),
        (Literal["a"], "b", '"b"; expected "a"'),
        (Literal["evolve", 1], "evolv", '"evolv"; expected one of "evolve", 1; did you mean "evolve"?'),
        (Colour, "reed", '"reed"; expected one of "red", "blue"; did you mean "red"?'),
        (Level, 1.0, "1.0; expected 1"),
        (Duration, "fast", '"fast"; expected a duration like "30s"'),
        (Duration, -1, "-1; expected a duration of zero or more seconds, not -1"),
        (Duration, 10**400, "an integer; expected a duration of zero or more seconds"),
        (Duration, True, "true; expected a duration like"),
        (Duration, ["1s"], "a list; expected a duration like"),
        (Size, 10, '10; expected a size like "10px"'),
        (Percent, 10, '10; expected a share like "10%"'),
        (Anything, 10, "10; expected a Anything as text"),
        (Url, "example.com", '"example.com"; expected an absolute URL'),
        (Url, "ftp://me:s3cr3t@example.com", "a string; expected an absolute URL"),
        (Path, 5, "5; expected a path"),
        (list[int], "12", "a string; expected a list"),
        (list[int], {"a": 1}, "a table; expected a list"),
        (list[int], b"12", "bytes; expected a list"),
        (dict[str, int], [1], "a list; expected a table"),
        (tuple[int, str], [1], "a list of 1; expected a list of exactly 2"),
        (int | float | None, "x", '"x"; expected an integer, a number or "none"'),
        (int | None, "x", '"x"; expected an integer'),
        (int | list[int], {"a": 1}, "a table; expected an integer or a list"),
        (int | Secret, ["s3cr3t"], "a list; expected an integer or a secret"),
        (Duration | int | Secret, True, "a boolean; expected a duration"),
        (Secret, 5, 'an integer; expected a secret: a string, { env = "NAME" } or { file = "PATH" }'),
        (Basic, "me:s3cr3t", 'a string; expected a table with type = "basic"'),
        (Auth, "s3cr3t", 'a string; expected a table with type = "none", "api_key", "basic" or "bearer"'),
        (
            Auth | None,
            ["s3cr3t"],
            'a list; expected a table with type = "none", "api_key", "basic" or "bearer" or "none"',
        ),
    ],
)
def test_refuses_what_only_looks_like_it(annotation: Any, given: object, said: str) -> None:
    (line,) = problems_of(annotation, given)
    assert line.startswith("(top level): ")
    assert said in line
    assert "s3cr3t" not in line


def test_long_and_unprintable_values_are_shortened_and_escaped() -> None:
    (line,) = problems_of(int, "x" * 500)
    assert len(line) < 120
    (line,) = problems_of(int, "\ud800\n")
    assert r'"\ud800\n"' in line


def test_every_item_is_looked_at() -> None:
    assert problems_of(list[dict[str, int]], [{"a": "1"}, 5, {"b": 1, "a.b": True}]) == [
        '[0].a: "1"; expected an integer; write it without quotes',
        "[1]: an integer; expected a table",
        '[2]."a.b": true; expected an integer',
    ]
    assert problems_of(tuple[int, str], ["x", 1]) == [
        '[0]: "x"; expected an integer',
        "[1]: 1; expected a string; write it in quotes",
    ]
    assert problems_of(set[int], [1, "x", 1]) == [
        '[1]: "x"; expected an integer',
        "[2]: the same as [0]; expected values that differ; remove one of them",
    ]
    assert problems_of(set[Any], [1, [2]]) == ["[1]: a list; expected a single value"]
    assert problems_of(dict[Literal["a"], int], {"b": 1, 3: 1}) == [
        'b: "b"; expected "a"',
        "3: an integer as the key; expected a string as the key",
    ]


@attrs.frozen
class Inner:
    size: int = attrs.field(validator=attrs.validators.ge(1))
    word: str = attrs.field(default="x", validator=attrs.validators.min_len(1))


@attrs.frozen
class Outer:
    _name: str
    inner: Inner
    options: Mapping[str, Inner] = attrs.field(factory=dict)
    double: int = attrs.field(
        default=attrs.Factory(lambda self: 2, takes_self=True), validator=attrs.validators.ge(1)
    )


def test_all_that_is_wrong_with_a_class_is_told_at_once() -> None:
    given = {
        "inner": {"size": 0, "word": "", "sise": 2},
        "options": {"a": {"size": "1"}},
        "naem": "s3cr3t",
        "double": 0,
    }
    assert problems_of(Outer, given) == [
        "name: missing; expected a string; add name = …",
        "inner.sise: an unknown key; expected one of size, word; correct or remove it",
        "inner.size: 0; expected a value that is >= 1: 0",
        "inner.word: \"\"; expected a value that passes its check: Length of 'word' must be >= 1: 0",
        'options.a.size: "1"; expected an integer; write it without quotes',
        'naem: an unknown key; expected one of name, inner, options, double; did you mean "name"?',
        "double: 0; expected a value that is >= 1: 0",
    ]


def test_all_failing_validators_are_told_though_attrs_stops_at_the_first() -> None:
    assert [line.partition(":")[0] for line in problems_of(Inner, {"size": 0, "word": ""})] == [
        "size",
        "word",
    ]


def test_a_class_gets_defaults_and_ready_values() -> None:
    inner = Inner(3)
    assert structured(Outer, {"name": "n", "inner": inner}) == Outer("n", inner)
    assert structured(Outer, {"name": "n", "inner": {"size": 3}}) == Outer("n", inner)


def _positive(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    problems = [
        Problem(f"[{index}]", str(item), "a positive number") for index, item in enumerate(value) if item < 0
    ]
    if problems:
        raise ConfigError("wrong", problems)


def _below_high(instance: Any, attribute: attrs.Attribute[Any], value: int) -> None:
    if value >= instance.high:
        raise ValueError("low must be below high")


def _even(value: int) -> int:
    if value % 2:
        raise ValueError(f"an even number, not {value}")
    return value


def _wordless(value: int) -> int:
    if value == 13:
        raise ValueError
    return value


@attrs.frozen
class Checked:
    low: int = attrs.field(default=1, validator=_below_high)
    high: int = 10
    numbers: tuple[int, ...] = attrs.field(default=(), validator=_positive)
    even: int = attrs.field(default=2, converter=_even)
    near: int = attrs.field(
        default=3,
        converter=attrs.Converter(lambda value, field: _wordless(value), takes_field=True),  # type: ignore[misc]  # mypy knows no such converters
    )
    token: Secret = attrs.field(default=Secret("x"), validator=attrs.validators.instance_of(Secret))

    def __attrs_post_init__(self) -> None:
        if self.high == 66:
            raise ConfigError("not that", [Problem("high", "66", "another number")])
        if self.high == 77:
            raise ConfigError("the sum is unlucky")
        if self.high == 88:
            raise ValueError("the sum is too large")


def test_validators_and_converters_of_all_sorts_are_told_by_field() -> None:
    assert problems_of(Checked, {"low": 12, "numbers": [1, -1], "even": 3, "near": 13}) == [
        "even: 3; expected a value that passes its check: an even number, not 3",
        "near: 13; expected a value that passes its check: ValueError",
        "low: 12; expected a value that passes its check: low must be below high",
        "numbers[1]: -1; expected a positive number",
    ]


def test_a_validator_that_looks_at_a_broken_field_is_not_heard() -> None:
    assert problems_of(Checked, {"low": 12, "high": "x", "even": 3}) == [
        'high: "x"; expected an integer',
        "even: 3; expected a value that passes its check: an even number, not 3",
    ]


@pytest.mark.parametrize(
    ("high", "line"),
    [
        (66, "high: 66; expected another number"),
        (77, "(top level): the sum is unlucky; expected values that its own check accepts"),
        (88, "(top level): the sum is too large; expected values that fit together"),
    ],
)
def test_what_the_class_says_of_the_whole_is_told_at_its_place(high: int, line: str) -> None:
    assert problems_of(Checked, {"high": high}) == [line]
    if high == 77:
        (nested,) = problems_of(list[Checked], [{"high": high}])
        assert nested.startswith("[0]: the sum is unlucky")


@attrs.frozen
class BadDefault:
    size: int = attrs.field(default=0, validator=attrs.validators.ge(1))


def test_a_default_that_fails_its_own_validator_is_named_as_such() -> None:
    assert problems_of(BadDefault, {}) == ["size: its default; expected a value that is >= 1: 0"]


def _long(instance: object, attribute: attrs.Attribute[Any], value: Secret) -> None:
    if len(value.reveal()) < 10:
        raise ValueError(f"{value.reveal()} is too short")


@attrs.frozen
class Careless:
    """Its checks put what they were given into their messages."""

    token: Secret = attrs.field(default=Secret("x" * 10), validator=_long)
    url: Url = attrs.field(default=Url("https://a"))
    more: Mapping[str, list[Secret]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.url.host == "b":
            raise ValueError(f"{self.url.reveal()} is not ours")
        if self.more:
            raise ConfigError("no", [Problem("more", "given", f"not {self.more['a'][0].reveal()}")])


def test_a_careless_check_tells_no_secret_either() -> None:
    assert problems_of(Careless, {"token": {"env": "T"}}, env={"T": "s3cr3t"}) == [
        "token: a table; expected a value that passes its check: **** is too short"
    ]
    assert problems_of(Careless, {"url": "https://me:s3cr3t@b"}) == [
        "(top level): **** is not ours; expected values that fit together"
    ]
    assert problems_of(Careless, {"more": {"a": ["s3cr3t"]}}) == ["more: given; expected not ****"]


@attrs.frozen
class Nested:
    inner: Nested | None = None


def test_nesting_without_end_is_a_problem_and_no_crash() -> None:
    given: dict[str, Any] = {}
    for _ in range(2_000):
        given = {"inner": given}
    assert problems_of(Nested, given) == [
        "(top level): tables nested too deeply; expected fewer levels; flatten it"
    ]


@attrs.frozen
class Empty:
    made: int = attrs.field(init=False, default=1)


def test_fields_that_init_does_not_take_are_no_keys() -> None:
    assert structured(Empty, {}) == Empty()
    assert problems_of(Empty, {"made": 2, 5: 1}) == [
        "made: an unknown key; expected an empty table; correct or remove it",
        "5: an unknown key; expected an empty table; correct or remove it",
    ]


@attrs.frozen
class Buggy:
    size: int = attrs.field(validator=lambda *_: dict[str, None]()["bug"])


def test_a_bug_in_a_validator_is_not_taken_for_a_problem_of_the_file() -> None:
    with pytest.raises(KeyError):
        structured(Buggy, {"size": 1})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "none"}, NoAuth()),
        ({"type": "bearer", "token": "t"}, Bearer(Secret("t"))),
        ({"type": "basic", "username": "me", "password": ""}, Basic("me", Secret(""))),
        (
            {"type": "api_key", "key": "k", "place": "query", "name": "key"},
            ApiKey(Secret("k"), "key", "query"),
        ),
        (Bearer(Secret("t")), Bearer(Secret("t"))),
    ],
)
def test_auth_is_told_apart_by_its_type(given: object, expected: object) -> None:
    assert structured(Auth, given) == expected
    assert structured(Auth | None, given) == expected


def test_an_unknown_or_missing_tag_lists_the_tags() -> None:
    tags = 'one of "none", "api_key", "basic", "bearer"'
    assert problems_of(Auth, {"type": "bearr", "token": "s3cr3t"}) == [
        f'type: "bearr"; expected {tags}; did you mean "bearer"?'
    ]
    assert problems_of(Auth, {"type": ["s3cr3t"]}) == [f"type: a list; expected {tags}"]
    assert problems_of(Auth, {"token": "s3cr3t"}) == [f"type: missing; expected {tags}; add type = …"]


def test_a_union_with_one_class_needs_no_tag() -> None:
    assert structured(Inner | str, {"size": 1}) == Inner(1)
    assert structured(Inner | str, "x") == "x"
    assert structured(Inner | None, "none") is None
    assert problems_of(Inner | str, {"size": 0}) == ["size: 0; expected a value that is >= 1: 0"]


def test_a_secret_is_given_as_it_is_or_as_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_bytes(b" from file \r\n")
    places = {"env": {"TOKEN": "from env"}, "base": tmp_path}
    assert structured(Secret, "literal", **places) == Secret("literal")
    assert structured(Secret, Secret("ready"), **places) == Secret("ready")
    assert structured(Secret, {"env": "TOKEN"}, **places) == Secret("from env")
    assert structured(Secret, {"file": "token.txt"}, **places) == Secret(" from file ")


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (
            {"env": "TOKEN"},
            ["(top level): environment variable TOKEN is not set; expected the secret in it; export TOKEN=…"],
        ),
        (
            {"env": "BLANK"},
            ["(top level): environment variable BLANK is empty; expected the secret in it; export BLANK=…"],
        ),
        # Somebody wrote the secret where its name belongs.
        (
            {"env": "s3cr3t"},
            [
                "(top level): the environment variable named here is not set; expected the secret in it; set it or correct its name"
            ],
        ),
        ({"env": 5}, ["env: an integer; expected the name of an environment variable"]),
        ({"file": ""}, ["file: an empty string; expected the path of a file"]),
        (
            {"enw": "s3cr3t"},
            [
                'enw: an unknown key; expected env or file; did you mean "env"?',
                '(top level): neither env nor file; expected one of them; write { env = "NAME" } or { file = "PATH" }',
            ],
        ),
        (
            {"env": "A", "file": "b", 5: "s3cr3t"},
            [
                "5: an unknown key; expected env or file; remove it",
                '(top level): both env and file; expected one of them; write { env = "NAME" } or { file = "PATH" }',
            ],
        ),
    ],
)
def test_a_secret_that_is_not_there_is_told_without_a_word_of_it(given: object, lines: list[str]) -> None:
    assert problems_of(Secret, given, env={"BLANK": ""}) == lines


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("s3cr3t", "No such file or directory"),
        (".", "Is a directory"),
        ("binary", "it is no UTF-8 text"),
        ("s3cr3t\0", "it is no UTF-8 text"),
        ("empty", "it is empty"),
    ],
)
def test_a_secret_file_that_gives_none_is_told_without_its_name_or_content(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "binary").write_bytes(b"s3cr3t\xff")
    (tmp_path / "empty").write_text("\n")
    (line,) = problems_of(Secret, {"file": name}, base=tmp_path)
    assert f"gives no secret: {reason}; expected a file with the secret in it" in line
    assert str(tmp_path) in line
    assert "s3cr3t" not in line


def test_paths_are_relative_to_the_base(tmp_path: Path) -> None:
    assert structured(Path, "x/y", base=tmp_path) == tmp_path / "x/y"
    assert structured(Path, Path("/x"), base=tmp_path) == Path("/x")
    assert structured(Path | None, "x") == Path("x")


@attrs.frozen
class Body:
    value: JsonValue = None


def test_json_values_stand_as_they_are() -> None:
    assert structured(Body, {"value": {"a": [1, None]}}) == Body({"a": [1, None]})


@attrs.frozen
class Untagged:
    token: str = ""


@attrs.frozen
class TwoClasses:
    either: Inner | Untagged | None = None


@attrs.frozen
class Unresolved:
    clock: Clock  # type: ignore[name-defined]  # noqa: F821 (as if imported for type checkers only)


@attrs.frozen
class Unsupported:
    blob: bytes = b""


@attrs.frozen
class Callback:
    call: Callable[[], None] | None = None


@pytest.mark.parametrize(
    ("cls", "given", "said"),
    [
        (TwoClasses, {"either": {}}, "cannot be told apart; give each a field of the same name"),
        (Unresolved, {"clock": 1}, "import them outside of `if TYPE_CHECKING`"),
        (Unsupported, {"blob": "x"}, "cannot have a field of type bytes; use an attrs class"),
        (Callback, {"call": "x"}, "cannot have a field of type"),
    ],
)
def test_a_class_that_can_be_no_config_is_its_authors_error(cls: type, given: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        structured(cls, given)


def test_an_author_can_hook_in_a_type_of_their_own() -> None:
    converter = make_converter()

    def blob(given: Any, _: Any) -> bytes:
        if not isinstance(given, str):
            raise ConfigError("a blob is hexadecimal text")
        return bytes.fromhex(given)

    converter.register_structure_hook(bytes, blob)
    assert structure(Unsupported, {"blob": "ff"}, converter) == Unsupported(b"\xff")
    with pytest.raises(ConfigError, match="blob: a blob is hexadecimal text; expected"):
        structure(Unsupported, {"blob": 5}, converter)
    with pytest.raises(ConfigError, match="a blob is hexadecimal text; expected"):
        structure(bytes, 5, converter)
    with pytest.raises(TypeError, match="cannot have a field of type bytes"):
        structured(Unsupported, {"blob": "ff"})
