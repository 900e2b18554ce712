"""How HTTP is spoken: what goes out and comes back, proxies, certificates, and what is left when a read is given up."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
import threading
import traceback
import zlib
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, SSLContext, create_default_context
from typing import TYPE_CHECKING, Any

import anyio
import httpcore2
import pytest
from anyio import lowlevel, to_thread
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rest_server import PATIENCE, Asked, Said, TableApi, serving

from connector_kit.connectors.rest import LinkHeader, NextUrl, Offset, Resource, RestConfig, RestConnector
from connector_kit.connectors.rest.network import AnyioBackend
from connector_kit.errors import ConfigError, ConnectionFailedError, ConnectorError
from connector_kit.records.catalog import Scalar
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_connector
from connector_kit.testing.conformance.http_proxy import HttpProxy
from connector_kit.testing.conformance.wire import Reset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDS = [{"id": number, "at": f"2024-01-01T00:0{number}:00Z"} for number in range(9)]
PAGED = Resource(
    "/things",
    "data.items",
    pagination=Offset(total="total"),
    primary_key="id",
    fields={"id": Scalar.INTEGER, "at": Scalar.DATETIME},
)


async def read(url: str, resource: Resource = PAGED, **options: Any) -> list[Any]:
    """Connect, read everything and disconnect."""
    connector = RestConnector(RestConfig(url, {"things": resource}, **options))
    await connector.connect()
    try:
        return [record async for page in connector.fetch_data("things") for record in page.records]
    finally:
        await connector.disconnect()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_laws_of_a_connector_hold(backend: str) -> None:
    """With faults on the wire, too."""
    with serving(TableApi(RECORDS, "offset")) as server, HttpProxy(server.url) as proxy:
        config = RestConfig(proxy.url, {"things": PAGED})
        bounds = Bounds(plans=5)
        report = anyio.run(
            partial(
                check_connector, lambda: RestConnector(config), bounds=bounds, wire=proxy, backend=backend
            )
        )
    assert report.ok, str(report)


@pytest.mark.anyio
async def test_a_request_on_a_connection_that_breaks_is_not_repeated_unseen() -> None:
    """Limits, budgets and counts of attempts are kept by wrappers, which would not hear of it."""
    with serving(TableApi(RECORDS, "offset")) as server, HttpProxy(server.url) as proxy:
        proxy.fail([None, Reset()])
        with pytest.raises(ConnectionFailedError, match="broke before"):
            await read(proxy.url)
        assert proxy.requests == 2


@pytest.mark.anyio
async def test_a_target_goes_out_as_the_server_gave_it() -> None:
    """But for what cannot stand in a request line."""
    there = "/things;v=1/%7Ex?a=%2F%2f&b=x+y&c={|}&d=ü \"<>&e=100%&f='"
    with serving(
        lambda asked: Said(json.dumps({"things": [], "next": None if asked.params else there}))
    ) as server:
        assert await read(server.url, Resource("/things", "things", pagination=NextUrl())) == []
    assert server.asked[1].target == (
        "/things;v=1/%7Ex?a=%2F%2f&b=x+y&c={|}&d=%C3%BC%20%22%3C%3E&e=100%25&f='"
    )


@pytest.mark.anyio
@pytest.mark.parametrize("names", [("Link", "LINK"), ("LINK", "Link")])
async def test_a_header_that_comes_twice_is_read_as_one(names: tuple[str, str]) -> None:
    """Whichever of the two says what is next."""
    first, following = names
    both = {first: '</things>; rel="first"', following: '</things?p=2>; rel="next"'}

    def answering(asked: Asked) -> Said:
        links = {} if asked.params else {name: both[name] for name in ("Link", "LINK")}
        return Said(json.dumps([{"p": asked.params.get("p")}]), headers=links)

    with serving(answering) as server:
        records = await read(server.url, Resource("/things", pagination=LinkHeader()))
    assert records == [{"p": None}, {"p": "2"}]


@pytest.mark.anyio
async def test_a_long_header_is_read() -> None:
    """A cursor in a Link header may have a few kilobytes."""
    cursor = "c" * 20_000

    def answering(asked: Asked) -> Said:
        links = {} if asked.params else {"Link": f'</things?p={cursor}>; rel="next"'}
        return Said(json.dumps([{"p": asked.params.get("p")}]), headers=links)

    with serving(answering) as server:
        records = await read(server.url, Resource("/things", pagination=LinkHeader()))
    assert records == [{"p": None}, {"p": cursor}]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
    ],
    ids=["gzip", "deflate", "deflate without its head"],
)
async def test_a_packed_body_is_unpacked(encoding: str, pack: Any) -> None:
    records = [{"id": number, "text": "x" * 1000} for number in range(3000)]
    said = Said(pack(json.dumps(records).encode()), headers={"Content-Encoding": encoding})
    with serving(lambda _: said) as server:
        assert await read(server.url, Resource("/things")) == records
    assert {"gzip", "deflate"} <= set(server.asked[0].headers["accept-encoding"].split(", "))


@pytest.mark.anyio
async def test_a_cookie_comes_back_to_the_server_that_set_it() -> None:
    """APIs behind a load balancer keep a client on one machine so."""
    api = TableApi(RECORDS, "offset")

    def answering(asked: Asked) -> Said:
        said = api(asked)
        return Said(said.body, headers={"Set-Cookie": "node=a/b=1; Path=/; HttpOnly"})

    with serving(answering) as server:
        assert await read(server.url) == RECORDS
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, "node=a/b=1", "node=a/b=1"]


@pytest.mark.anyio
async def test_a_cookie_of_the_config_stays_the_only_one() -> None:
    """Of two Cookie headers a server may take either."""
    with serving(lambda _: Said(headers={"Set-Cookie": "node=1"})) as server:
        connector = RestConnector(
            RestConfig(server.url, {"things": Resource("/things")}, headers={"Cookie": "mine=2"})
        )
        await connector.connect()
        for _ in range(2):
            assert [page async for page in connector.fetch_data("things")] == []
        await connector.disconnect()
    assert [(asked.headers["cookie"], asked.names.count("cookie")) for asked in server.asked] == [
        ("mine=2", 1)
    ] * 2


@pytest.mark.anyio
async def test_a_redirect_may_lead_to_a_path_in_utf_8() -> None:
    """http.server writes a header's characters as single bytes: these are those of UTF-8."""
    there = "/café".encode().decode("latin-1")

    def answering(asked: Asked) -> Said:
        return Said("[]") if asked.path != "/things" else Said(status=302, headers={"Location": there})

    with serving(answering) as server:
        assert await read(server.url, Resource("/things")) == []
    assert server.asked[1].target == "/caf%C3%A9"


