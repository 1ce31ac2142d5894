"""Valid requests with bytes turned about, sent to a real server: it lives, gives no 5xx, and forgets all of them."""

from __future__ import annotations

import contextlib
import logging
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from raw import CLOSE, GET, connect, read_all, statuses

from geoserver.api.connections import Limits
from geoserver.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoserver.settings import Settings

TARGETS = b"""
/healthz /readyz / /docs /api/layers /api/layers/crime /api/layers/crime/summary?bbox=1,2,3,4 /tiles/crime.json
/tiles/crime/13/3445/2939.mvt /tiles/crime,trees/14/6890/5878.mvt?category=theft /ogc /styles/light.json /favicon.ico
/ogc/collections/trees/items?limit=1&f=html /assets/nothing.js * /fonts/Noto%20Sans%20Regular/0-255.pbf /openapi.json
http://localhost/api/layers
""".split()
LINES = b"""
Accept-Encoding: gzip, br, zstd
Accept: text/html
Accept-Language: \xff\xfe
Access-Control-Request-Method: GET
Connection: close
Connection: Upgrade, keep-alive
Content-Length: 5
Content-Length: 18446744073709551616
Cookie: a=b
Expect: 100-continue
HTTP2-Settings: AAMAAABkAAQ
Host: evil.example
If-None-Match: *
Origin: null
Range: bytes=0-1
TE: trailers
Transfer-Encoding: chunked
Upgrade: websocket
X-Forwarded-Proto: gopher
 folded
: no name
no colon
""".strip(b"\n").split(b"\n")
LINES.append(b"X: " + b"x" * 70_000)
SCRAPS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"%",
    b"%00",
    b"%ff",
    b"//",
    b"..",
    b"\xff",
    b"\xc3",
    b"\r\n\r\n",
]
SCRAPS += [b"5\r\nhello\r\n", b"0\r\n\r\n", b"HTTP/1.1", b"GET ", b"?", b"#", b"@", b";", b",", b"a" * 1_000]


def draw_request(draw: random.Random) -> bytes:
    """One that is valid, with headers that may fit each other or not."""
    method = draw.choice([b"GET", b"GET", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"CONNECT", b"get"])
    version = draw.choice([b"1.1"] * 8 + [b"1.0", b"2.0"])
    lines = [b"Host: localhost", *draw.sample(LINES, draw.choice([0, 0, 1, 1, 2, 4]))]
    body = draw.choice([b"", b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"])
    return (
        b" ".join([method, draw.choice(TARGETS), b"HTTP/" + version])
        + b"\r\n"
        + b"\r\n".join(lines)
        + b"\r\n\r\n"
        + body
    )


def spoil(draw: random.Random, data: bytes) -> bytes:
    """Some bytes of it changed, left out, put in or doubled."""
    for _ in range(draw.choice([0, 1, 1, 2, 3, 8])):
        at, end = sorted((draw.randrange(len(data) + 1), draw.randrange(len(data) + 1)))
        end = min(end, at + draw.choice([1, 1, 4, 40]))
        match draw.randrange(5):
            case 0:
                data = data[:at] + draw.randbytes(end - at) + data[end:]
            case 1:
                data = data[:at] + data[end:]
            case 2:
                data = data[:at] + draw.choice(SCRAPS) + data[at:]
            case 3:
                data = data[:end] + data[at:end] * draw.choice([1, 2, 50]) + data[end:]
            case 4:
                data = data.replace(b"\r\n", draw.choice([b"\n", b"\r", b"\r\n\r\n", b"\r\r\n"]), draw.randint(1, 3))
    return data or b"\r\n"


def talk(url: str, seed: str) -> list[int]:
    """Requests in a row, in pieces of any size, and what was answered."""
    draw = random.Random(seed)
    data = b"".join(spoil(draw, draw_request(draw)) for _ in range(draw.choice([1, 1, 2, 5]))) + GET + CLOSE
    with connect(url) as client:
        with contextlib.suppress(ConnectionError):
            while data:
                size = draw.choice([len(data), len(data), 1 + len(data) // 3, 7_000])
                client.sendall(data[:size])
                data = data[size:]
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", read_all(client))]


def check(app: Any, serve: Callable[[Limits], Any], cases: int, caplog: pytest.LogCaptureFixture) -> None:
    seen: set[int] = set()
    with serve(Limits(request_time=0.3, idle_time=0.3)) as server, caplog.at_level(logging.WARNING):
        with ThreadPoolExecutor(24) as threads:
            for seed, found in enumerate(threads.map(lambda seed: talk(server.url, f"case {seed}"), range(cases))):
                assert not [status for status in found if status >= 500], f"case {seed}"
                seen.update(found)
        assert statuses(server.url, GET + CLOSE) == [200]
        deadline = time.monotonic() + 20
        while len(app.state.guard.open) or app.state.guard.waiting:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert {200, 204, 400, 404, 405, 421, 431} <= seen
    assert [record.getMessage() for record in caplog.records if "unknown host" not in record.getMessage()] == []


@pytest.fixture
def app(city_settings: Settings, city_database: str) -> Any:
    return create_app(city_settings, city_database)


@pytest.fixture
def begin(app: Any, city_database: str, serve: Callable[..., Any]) -> Callable[[Limits], Any]:
    return lambda limits: serve(app, city_database, limits=limits)


def test_spoilt_requests_are_answered_or_refused(
    app: Any, begin: Callable[[Limits], Any], caplog: pytest.LogCaptureFixture
) -> None:
    check(app, begin, 600, caplog)


@pytest.mark.slow
def test_thirty_thousand_spoilt_requests_are_answered_or_refused(
    app: Any, begin: Callable[[Limits], Any], caplog: pytest.LogCaptureFixture
) -> None:
    check(app, begin, 30_000, caplog)
