"""Connectors are found by what a person writes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.connectors.rest import RestConfig
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.redaction import Secret
from connector_kit.registry.connectors import config_class, locate
from connector_kit.registry.entry_points import installed
from connector_kit.registry.factories import GROUP, NoSettings, find_factory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOP = '''
"""Somebody's own connectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from connector_kit.redaction import Secret

if TYPE_CHECKING:
    from connector_kit.clock import Clock


@attrs.frozen
class ShopConfig:
    url: str
    token: Secret = Secret("none")


class Shop:
    """Reads a shop.

    More about it.
    """

    def __init__(self, config: ShopConfig, *, clock: Clock | None = None) -> None:
        self.config = config

    async def connect(self): ...
    async def disconnect(self): ...
    async def discover_schema(self): ...
    async def fetch_data(self, entity, /, *, since=None, cursor=None): yield


@attrs.define
class AttrsShop(Shop):
    config: ShopConfig


class Factories:
    @staticmethod
    def make() -> Shop:
        return Shop(ShopConfig("made"))


def make() -> Shop:
    return Factories.make()


def make_with(size: int = 3, *args: int, **more: int) -> Shop:
    return make()


def make_from(size: int, *, colour: str) -> Shop:
    return make()


def make_unknown(config: Nowhere = None) -> Shop:
    return make()


async def make_later() -> Shop:
    return make()


def make_half() -> object:
    class Half:
        connect = None

        async def disconnect(self): ...

    return Half()


a_connector = make()
number = 5
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with somebody's module; sys.path has no way to it but the one that is made on use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "nowhere")  # what is changed from here on is undone after the test
    sys.path[:] = [entry for entry in sys.path if entry]
    (tmp_path / "own_shop.py").write_text(SHOP)
    yield tmp_path
    sys.modules.pop("own_shop", None)


def refused(text: str, **settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        locate(text, settings).make()
    return str(caught.value)


def test_installed_connectors_are_found_by_name() -> None:
    assert {"mock", "rest"} <= set(installed(GROUP))
    found = locate("mock", {"size": 7, "latency": "5ms"})
    connector = found.make()
    assert isinstance(connector, MockConnector)
    assert connector.config == MockConfig(size=7, latency=Duration(0.005))
    assert (found.name, found.settings, dict(found.entities)) == ("mock", MockConfig, {})
    assert found.make() is not connector


def test_the_config_class_is_read_off_the_first_parameter() -> None:
    assert find_factory("mock").settings is MockConfig
    assert find_factory("rest").settings is RestConfig


def test_an_unknown_name_gives_the_nearest_one() -> None:
    assert refused("mcok").endswith("did you mean 'mock'?")
    assert "expected one of mock, rest" in refused("salesforce")


@pytest.mark.parametrize("attribute", ["Shop", "AttrsShop"])
def test_a_class_of_somebodys_own_gets_its_settings(folder: Path, attribute: str) -> None:
    found = locate(f"own_shop:{attribute}", {"url": "http://x", "token": "s3cret"})
    config = found.make().config  # type: ignore[attr-defined]  # of the class in the text above
    assert (config.url, config.token) == ("http://x", Secret("s3cret"))
    assert found.name == f"own_shop:{attribute}"
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize("attribute", ["make", "make_with", "make_unknown", "Factories.make"])
def test_a_factory_without_a_config_class_is_called_as_it_is(folder: Path, attribute: str) -> None:
    found = locate(f"own_shop:{attribute}")
    assert found.settings is NoSettings
    assert found.make().config.url == "made"  # type: ignore[attr-defined]  # of the class in the text above
    assert "settings.size: an unknown key" in refused(f"own_shop:{attribute}", size=3)


def test_the_summary_is_the_first_line_of_the_documentation(folder: Path) -> None:
    assert find_factory("own_shop:Shop").summary == "Reads a shop."
    assert find_factory("own_shop:make").summary == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("own_shop:mkae", "own_shop has no 'mkae'; expected a class or a function there; did you mean 'make'?"),
        ("own_shop:zzzz", "it has AttrsShop"),
        ("own_shop:number", "own_shop:number is 'int', which cannot be called"),
        ("own_shop:a_connector", "own_shop:a_connector is 'Shop', which cannot be called"),
        ("own_shop:make_from", "own_shop:make_from wants size, colour; expected no parameter without a default"),
        ("own_shop:make_later", "own_shop:make_later gives a coroutine"),
        ("own_shop:make_half", "own_shop:make_half gives 'Half', which is no connector; expected an object with the four async methods"),
        ("own_shop:Shop", "settings.url: missing"),
        ("own_shpo:make", "no module 'own_shpo'"),
        ("own_shop.deeper:make", "no module 'own_shop.deeper'"),
        ("own shop:make", "'own shop' is no name of a module"),
        (":make", "'' is no name of a module"),
        ("own_shop:", "own_shop has no ''"),
        ("builtins:dict", "builtins:dict gives 'dict', which is no connector"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_connector_is_refused_with_the_reason(folder: Path, text: str, said: str) -> None:
    assert said in refused(text)


def test_a_module_that_cannot_be_imported_says_why(folder: Path) -> None:
    (folder / "broken_shop.py").write_text("1 / 0")
    assert "broken_shop cannot be imported: ZeroDivisionError: division by zero" in refused(
        "broken_shop:make"
    )
    (folder / "poor_shop.py").write_text("import not_installed_at_all.client")
    assert "poor_shop needs the module 'not_installed_at_all', which is not installed" in refused(
        "poor_shop:make"
    )
    (folder / "honest_shop.py").write_text(
        "from connector_kit.errors import ConfigError\nraise ConfigError('not on this system')"
    )
    assert refused("honest_shop:make") == "not on this system"


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("shop_client", "install the extra: pip install 'shops[client]'"),
        ("shop_client.deeper", "install the extra: pip install 'shops[client]'"),
        ("till", "install what brings it: pip install till"),
    ],
)
def test_what_an_installed_connector_lacks_is_named_with_what_brings_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, remedy: str
) -> None:
    information = folder / "shops-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shops\nVersion: 1.0\nRequires-Dist: attrs\n"
        "Requires-Dist: shop-client>=2; extra == 'client'\n"
    )
    (information / "entry_points.txt").write_text(
        "[connector_kit.connectors]\nshops = shops_connector:make\n"
    )
    (folder / "shops_connector.py").write_text(f"import {module}")
    monkeypatch.syspath_prepend(folder)
    said = refused("shops")
    assert f"shops_connector needs the module '{module.partition('.')[0]}'" in said
    assert said.endswith(remedy)