@pytest.mark.anyio
async def test_a_host_that_cannot_be_one_is_told_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match=r"'256\.1\.1\.1:80', which is no host"):
        await read("http://256.1.1.1")


@pytest.mark.anyio
async def test_a_cookie_goes_out_only_below_the_path_where_it_was_set() -> None:
    resources = {"deep": Resource("/deep/things"), "other": Resource("/other")}
    with serving(lambda _: Said(headers={"Set-Cookie": "node=1"})) as server:
        connector = RestConnector(RestConfig(server.url, resources))
        await connector.connect()
        for entity in ("deep", "deep", "other"):
            _ = [page async for page in connector.fetch_data(entity)]
        await connector.disconnect()
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, "node=1", None]


@pytest.mark.anyio
async def test_a_header_of_the_config_goes_out_once_in_place_of_the_kits_own() -> None:
    """Whatever its case: of two, each server would take another one."""
    given = {"accept": "text/json", "HOST": "shop.example", "user-agent": "shop/1"}
    with serving(TableApi([], "offset")) as server:
        await read(server.url, headers=given)
    [asked] = server.asked
    assert asked.names == ["accept", "accept-encoding", "host", "user-agent"]
    assert [asked.headers[name.lower()] for name in given] == list(given.values())


@pytest.mark.anyio
async def test_requests_say_who_asks_and_for_what() -> None:
    with serving(TableApi([], "offset")) as server:
        await read(server.url)
        await read(server.url, headers={"user-agent": "shop/1"})
    assert [asked.headers["user-agent"] for asked in server.asked] == ["connector-kit", "shop/1"]
    assert [asked.headers["accept"] for asked in server.asked] == ["application/json"] * 2


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the environment of a test name no proxy but its own."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used(no_proxies: pytest.MonkeyPatch, name: str) -> None:
    with serving(TableApi(RECORDS, "offset")) as proxy:
        no_proxies.setenv(name, proxy.url.replace("http://", "http://me:pass@"))
        assert await read("http://shop.invalid/") == RECORDS
    assert proxy.asked[0].target.startswith("http://shop.invalid/things?")
    assert {asked.headers["proxy-authorization"] for asked in proxy.asked} == {"Basic bWU6cGFzcw=="}


