"""Costly questions wait for each other; whoever asks for health, a tile in memory or little waits for none of them.

The process that reads filters is halted where a test needs costly questions that take as long as it likes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mercantile
import pytest
from counted_tiles import LAYER, SOUTH, WEST, World, wait_for
from test_tile_cache import ADDRESS

from geoserver import turns
from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.questions import Questions

DOORS = ["/tiles/stops/13/0/0.mvt", "/tiles/stops.json", "/api/layers/stops/summary", "/ogc/collections/stops/items"]


def costly(number: int, door: str = DOORS[0]) -> str:
    """An address with a filter of 120 terms that no other number has."""
    text = " OR ".join(f"name = 'x{number}-{term}'" for term in range(120))
    return f"{door}?filter={quote(text)}"


@contextlib.contextmanager
def asking(world: World, path: str, own: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A question that is asked, from an address of one's own, and not waited for."""
    host, _, port = world.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), source_address=(own, 0)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        yield connection


def is_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def read_status(connection: socket.socket) -> int:
    connection.settimeout(60)
    return int(connection.recv(12)[9:12])


@pytest.fixture
def watched(
    world: World, serve: Callable[..., Any], request: pytest.FixtureRequest
) -> Iterator[tuple[World, Questions]]:
    """A server, and what it knows of questions."""
    chosen = getattr(request, "param", {})
    app = create_app(Settings(workspace=world.workspace, database_url=None, **chosen), world.database_url)
    with serve(app, world.database_url) as server:
        world.url = server.url
        yield world, app.state.questions


@contextlib.contextmanager
def halted(questions: Questions) -> Iterator[None]:
    """The process that reads filters stands still."""
    pid = questions.apart.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_health_hot_tiles_and_little_questions_are_answered_while_costly_ones_are_read(
    watched: tuple[World, Questions],
) -> None:
    world, questions = watched
    assert world.ask(ADDRESS).status == 200
    assert world.ask(costly(0)).status in (200, 204)
    with contextlib.ExitStack() as held, halted(questions):
        crowd = [held.enter_context(asking(world, costly(n, DOORS[n % 4]))) for n in range(1, 41)]
        wait_for(lambda: questions.reading.waiting + questions.costly.waiting >= 35)
        for path in ("/healthz", ADDRESS, ADDRESS + "?name=a", "/api/layers/stops/summary?name=a", "/api/layers"):
            assert world.ask(path).status == 200, path
        for path in ("/ogc/collections", "/ogc/collections/stops/items?name=a", "/ogc/collections/stops/items/1"):
            assert world.ask(path).status == 200, path
        assert world.metric("questions_waiting") >= 35
        assert not any(map(is_answered, crowd))
        os.kill(questions.apart.pid or 0, signal.SIGCONT)
        assert {read_status(connection) for connection in crowd} <= {200, 204}
    wait_for(lambda: world.metric("questions_waiting") == 0)


@pytest.mark.parametrize("door", DOORS[:3])
def test_a_crs_that_has_to_be_looked_up_is_looked_up_beside_the_others(
    watched: tuple[World, Questions], door: str
) -> None:
    world, questions = watched
    for near in ("CRS84", "EPSG:4326", "http://www.opengis.net/def/crs/EPSG/0/3857"):
        assert world.ask(f"{door}?bbox=0,0,1,1&bbox-crs={near}").status in (200, 204, 400)
    assert questions.apart.pid is None
    assert world.ask(f"{door}?bbox=4000000,3000000,4100000,3100000&bbox-crs=EPSG:3035").status in (200, 204)
    assert questions.apart.pid is not None


def test_a_filtered_tile_has_one_connection_however_many_queries_it_takes(watched: tuple[World, Questions]) -> None:
    world, _ = watched
    text = LAYER.format(id="stops").replace("counted", "points") + "features_from = 12\n"
    (world.workspace / "layers" / "posts.toml").write_text(text, encoding="utf-8")
    world.load("posts")
    tile = mercantile.tile(WEST, SOUTH, 12)
    door = f"/tiles/posts/12/{tile.x}/{tile.y}.mvt"
    wait_for(lambda: world.ask(door).status == 200)
    with contextlib.ExitStack() as held:
        with world.locked("LOCK TABLE layers.posts, layers.posts__packed IN ACCESS EXCLUSIVE MODE"):
            asked = held.enter_context(asking(world, door + "?name=a"))
            wait_for(lambda: world.waiting_queries() > 0)
            threading.Event().wait(0.3)  # for another one to come
            assert world.waiting_queries() == 1
        assert read_status(asked) == 200


def test_a_client_waits_behind_its_own_questions_and_not_behind_those_of_another(
    watched: tuple[World, Questions],
) -> None:
    world, questions = watched
    world.ask(costly(0))
    with contextlib.ExitStack() as held:
        with halted(questions):
            many = [held.enter_context(asking(world, costly(n, DOORS[1]))) for n in range(1, 31)]
            wait_for(lambda: questions.reading.waiting == 29)
            other = held.enter_context(asking(world, costly(99, DOORS[1]), "127.0.0.2"))
            wait_for(lambda: questions.reading.waiting == 30)
        assert read_status(other) == 200
        assert not is_answered(many[-1]), "of thirty that came before, it had to wait for one or two"
        assert {read_status(connection) for connection in many} == {200}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.slow
