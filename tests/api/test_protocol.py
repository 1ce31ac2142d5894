"""HTTP/1.1 as the hot tiles' own protocol speaks it: in order, kept alive, and closed when that is asked for."""

from __future__ import annotations

import inspect
import re
import socket
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from counted_tiles import World
from packaging.requirements import Requirement
from test_tile_cache import ADDRESS
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.server import ServerState

from geoserver.api import connections, protocol


def talk(world: World, text: str, replies: int) -> list[tuple[str, bytes]]:
    """Send it all at once over one connection and read so many answers: status line with headers, and body."""
    host, port = world.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(text.replace("\n", "\r\n").encode())
        stream = client.makefile("rb")
        found = []
        for number in range(replies):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.read(1)
            lines = head.decode().lower().split("\r\n")
            lengths = [int(line.split(":")[1]) for line in lines if line.startswith("content-length")]
            bodiless = any(mark in lines[0] for mark in ("204", "304")) or f"head{number}" in text
            found.append((head.decode().lower(), b"" if bodiless else stream.read(*lengths)))
        if "close" in text or "HTTP/1.0" in text:
            assert stream.read() == b""
        return found


def request(path: str = ADDRESS, *headers: str, method: str = "GET", version: str = "1.1") -> str:
    return "\n".join([f"{method} {path} HTTP/{version}", "Host: x", *headers, "", ""])


def test_answers_come_in_the_order_of_the_requests_hot_and_cold(served: World) -> None:
    body = served.ask(ADDRESS).body
    cold = ADDRESS + "?name=a"
    text = request() + request(cold) + request() + request("/healthz") + request()
    replies = talk(served, text, 5)
    assert [reply[1] == body for reply in replies] == [True, False, True, False, True]
    assert replies[1][1] == served.ask(cold).body
    assert b"alive" in replies[3][1]


def test_head_is_get_without_a_body_hot_and_cold(served: World) -> None:
    heads = [served.ask(ADDRESS, method="HEAD") for _ in range(2)]
    got = served.ask(ADDRESS)
    for head in heads:
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(got.body))
        assert head.headers["etag"] == got.headers["etag"]


@pytest.mark.parametrize("headers", [["Connection: close"], ["Connection: close", "Accept-Encoding: gzip"]])
def test_a_connection_is_closed_when_the_client_asks_for_it(served: World, headers: list[str]) -> None:
    served.ask(ADDRESS)
    for _ in range(2):
        ((head, body),) = talk(served, request(ADDRESS, *headers), 1)
        assert "connection: close" in head
        assert body


def test_the_old_protocol_is_understood(served: World) -> None:
    body = served.ask(ADDRESS).body
    ((head, got),) = talk(served, request(version="1.0"), 1)
    assert " 200 " in head
    assert got == body


def test_a_body_that_nobody_asked_for_disturbs_nothing(served: World) -> None:
    body = served.ask(ADDRESS).body
    text = request(ADDRESS, "Content-Length: 5") + "12345" + request()
    assert [reply[1] for reply in talk(served, text, 2)] == [body, body]


@pytest.mark.parametrize("known", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
def test_a_hot_tile_that_the_client_has_is_304(served: World, known: str) -> None:
    first = served.ask(ADDRESS, Accept_Encoding="br")
    known = known.format(tag=first.headers["etag"])
    for _ in range(2):
        again = served.ask(ADDRESS, Accept_Encoding="br", If_None_Match=known)
        assert (again.status, again.body) == (304, b"")
        for name in ("etag", "cache-control", "vary", "access-control-allow-origin"):
            assert again.headers[name] == first.headers[name]
    assert served.ask(ADDRESS, If_None_Match='"other"').status == 200


def test_other_methods_find_no_tile(served: World) -> None:
    served.ask(ADDRESS)
    for method in ("POST", "DELETE", "PUT"):
        assert served.ask(ADDRESS, method=method).status == 405


# uvicorn's inside


def test_uvicorn_is_the_version_that_this_was_written_against() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (pin,) = (item for item in map(Requirement, project["dependencies"]) if item.name == "uvicorn")
    assert pin.specifier.contains(version("uvicorn"))
    major, minor = map(int, version("uvicorn").split(".")[:2])
    assert not pin.specifier.contains(f"{major}.{minor + 1}.0"), "read api/connections.py beside the new one first"


def read_attributes(kind: type) -> set[str]:
    """Those that a class has or sets."""
    return {*dir(kind), *re.findall(r"self\.(\w+)", inspect.getsource(kind))}


def test_what_the_protocol_leans_on_of_uvicorns_inside_is_there() -> None:
    ours = "".join(inspect.getsource(module) for module in (connections, protocol))
    there = {
        "super()": read_attributes(httptools_impl.HttpToolsProtocol) | read_attributes(flow_control.FlowControl),
        "cycle": read_attributes(httptools_impl.RequestResponseCycle),
        "flow": {*read_attributes(flow_control.FlowControl), "shut"},  # `_Flow` adds that
        "server_state": read_attributes(ServerState) | vars(ServerState()).keys(),
    }
    for part in ("super()", "cycle", "flow", "server_state"):
        used = set(re.findall(rf"{re.escape(part)}\.(\w+)", ours))
        assert used
        assert used <= there[part], part
    inside = {"cycle", "flow", "headers", "loop", "parser", "pipeline", "server_state", "transport", "url"}
    inside |= {"_start_asgi_task", "access_log", "client", "on_response_complete", "data_received"}
    assert inside <= there["super()"]
    assert httptools_impl.STATUS_LINE[204] == b"HTTP/1.1 204 No Content\r\n"