@pytest.mark.anyio
@pytest.mark.parametrize("names", ["example.com, 127.0.0.1", "example.com,127.0.0.0/8", "*"])
async def test_a_host_that_no_proxy_names_is_asked_itself(no_proxies: pytest.MonkeyPatch, names: str) -> None:
    no_proxies.setenv("http_proxy", "http://proxy.invalid")
    no_proxies.setenv("no_proxy", names)
    with serving(TableApi(RECORDS, "offset")) as server:
        assert await read(server.url) == RECORDS


@pytest.mark.anyio
@pytest.mark.parametrize("names", ["example.com, 127.0.0.2", "10.0.0.0/8", "shop.invalid/8"])
async def test_a_host_that_no_proxy_does_not_name_is_asked_through_the_proxy(
    no_proxies: pytest.MonkeyPatch, names: str
) -> None:
    with serving(TableApi(RECORDS, "offset")) as proxy:
        no_proxies.setenv("http_proxy", proxy.url)
        no_proxies.setenv("no_proxy", names)
        assert await read("http://127.0.0.1:1/") == RECORDS
    assert proxy.asked[0].target.startswith("http://127.0.0.1:1/things?")


@pytest.mark.anyio
async def test_a_proxy_that_is_not_there_or_refuses_is_an_unreachable_host(
    no_proxies: pytest.MonkeyPatch,
) -> None:
    no_proxies.setenv("all_proxy", "http://me:pl4nted@127.0.0.1:1")
    with pytest.raises(ConnectionFailedError, match=r"cannot connect to shop\.invalid:80") as caught:
        await read("http://shop.invalid")
    assert "pl4nted" not in repr((caught.value, caught.value.__cause__))
    with serving(lambda _: Said()) as proxy:
        no_proxies.setenv("all_proxy", proxy.url)  # it knows no CONNECT
        with pytest.raises(ConnectionFailedError, match=r"cannot connect to shop\.invalid:443: .*501"):
            await read("https://shop.invalid")


