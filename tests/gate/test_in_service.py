"""The gate of a real server: hot tiles, two workers, a database that goes away, and what the log says."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from gatehouse import bearer, build_app
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier
from test_identify import wait_for

from geoserver.gate import COOKIE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gatehouse import House

ROOT = Path(__file__).parent.parent.parent
TILE = "/tiles/benches/14/6890/5880.mvt"
WRONG = "gsk_" + "x" * 43


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture(scope="module")
def url(house: House, serve: Callable[..., Any]) -> Iterator[str]:
    """A server on a port."""
    with serve(build_app(house), house.database_url) as server:
        yield server.url


def test_a_tile_in_memory_is_no_way_past_the_gate(url: str, house: House) -> None:
    stored, key = house.key()
    bodies = {ask(url, TILE)[2] for _ in range(3)}
    for _ in range(2):
        assert ask(url, TILE, **bearer(key))[2] in bodies
        assert ask(url, f"{TILE}?key={key}")[2] in bodies
        assert ask(url, TILE, **bearer(WRONG))[0] == 401
        assert ask(url, f"{TILE}?key={WRONG}")[0] == 401
        assert ask(url, TILE, Cookie=f"{COOKIE}=x")[0] == 200
    house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
    wait_for(lambda: ask(url, TILE, **bearer(key))[0] == 401)
    assert ask(url, f"{TILE}?key={key}")[0] == 401
    assert ask(url, TILE)[0] == 200


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ("Authorization: Bearer gsk_" + "x" * 60_000, {401}),
        ("Authorization: Bearer gsk_" + "x" * 1_000_000, {431}),
        ("Authorization: Basic " + "!" * 60_000, {401}),
        (f"Authorization: Bearer {WRONG}\r\nAuthorization: Bearer {WRONG}", {400}),
        (f"Authorization: Bearer {WRONG}\r\n folded", {400, 401}),
        ("Authorization: Bearer gsk_\0" + "x" * 42, {400}),
        ("Authorization: Bearer gsk_\xe9" + "x" * 42, {401}),
        ("Authorization:", {401}),
        (f"Cookie: {COOKIE}=gss_" + "x" * 60_000, {200}),
        (f"Cookie: {COOKIE}=\xff", {200}),
        (f"Cookie: {COOKIE}=x\r\nCookie: {COOKIE}=y", {200}),
    ],
    ids=range(11),
)
def test_hostile_headers_get_an_answer_on_a_tile_in_memory(url: str, headers: str, statuses: set[int]) -> None:
    ask(url, TILE)
    host, port = url.removeprefix("http://").split(":")
    text = f"GET {TILE} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nConnection: close\r\n\r\n"
    got = b""
    with socket.create_connection((host, int(port)), timeout=30) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(text.encode("latin-1"))
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65_536):
                got += data
    assert int(got.split(b" ", 2)[1]) in statuses, got[:300]
    assert b"x" * 40 not in got


def test_one_connection_asks_with_a_key_and_without(url: str, house: House) -> None:
    stored, key = house.key()
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)) as connection:
        for headers, subject in ((bearer(key), f"key:{stored.id}"), ({}, ""), (bearer(key), f"key:{stored.id}")):
            connection.request("GET", "/who", headers=headers)
            assert json.loads(connection.getresponse().read())["subject"] == subject


def test_a_revocation_is_heard_within_a_second_while_a_long_transaction_is_open(url: str, house: House) -> None:
    with psycopg.connect(house.database_url) as long:
        long.execute("CREATE TABLE public.long (a int)")  # a transaction that began before all that follows
        stored, key = house.key()
        assert ask(url, "/who", **bearer(key))[0] == 200
        house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
        wait_for(lambda: ask(url, "/who", **bearer(key))[0] == 401)
        late, other = house.key()
        long.execute("UPDATE geoserver.keys SET label = 'renamed' WHERE id = %s", [late.id])
        for _ in range(3):  # the gate reads meanwhile, past the change that it cannot see yet
            house.key()
        assert ask(url, "/who", **bearer(other))[0] == 200
        long.commit()
        wait_for(lambda: json.loads(ask(url, "/who", **bearer(other))[2])["name"] == "renamed")


def test_no_key_is_in_the_log(house: House, serve: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    _, key = house.key()
    with serve(build_app(house), house.database_url, log_level="info", access_log=True) as server:
        logger = logging.getLogger("uvicorn.access")
        logger.addHandler(caplog.handler)
        try:
            for path in (
                f"/who?a=1&key={key}",
                f"/who?token={key}",
                f"/api/layers/{key}",
                f"/{key}?x=gsk%5F{key[4:]}",
                f"{TILE}?key={key}",
                f"/who?key={WRONG}",
            ):
                assert ask(server.url, path)[0] in (200, 400, 401, 404), path
                assert ask(server.url, path, Host="evil.example")[0] in (200, 400, 401, 404, 421), path
                _, headers, body = ask(server.url, path + "/")
                assert key[4:].encode() not in body
                assert key[4:] not in str(headers)
        finally:
            logger.removeHandler(caplog.handler)
    assert "/who?a=1" in caplog.text
    assert "/api/layers/gsk_…" in caplog.text
    assert key[4:] not in caplog.text
    assert "x" * 43 not in caplog.text


def away(house: House, database_server: str, *, yes: bool) -> None:
    name = str(conninfo_to_dict(house.database_url)["dbname"])
    allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(allow.format(Identifier(name), SQL("false" if yes else "true")))
        if yes:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_without_a_database_known_keys_hold_and_unknown_ones_cannot_be_told(
    url: str, house: House, database_server: str
) -> None:
    _, key = house.key()
    assert ask(url, "/who", **bearer(key))[0] == 200
    away(house, database_server, yes=True)
    try:
        status, headers, _ = ask(url, "/who", **bearer("gsk_" + "y" * 43))
        assert (status, int(headers["retry-after"]) > 0) == (503, True)
        assert ask(url, "/who", **bearer(key))[0] == 200
        assert ask(url, "/who", Cookie=f"{COOKIE}=gss_{'x' * 43}")[0] == 200
        assert ask(url, TILE)[0] == 200
    finally:
        away(house, database_server, yes=False)
    wait_for(lambda: ask(url, "/who", **bearer("gsk_" + "y" * 43))[0] == 401)
    later, other = house.key()
    assert ask(url, "/who", **bearer(other))[0] == 200
    house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [later.id])
    wait_for(lambda: ask(url, "/who", **bearer(other))[0] == 401)


def test_what_is_known_of_keys_is_not_relied_on_for_long(house: House, database_server: str) -> None:
    _, key = house.key()
    app = build_app(house)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/who", headers=bearer(key)).status_code == 200
        away(house, database_server, yes=True)
        try:
            assert client.get("/who", headers=bearer(key)).status_code == 200
            app.state.gate._read_at -= 61  # a minute later
            answer = client.get("/who", headers=bearer(key))
            assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
            assert client.get("/who").status_code == 200
        finally:
            away(house, database_server, yes=False)
        wait_for(lambda: client.get("/who", headers=bearer(key)).status_code == 200)


@pytest.mark.slow
def test_before_the_database_was_ever_there_no_key_is_known(
    house: House, serve: Callable[..., Any], database_server: str
) -> None:
    _, key = house.key()
    away(house, database_server, yes=True)
    try:
        with serve(build_app(house), house.database_url) as server:
            status, headers, _ = ask(server.url, "/who", **bearer(key))
            assert (status, int(headers["retry-after"]) > 0) == (503, True)
            assert ask(server.url, "/who")[0] == 200
            assert ask(server.url, "/who", Cookie=f"{COOKIE}=gss_{'x' * 43}")[0] == 200
            away(house, database_server, yes=False)
            wait_for(lambda: ask(server.url, "/who", **bearer(key))[0] == 200)
    finally:
        away(house, database_server, yes=False)


@contextlib.contextmanager
def two_workers(house: House) -> Iterator[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))}
    command = [sys.executable, "-m", "geoserver", "serve", "--workspace", str(house.workspace), "--port", "0"]
    environment = kept | {"DATABASE_URL": house.database_url, "COLUMNS": "200"}
    with subprocess.Popen(
        [*command, "--workers", "2"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            yield next(found[1] for line in process.stderr if (found := re.match(r"(http://\S+)", line)))
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.mark.slow
def test_two_workers_know_the_same_keys_and_share_a_quota(house: House) -> None:
    stored, key = house.key()
    limited, few = house.key(quota=50)
    with two_workers(house) as url:
        assert {ask(url, "/api/layers", **bearer(key))[0] for _ in range(30)} == {200}
        house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
        wait_for(lambda: {ask(url, "/api/layers", **bearer(key))[0] for _ in range(20)} == {401})
        statuses = [ask(url, "/api/layers", **bearer(few))[0] for _ in range(50)]
        assert set(statuses) == {200}, "fewer than it may"
        count = "SELECT requests FROM geoserver.uses WHERE key = %s"
        wait_for(lambda: house.do(count, [limited.id]) == [(50,)])
        wait_for(lambda: {ask(url, "/api/layers", **bearer(few))[0] for _ in range(20)} == {429})