FILE = """
connector = "mock"

[settings]
size = 7

[resilience]
rate = "10/s"

[entities.orders]
mode = "replace"
"""


def test_a_file_names_a_connector_and_how_it_is_run(folder: Path) -> None:
    (folder / "orders.toml").write_text(FILE)
    found = locate("orders.toml")
    connector = found.make()
    assert isinstance(connector, MockConnector)
    assert connector.config.size == 7
    assert (found.name, str(found.resilience.rate)) == ("orders", "10/s")
    assert {name: options.mode for name, options in found.entities.items()} == {"orders": "replace"}


def test_the_name_in_a_file_goes_before_the_name_of_the_file(folder: Path) -> None:
    (folder / "orders.toml").write_text(f'name = "shop"\n{FILE}')
    assert locate("orders.toml").name == "shop"


def test_settings_go_before_those_of_the_file(folder: Path) -> None:
    (folder / "orders.toml").write_text(FILE)
    connector = locate("orders.toml", {"size": 8, "seed": 2}).make()
    assert isinstance(connector, MockConnector)
    assert connector.config == MockConfig(size=8, seed=2)


def test_all_problems_of_a_file_are_in_one_error(folder: Path) -> None:
    (folder / "bad.toml").write_text(
        FILE.replace("7", '"7"').replace("10/s", "often").replace("mode", "made")
    )
    said = refused("bad.toml")
    assert "3 problems" in said
    assert all(path in said for path in ("settings.size", "resilience.rate", "entities.orders.made"))


def test_a_file_with_a_connector_that_is_not_there_tells_the_nearest(folder: Path) -> None:
    (folder / "bad.toml").write_text('connector = "mcok"\nnmae = "x"')
    said = refused("bad.toml")
    assert "did you mean 'mock'?" in said
    assert "nmae" in said


def test_a_file_that_is_not_there_gives_the_nearest_one(folder: Path) -> None:
    (folder / "orders.toml").write_text(FILE)
    assert "did you mean 'oders.toml'" not in refused("oders.toml")
    assert refused("oders.toml").endswith("did you mean 'orders.toml'?")
    assert refused("zzz/oders.toml").endswith("create it, or correct the path")


def test_the_config_class_of_a_file_needs_no_more_than_its_connector(folder: Path) -> None:
    (folder / "api.toml").write_text('connector = "rest"\nnonsense = 1')
    assert config_class("api.toml") is RestConfig
    assert config_class("mock") is MockConfig
    (folder / "none.toml").write_text("size = 5")
    with pytest.raises(ConfigError, match="does not say which connector"):
        config_class("none.toml")