@pytest.mark.anyio
async def test_a_proxy_that_is_no_url_is_told_without_its_password(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("http_proxy", "http://me:pl4nted@proxy:port")
    with pytest.raises(
        ConfigError, match="the proxy that the environment names for http cannot be used"
    ) as caught:
        await read("http://shop.invalid")
    assert "pl4nted" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


@pytest.mark.anyio
async def test_a_proxy_that_cannot_be_used_is_told_by_its_scheme_and_not_its_password(
    no_proxies: pytest.MonkeyPatch,
) -> None:
    no_proxies.setenv("all_proxy", "gopher://me:pl4nted@127.0.0.1:1")
    with pytest.raises(
        ConfigError, match=r"has the scheme 'gopher'; expected one of http, https, socks5"
    ) as caught:
        await read("http://shop.invalid")
    assert "pl4nted" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.anyio
async def test_a_socks_proxy_without_its_package_names_it(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("all_proxy", "socks5://me:pl4nted@127.0.0.1:1")
    no_proxies.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigError, match=r"'socks5'.* needs the package socksio") as caught:
        await read("http://shop.invalid")
    assert "pl4nted" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.anyio
async def test_a_hundred_connections_are_the_most_and_waiting_for_one_is_no_time_to_connect() -> None:
    together = threading.Barrier(100)
    turns = iter(range(120))

    def answering(_: Asked) -> Said:
        if next(turns) < 100:
            together.wait(PATIENCE)
        return Said('[{"id": 1}]')

    with serving(answering) as server:
        config = RestConfig(server.url, {"things": Resource("/things")}, connect_timeout=5)
        connector = RestConnector(config)
        await connector.connect()
        seen: list[Any] = []

        async def read_once() -> None:
            seen.extend([page.records async for page in connector.fetch_data("things")])

        async with anyio.create_task_group() as tasks:
            for _ in range(120):
                tasks.start_soon(read_once)
        await connector.disconnect()
    assert (len(seen), server.opened) == (120, 100)


@pytest.mark.anyio
async def test_a_read_that_is_cancelled_at_any_moment_leaves_nothing_behind(anyio_backend_name: str) -> None:
    """Neither a connection nor a task, and the next read works."""

    def tasks_now() -> int:
        return len(asyncio.all_tasks()) if anyio_backend_name == "asyncio" else 0

    with serving(TableApi(RECORDS, "offset")) as server:
        config = RestConfig(server.url.replace("127.0.0.1", "localhost"), {"things": PAGED})
        for steps in range(0, 120, 2):
            connector = RestConnector(config)
            await connector.connect()
            before = tasks_now()
            async with anyio.create_task_group() as tasks:

                async def read_all(connector: RestConnector = connector) -> None:
                    _ = [page async for page in connector.fetch_data("things")]

                tasks.start_soon(read_all)
                for _ in range(steps):
                    await lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            assert tasks_now() == before
            records = [record async for page in connector.fetch_data("things") for record in page.records]
            assert records == RECORDS
            await connector.disconnect()
            assert await to_thread.run_sync(server.wait_until_closed)


@pytest.mark.anyio
@pytest.mark.parametrize("sent", ["nothing", "half a body"])
async def test_a_disconnect_ends_the_requests_that_are_under_way(sent: str) -> None:
    asked, release = threading.Event(), threading.Event()

    def answering(_: Asked) -> Said:
        if sent == "nothing":
            asked.set()
            release.wait(PATIENCE)
            return Said()
        return Said('[{"id": 1}, {"id": 2}]', until=release)

    with serving(answering) as server:
        config = RestConfig(server.url, {"things": Resource("/things")})
        connector = RestConnector(config)
        await connector.connect()
        failures: list[ConnectorError] = []

        async def read_all() -> None:
            with pytest.raises(ConnectorError) as caught:
                _ = [page async for page in connector.fetch_data("things")]
            failures.append(caught.value)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read_all)
                await to_thread.run_sync((asked if sent == "nothing" else server.sending).wait, PATIENCE)
                await lowlevel.checkpoint()
                await connector.disconnect()
        release.set()
        assert await to_thread.run_sync(server.wait_until_closed)
    assert [type(failure) for failure in failures] == [ConnectionFailedError]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a key and a certificate of its own for 127.0.0.1 into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(written + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    """Run a server with this certificate, and give its URL."""
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(TableApi(RECORDS, "offset")) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield server.url.replace("http", "https")


@pytest.mark.anyio
async def test_a_server_whose_certificate_nobody_vouches_for_is_not_spoken_to(secure: str) -> None:
    with pytest.raises(ConnectionFailedError, match=r"cannot connect to .*certificate verify failed"):
        await read(secure)


@pytest.mark.anyio
async def test_what_tls_says_after_its_handshake_is_a_broken_connection(certificate: Path) -> None:
    """A server that wants a certificate of the client's says so to the first request."""
    wanting, trusting = SSLContext(PROTOCOL_TLS_SERVER), create_default_context(cafile=certificate)
    wanting.load_cert_chain(certificate)
    wanting.load_verify_locations(certificate)
    wanting.verify_mode = CERT_REQUIRED
    with serving(TableApi(RECORDS, "offset")) as server:
        server.socket = wanting.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        plain = await AnyioBackend().connect_tcp("127.0.0.1", server.server_port)
        secured = await plain.start_tls(trusting, "127.0.0.1")

        async def request() -> None:
            await secured.write(b"GET /things HTTP/1.1\r\n\r\n")
            await secured.read(1)

        with pytest.raises((httpcore2.ReadError, httpcore2.WriteError)):
            await request()
        await secured.aclose()


READING = """
import anyio, sys
from connector_kit.connectors.rest import *
async def read(url):
    resource = Resource("/things", "data.items", pagination=Offset(total="total"))
    connector = RestConnector(RestConfig(url, {"things": resource}))
    await connector.connect()
    print(*[record["id"] async for page in connector.fetch_data("things") for record in page.records])
    await connector.disconnect()
anyio.run(read, sys.argv[1], backend=sys.argv[2])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whom_to_trust_can_be_said_in_the_environment(secure: str, certificate: Path, backend: str) -> None:
    command = [sys.executable, "-W", "error", "-c", READING, secure, backend]
    found = subprocess.run(
        command,
        env=os.environ | {"SSL_CERT_FILE": str(certificate)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.stdout, found.stderr) == ("0 1 2 3 4 5 6 7 8\n", "")


@pytest.mark.anyio
async def test_without_httpx2_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector can be imported, and its configs checked; only connect needs the package."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "connector_kit.connectors.rest.transport", raising=False)
    connector = RestConnector(RestConfig("http://127.0.0.1:1", {"things": PAGED}))
    connector.validate_config()
    with pytest.raises(ConfigError, match=r"needs the package httpx2.*pip install 'connector-kit\[http\]'"):
        await connector.connect()