def test_a_full_queue_says_at_once_when_to_come_back(
    watched: tuple[World, Questions], door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, questions = watched
    world.ask(costly(0))
    for each in questions.all_turns:
        monkeypatch.setattr(each, "_most_each", 3)
    with contextlib.ExitStack() as held, halted(questions):
        for number in range(1, 5):
            held.enter_context(asking(world, costly(number, door)))
        wait_for(lambda: any(each.waiting == 3 for each in questions.all_turns))
        reply = world.ask(costly(6, door))
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) > 0
        assert reply.headers["content-type"] == "application/problem+json"
        assert "turn" in json.loads(reply.body)["detail"]
        with asking(world, costly(7, door), "127.0.0.2"):
            wait_for(lambda: sum(each.waiting for each in questions.all_turns) >= 4)
        assert world.ask("/healthz").status == 200
    assert world.metric("questions_refused_total") >= 1


def test_a_question_whose_client_has_left_is_not_read(watched: tuple[World, Questions]) -> None:
    world, questions = watched
    world.ask(costly(0))
    with halted(questions):
        with contextlib.ExitStack() as held:
            for number in range(1, 21):
                held.enter_context(asking(world, costly(number, DOORS[number % 4])))
            wait_for(lambda: questions.reading.waiting + questions.costly.waiting >= 15)
        wait_for(lambda: questions.reading.waiting + questions.costly.waiting == 0)
    wait_for(lambda: all(each.running == 0 for each in questions.all_turns))
    assert world.ask(costly(30)).status in (200, 204)


def test_the_same_question_from_many_is_read_once_and_who_leaves_harms_nobody(
    watched: tuple[World, Questions],
) -> None:
    world, questions = watched
    world.ask(costly(0))
    with contextlib.ExitStack() as held:
        with halted(questions):
            with asking(world, costly(1, DOORS[1])):
                wait_for(lambda: len(questions._shared._reads) == 1)
                stay = [held.enter_context(asking(world, costly(1, DOORS[1]), f"127.0.0.{n}")) for n in range(2, 6)]
                wait_for(lambda: next(iter(questions._shared._reads.values())).waiting == 5)
            wait_for(lambda: next(iter(questions._shared._reads.values())).waiting == 4)
            assert (questions.reading.running, questions.reading.waiting) == (1, 0)
        assert [read_status(connection) for connection in stay] == [200] * 4
    assert not questions._shared._reads


@pytest.mark.parametrize("watched", [{"pool_size": 4}], indirect=True)
def test_in_the_database_a_client_has_one_costly_question_at_a_time(watched: tuple[World, Questions]) -> None:
    world, questions = watched
    tiles = [f"/tiles/stops/{z}/0/0.mvt" for z in range(2)]
    lock = "LOCK TABLE layers.stops IN ACCESS EXCLUSIVE MODE"
    with world.locked(lock), contextlib.ExitStack() as held:
        for number, tile in enumerate([*tiles, DOORS[2], DOORS[3]] * 3):
            held.enter_context(asking(world, costly(number, tile)))
        wait_for(lambda: questions.costly.waiting == 11)
        wait_for(lambda: world.waiting_queries() == 1)
        # Another layer's tile finds a connection.
        assert world.ask(ADDRESS.replace("stops", "shops")).status == 200
        assert world.waiting_queries() == 1
    wait_for(lambda: questions.costly.running == 0)


def test_when_the_server_ends_its_reading_process_ends_too(world: World, serve: Callable[..., Any]) -> None:
    app = create_app(Settings(workspace=world.workspace, database_url=None), world.database_url)
    with serve(app, world.database_url) as server:
        world.url = server.url
        world.ask(costly(0))
        pid = app.state.questions.apart.pid
        assert pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_short_filters_need_no_other_process(watched: tuple[World, Questions]) -> None:
    world, questions = watched
    for path in (ADDRESS + "?name=a", "/api/layers/stops/summary?filter=name%3D'a'", DOORS[3] + "?bbox=-29,45,-28,46"):
        assert world.ask(path).status == 200
    assert questions.apart.pid is None
    shape = quote("S_INTERSECTS(geometry, POINT(-28.6 45.2))")
    assert world.ask(f"{DOORS[2]}?filter={shape}").status == 200
    assert questions.apart.pid is not None


def test_a_queue_is_long_enough_for_a_map_and_short_enough_to_answer() -> None:
    assert 32 <= turns.MOST_WAITING_EACH < turns.MOST_WAITING <= 1024


@pytest.mark.parametrize("watched", [{"trusted_proxies": "127.0.0.1"}], indirect=True)
def test_behind_a_trusted_proxy_the_client_is_the_one_that_it_names(watched: tuple[World, Questions]) -> None:
    world, questions = watched
    world.ask(costly(0))
    for each in questions.all_turns:
        each._most_each = 1
    with contextlib.ExitStack() as held, halted(questions):
        for number in (1, 2):
            held.enter_context(asking(world, costly(number)))
        wait_for(lambda: questions.reading.waiting == 1)
        assert world.ask(costly(3)).status == 503
        other = "HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7"
        address, _, port = world.url.removeprefix("http://").partition(":")
        connection = held.enter_context(socket.create_connection((address, int(port))))
        connection.sendall(f"GET {costly(4)} {other}\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        wait_for(lambda: questions.reading.waiting == 2)
