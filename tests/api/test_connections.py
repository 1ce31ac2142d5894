"""What a connection may ask of a real server, byte by byte: sizes, times, numbers, and requests that are none."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from raw import CLOSE, GET, HOST, connect, exchange, parse, read_all, read_memory, statuses

from geoserver.api.connections import Limits
from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEGABYTE = b"a" * 2**20
MEMORY = 80 * 2**20  # bytes that hundreds of megabytes of requests may take at most
QUICK = Limits(request_time=0.5, idle_time=1.0, answer_time=1.0)


@pytest.fixture(scope="module")
def start(
    make_database: Callable[..., str], empty_template: str, serve: Callable[..., Any], tmp_path_factory: Any
) -> Callable[..., Any]:
    """`with start(limits=...) as server:`; without layers."""
    url = make_database(template=empty_template)

    def begin(workspace: Path | None = None, **options: Any) -> Any:
        settings = Settings(workspace=workspace or tmp_path_factory.mktemp("bare"), database_url=None)
        return serve(create_app(settings, url), url, **options)

    return begin


@pytest.fixture(scope="module")
def url(start: Callable[..., Any]) -> Iterator[str]:
    """A server with the limits that it has by default."""
    with start() as running:
        yield running.url


@pytest.fixture(scope="module")
def quick(start: Callable[..., Any]) -> Iterator[str]:
    """A server that waits for nobody."""
    with start(limits=QUICK) as running:
        yield running.url


TOO_LARGE = {
    "one header of a hundred megabytes": (431, [GET + b"X: ", *[MEGABYTE] * 100, b"\r\n\r\n"]),
    "one header that never ends": (431, [GET + b"X: ", *[MEGABYTE] * 20]),
    "one header name that never ends": (431, [GET, *[MEGABYTE] * 20]),
    "many headers": (431, [GET, *[b"X: " + b"b" * 8_000 + b"\r\n"] * 40_000, b"\r\n"]),
    "ten thousand small headers": (431, [GET + b"a:b\r\n" * 10_000 + b"\r\n"]),
    "three hundred small headers": (431, [GET + b"a:b\r\n" * 300 + b"\r\n"]),
    "a request line of a hundred megabytes": (414, [b"GET /", *[MEGABYTE] * 100, b" HTTP/1.1\r\n" + HOST + b"\r\n"]),
    "a long query": (414, [b"GET /healthz?" + b"q" * 61_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"]),
    "a method that never ends": (414, [*[MEGABYTE] * 100]),
    "nothing but blank lines": (431, [b"\r\n" * 100_000]),
    "a large body": (413, [GET + b"Content-Length: 100000000\r\n\r\n", *[MEGABYTE] * 100]),
}


@pytest.mark.parametrize(("status", "pieces"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_refused_and_not_read_to_its_end(url: str, status: int, pieces: list[bytes]) -> None:
    before = read_memory()
    (reply,) = exchange(url, pieces)
    assert reply.status == reply.problem["status"] == status
    assert reply.headers["connection"] == "close"
    assert read_memory() - before < MEMORY


@pytest.mark.parametrize("tail", [b"5;x=", b"0\r\nX: ", b"0\r\nX: y\r\nZ: "], ids=["extension", "trailer", "trailers"])
def test_a_chunked_body_is_no_way_around_the_limits(url: str, tail: bytes) -> None:
    before = read_memory()
    head = GET + b"Transfer-Encoding: chunked\r\n\r\n"
    assert set(statuses(url, [head + tail, *[MEGABYTE] * 100])) <= {200, 413}
    assert set(statuses(url, [head, *[b"100000\r\n" + MEGABYTE + b"\r\n"] * 100])) <= {200, 413}
    assert set(statuses(url, [head, *[b"1\r\na\r\n" * 100_000] * 10])) <= {200, 413}
    assert read_memory() - before < MEMORY


def test_trailers_are_no_headers(url: str) -> None:
    body = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nAccept-Encoding: br\r\nHost: evil.example\r\n\r\n"
    assert statuses(url, GET + body + GET + CLOSE) == [200, 200]


def test_the_second_request_on_a_connection_has_the_same_limits(url: str) -> None:
    assert statuses(url, [GET + b"\r\n" + GET + b"X: ", *[MEGABYTE] * 20]) == [200, 431]
    assert statuses(url, [GET + b"\r\n", GET + b"\r\n", b"GET /", *[MEGABYTE] * 20]) == [200, 200, 414]


def test_requests_in_a_row_are_answered_in_order_however_large_their_heads(url: str) -> None:
    large = GET + b"X: " + b"c" * 30_000 + b"\r\n\r\n"
    assert statuses(url, [large] * 40 + [GET + CLOSE]) == [200] * 41
    small = b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n" + GET + b"\r\n"
    assert statuses(url, small * 500 + GET + CLOSE) == [404, 200] * 500 + [200]


def flood(client: socket.socket, data: bytes) -> str:
    """Send it over and over: until the server takes no more, or closes."""
    try:
        while True:
            client.sendall(data)
    except TimeoutError:
        return "full"
    except ConnectionError:
        return "closed"


def test_a_hundred_megabytes_of_requests_in_a_row_take_no_memory(url: str) -> None:
    before = read_memory()
    requests = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20_000
    with connect(url) as client:
        client.settimeout(2)
        assert flood(client, requests) == "full"  # nobody reads the answers, so that nobody reads the requests either
        assert read_memory() - before < MEMORY
    assert statuses(url, GET + CLOSE) == [200]


def test_an_address_of_sixteen_thousand_encoded_characters_is_read(url: str) -> None:
    long = b"GET /tiles/x.json?filter=" + b"%27" * 16_000 + b" HTTP/1.1\r\n" + HOST
    (reply,) = exchange(url, long + CLOSE)
    assert reply.status == 404
    assert len(reply.body) < 1_000


MALFORMED = {
    "two lengths": GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": GET + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a length and chunks": GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": GET + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks that are not last": GET + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks among others": GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks twice": GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks misspelt": GET + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"GET /healthz HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length with a sign": GET + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": GET + b"Content-Length: -5\r\n\r\nhello",
    "a length in hexadecimal": GET + b"Content-Length: 0x5\r\n\r\nhello",
    "a list of lengths": GET + b"Content-Length: 5, 5\r\n\r\nhello",
    "an endless length": GET + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "a space before the colon": GET + b"Content-Length : 5\r\n\r\nhello",
    "a header without a colon": GET + b"nonsense\r\n\r\n",
    "a header without a name": GET + b": x\r\n\r\n",
    "a folded header": GET + b"X: a\r\n b\r\nY\x00: c\r\n\r\n",
    "a null in a header": GET + b"X: a\x00b\r\n\r\n",
    "a bare carriage return": GET + b"X: a\rY: b\r\n\r\n",
    "another version": b"GET /healthz HTTP/3.7\r\n" + HOST + b"\r\n",
    "HTTP/2": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "no version": b"GET /healthz \r\n" + HOST + b"\r\n",
    "a target with a space": b"GET /health z HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target without a slash": b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target of another kind": b"GET ftp://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target beyond ASCII": b"GET /h\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a handshake of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "noise": bytes(range(256)) * 4,
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused_and_closed(url: str, request_: bytes) -> None:
    (reply,) = exchange(url, request_ + GET + b"\r\n")
    assert reply.status == reply.problem["status"] == 400
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloX0\r\n\r\n", b"ffffffffffffffffff\r\n"])
def test_a_body_that_cannot_be_read_ends_the_connection(url: str, chunks: bytes) -> None:
    """The request is answered; what follows it must not be taken for another one."""
    request_ = GET + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + GET + b"\r\n"
    assert len(exchange(url, request_)) == 1


@pytest.mark.parametrize("method", [b"BREW", b"get", b"FOO-BAR", b"CONNECT", b"PATCH", b"PROPFIND", b"TRACE"])
def test_a_method_that_is_not_spoken_here_is_405_and_says_what_is(url: str, method: bytes) -> None:
    target = b"localhost:80" if method == b"CONNECT" else b"/healthz"
    (reply,) = exchange(url, method + b" " + target + b" HTTP/1.1\r\n" + HOST + CLOSE)
    assert reply.status == reply.problem["status"] == 405
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS"


def test_targets_and_versions_of_all_kinds_are_understood(url: str) -> None:
    for line in (b"GET http://localhost/healthz HTTP/1.1", b"GET HTTP://LOCALHOST:80/healthz HTTP/1.1"):
        assert statuses(url, line + b"\r\n" + HOST + CLOSE) == [200]
    assert statuses(url, b"GET /healthz HTTP/1.0\r\n\r\n") == [200]
    (reply,) = exchange(url, b"OPTIONS * HTTP/1.1\r\n" + HOST + CLOSE)
    assert (reply.status, reply.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "target",
    [b"//healthz", b"/../healthz", b"/%2e%2e/healthz", b"/%00", b"/%ff%fe", b"/%", b"/%zz", b"//evil.example/%2e%2e",
     b"/api/layers/%ff", b"/api/layers/%00/summary", b"/assets/%00", b"/assets/%ff", b"/assets/..%2f..%2fetc",
     b"/styles/%ff.json", b"/fonts/%ff/0-255.pbf", b"/tiles/%ff/1/0/0.mvt", b"/tiles/%00.json", b"/tiles/a/1/0/%ff.mvt",
     b"/ogc/collections/%ff", b"/ogc/collections/%00/items", b"/ogc/collections/x/items/%ff"],
)  # fmt: skip
def test_odd_paths_are_not_found(url: str, target: bytes) -> None:
    for query in (b"", b"?%ff=%fe", b"?a=%00", b"?&&==;", b"?" + b"x" * 5_000):
        (reply,) = exchange(url, b"GET " + target + query + b" HTTP/1.1\r\n" + HOST + CLOSE)
        assert reply.status in (400, 404)
        assert reply.problem["detail"]
        assert len(reply.body) < 3_000


def test_a_request_to_change_the_protocol_is_answered_in_this_one_and_nothing_more_is_read(url: str) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    (reply,) = exchange(url, GET + upgrade + GET + b"\r\n")
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    smuggled = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 60\r\n\r\n" + GET + b"\r\n"
    assert statuses(url, GET + smuggled) == [200]


def test_expectations_are_met_or_refused(url: str) -> None:
    assert statuses(url, GET + b"Expect: a miracle\r\n\r\n") == [417]
    asked = GET + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert statuses(url, asked + b"hello" + GET + CLOSE) == [200, 200]
    assert statuses(url, GET + b"Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n") == [413]


# Time


def read_one(client: socket.socket) -> None:
    """One answer of `/healthz`."""
    got = b""
    while not got.endswith(b"}"):
        got += client.recv(1_000)


def dribble(client: socket.socket, data: bytes) -> bool:
    """Send it a byte at a time, until there is an answer or an end; whether there was none."""
    for at in range(len(data)):
        client.sendall(data[at : at + 1])
        if select.select([client], [], [], 0.05)[0]:
            return False
    return True


@pytest.mark.parametrize("start_", [b"", b"G", b"GET /" + b"x" * 40, GET + b"X: "])
def test_a_head_that_is_not_finished_in_time_is_408(quick: str, start_: bytes) -> None:
    with connect(quick) as client:
        client.sendall(start_)
        assert not dribble(client, (b"GET /" + b"x" * 1_000)[min(5, len(start_)) :])
        (reply,) = parse(read_all(client))
    assert reply.status == reply.problem["status"] == 408


def test_a_body_that_is_not_finished_in_time_ends_the_connection(quick: str) -> None:
    with connect(quick) as client:
        client.sendall(GET + b"Content-Length: 1000\r\n\r\n")
        read_one(client)
        assert not dribble(client, b"x" * 1_000)
        assert read_all(client) == b""


@pytest.mark.parametrize("said", [b"", GET + b"\r\n", b"\r\n"], ids=["nothing", "a request", "a blank line"])
def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(quick: str, said: bytes) -> None:
    with connect(quick) as client:
        client.sendall(said)
        assert [reply.status for reply in parse(read_all(client))] == [200] * said.count(b"GET")


def test_others_are_served_while_hundreds_dribble_and_those_are_closed_in_the_end(quick: str) -> None:
    before = read_memory()
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(300):
            clients.append(stack.enter_context(connect(quick)))
            clients[-1].sendall(GET + b"X: ")
        for _ in range(20):
            assert statuses(quick, GET + CLOSE) == [200]
        assert {parse(read_all(client))[0].status for client in clients} == {408}
        assert read_memory() - before < MEMORY


def test_who_does_not_take_his_answer_is_closed(quick: str) -> None:
    with connect(quick) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        assert flood(client, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n") == "closed"


# Numbers


def test_when_connections_are_too_many_the_one_idle_for_longest_makes_room(start: Callable[..., Any]) -> None:
    limits = Limits(connections=10, idle_time=60, request_time=60)
    with start(limits=limits) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server.url)) for _ in range(10)]
        for client in clients:
            client.sendall(GET + b"\r\n")
            read_one(client)
        assert statuses(server.url, GET + CLOSE) == [200]
        assert read_all(clients[0]) == b""
        clients[1].sendall(GET + CLOSE)
        assert parse(read_all(clients[1]))[0].status == 200


def test_when_all_connections_are_at_work_the_next_is_503_at_once(start: Callable[..., Any]) -> None:
    limits = Limits(connections=5, idle_time=60, request_time=60)
    with start(limits=limits) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server.url)) for _ in range(5)]
        for client in clients:
            client.sendall(GET + b"Content-Length: 5\r\n\r\n")  # is answered, and not complete
            read_one(client)
        for _ in range(5):
            (reply,) = exchange(server.url, GET + CLOSE)
            assert reply.status == reply.problem["status"] == 503
            assert reply.headers["retry-after"] == "1"
        clients[0].sendall(b"hello" + GET + CLOSE)
        assert parse(read_all(clients[0]))[0].status == 200
        assert statuses(server.url, GET + CLOSE) == [200]


def test_unfinished_requests_make_room_for_others(start: Callable[..., Any]) -> None:
    limits = Limits(connections=5, idle_time=60, request_time=60)
    with start(limits=limits) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server.url)) for _ in range(5)]
        for client in clients:
            client.sendall(GET + b"X: ")
        deadline = time.monotonic() + 20
        while statuses(server.url, GET + CLOSE) != [200]:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(("soft", "hard", "expected"), [(200, 200, 26), (300, 4_096, 1_000)])
@pytest.mark.slow
def test_there_are_no_more_connections_than_files_may_be_open(soft: int, hard: int, expected: int) -> None:
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from geoserver.server import build_limits
from geoserver.settings import Settings
print(build_limits(Settings(database_url=None)).connections)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == expected
    assert ("ulimit -n" in done.stderr) is (expected < 1_000)
