"""Changes as server-sent events: told to those whom they concern and to nobody else, in streams with a budget."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import psycopg
import pytest
from counted_tiles import World, wait_for
from gated import PART, fill, make_keys, write_city

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOVE = "UPDATE layers.stops SET geom = ST_Translate(geom, 0.00001, 0) WHERE fid = %s"
FEW = {"max_streams": 16}


@dataclass
class Told:
    """One event."""

    name: str = "message"
    id: str = ""
    data: Any = None


@dataclass
class Listener:
    """Reads the events of a stream, one after the other."""

    response: httpx.Response
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = self.response.iter_lines()

    def next(self) -> Told:
        told = Told()
        for line in self._lines:
            name, _, value = line.partition(": ")
            if not line and told.data is not None:
                return told
            match name:
                case "event":
                    told.name = value
                case "id":
                    told.id = value
                case "data":
                    told.data = json.loads(value)
                case "":
                    self.comments.append(value)
        raise EOFError

    def ends(self) -> bool:
        try:
            while True:
                self.next()
        except (EOFError, httpx.RemoteProtocolError):
            return True


@contextmanager
def listen(url: str, address: str, **headers: str) -> Iterator[Listener]:
    with httpx.stream("GET", url + address, headers=headers, timeout=30) as response:
        assert response.status_code == 200, response.read()
        yield Listener(response)


def test_a_change_is_told_with_its_version_and_place(served: World) -> None:
    with listen(served.url, "/api/layers/stops/changes") as listener:
        head = listener.response.headers
        assert head["content-type"].startswith("text/event-stream")
        assert (head["cache-control"], head["x-accel-buffering"]) == ("no-store", "no")
        assert "content-encoding" not in head
        assert head["access-control-allow-origin"] == "*"
        state = listener.next()
        version = httpx.get(f"{served.url}/api/layers/stops").json()["version"]
        assert (state.name, state.id) == ("state", version)
        assert state.data == {"layers": [{"layer": "stops", "version": version}]}
        served.execute(MOVE, [5])
        change = listener.next()
        assert change.name == "change"
        now = httpx.get(f"{served.url}/api/layers/stops").json()["version"]
        assert (change.id, change.data["version"], change.data["layer"]) == (now, now, "stops")
        ((lon, lat),) = served.execute("SELECT ST_X(geom), ST_Y(geom) FROM layers.stops WHERE fid = 5")
        west, south, east, north = change.data["bounds"]
        assert west < lon < east
        assert south < lat < north
        assert east - west < 0.01
        served.load("stops")
        loaded = listener.next()
        assert loaded.data["bounds"] is None
        assert loaded.id != change.id


def test_a_change_is_told_with_its_place_after_notices_of_versions_that_never_come(served: World) -> None:
    with listen(served.url, "/api/layers/stops/changes") as listener:
        listener.next()
        served.execute(
            'SELECT pg_notify(\'geoserver_changes\', format(\'{"layer": "stops", "version": %s}\', 1000000 + n))'
            " FROM generate_series(1, 200) AS n"
        )
        served.execute(MOVE, [5])
        while (change := listener.next()).id != httpx.get(f"{served.url}/api/layers/stops").json()["version"]:
            pass
        assert change.data["bounds"] is not None


def test_whoever_comes_back_is_told_at_once_what_they_missed(served: World) -> None:
    with listen(served.url, "/api/changes?layers=stops,shops") as listener:
        known = listener.next().id
    with listen(served.url, "/api/changes?layers=stops,shops", **{"Last-Event-ID": known}) as listener:
        assert listener.next().name == "state"
        served.execute(MOVE, [1])
        assert listener.next().data["layer"] == "stops"
    with listen(served.url, "/api/changes?layers=stops,shops", **{"Last-Event-ID": known}) as listener:
        assert listener.next().name == "state"
        missed = listener.next()
        assert (missed.name, missed.data["layer"], missed.data["bounds"]) == ("change", "stops", None)
        served.execute(MOVE.replace("stops", "shops"), [1])
        assert listener.next().data["layer"] == "shops"
    with listen(served.url, "/api/layers/stops/changes", **{"Last-Event-ID": "nonsense"}) as listener:
        assert [listener.next().name for _ in range(2)] == ["state", "change"]


def test_versions_can_be_asked_for_by_those_who_cannot_listen(served: World) -> None:
    address = f"{served.url}/api/versions?layers=stops,shops"
    known = httpx.get(address)
    assert known.headers["cache-control"] == "public, max-age=2"
    same = httpx.get(address, headers={"If-None-Match": known.headers["etag"]})
    assert (same.status_code, same.headers["cache-control"]) == (304, "public, max-age=2")
    served.execute(MOVE, [2])
    wait_for(lambda: httpx.get(address).json() != known.json())
    versions = httpx.get(address).json()["versions"]
    assert versions == {name: httpx.get(f"{served.url}/api/layers/{name}").json()["version"] for name in versions}
    assert list(versions) == ["shops", "stops"]
    for query in ("", "?layers=", "?layers=" + ",".join(map(str, range(51))), "?layers=stops&lang=en"):
        assert httpx.get(f"{served.url}/api/versions{query}").status_code == 400


@pytest.mark.slow
def test_changes_in_a_row_become_few_events(served: World) -> None:
    with listen(served.url, "/api/layers/stops/changes") as listener:
        listener.next()
        for number in range(1, 31):
            served.execute(MOVE, [number])
        told = [listener.next()]
        last = served.execute("SELECT version FROM geoserver.states WHERE id = 'stops'")[0][0]
        while not told[-1].id.endswith(f"-{last}"):
            told.append(listener.next())
        assert len(told) < 10
        assert any(
            change.data["bounds"] for change in told
        )  # where one was read before its notice came, it may be anywhere


def test_under_a_filter_the_new_count_is_told(served: World) -> None:
    with listen(served.url, "/api/layers/stops/changes?filter=name='a'") as listener:
        assert listener.next().data["layers"][0]["count"] == 72
        served.execute("DELETE FROM layers.stops WHERE fid = 3")
        assert listener.next().data["count"] == 71
    told = httpx.get(f"{served.url}/api/layers/stops/changes?filter=nothing='a'")
    assert (told.status_code, told.json()["parameter"]) == (400, "filter")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("changes", "layers"),
        ("changes?layers=", "layers"),
        ("changes?layers=" + ",".join(f"a{n}" for n in range(51)), "layers"),
        ("changes?layers=stops&layers=shops", "layers"),
        ("changes?layers=stops&seconds=-1", "seconds"),
        ("changes?layers=stops&seconds=1e3", "seconds"),
        ("changes?layers=stops&filter=name='a'", "filter"),
        ("layers/stops/changes?seconds=" + "9" * 5_000, "seconds"),
        ("layers/stops/changes?seconds=" + "0" * 5_000, "seconds"),
        ("layers/stops/changes?seconds=0000000086401", "seconds"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_words(served: World, query: str, parameter: str) -> None:
    told = httpx.get(f"{served.url}/api/{query}")
    assert (told.status_code, told.json()["parameter"]) == (400, parameter)
    assert httpx.get(f"{served.url}/api/changes?layers=stops,nothing").status_code == 404


def test_a_stream_that_is_asked_for_its_head_or_for_no_time_ends(served: World) -> None:
    told = httpx.get(f"{served.url}/api/layers/stops/changes?seconds=0")
    assert told.text.count("event: ") == 1
    head = httpx.head(f"{served.url}/api/layers/stops/changes")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    wait_for(lambda: served.metric("streams") == 0)


@pytest.mark.parametrize("served", [FEW], indirect=True)
def test_one_client_and_all_have_so_many_streams_and_places_come_back(served: World) -> None:
    address = "/api/layers/stops/changes"
    with ExitStack() as streams:
        first = [streams.enter_context(listen(served.url, address)) for _ in range(2)]
        assert [listener.next().name for listener in first] == ["state"] * 2
        told = httpx.get(served.url + address)
        assert told.status_code == 429
        assert int(told.headers["retry-after"]) > 0
        assert "You have 2 streams" in told.json()["detail"]
        for number in range(2, 9):
            client = httpx.Client(transport=httpx.HTTPTransport(local_address=f"127.0.0.{number}"))
            streams.enter_context(client)
            for _ in range(2):
                streams.enter_context(client.stream("GET", served.url + address))
        other = httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.99"))
        told = streams.enter_context(other).get(served.url + address)
        assert told.status_code == 503
        assert "16 streams" in told.json()["detail"]
        assert served.ask("/api/layers/stops").status == 200
    wait_for(lambda: served.metric("streams") == 0)
    with listen(served.url, address) as listener:
        assert listener.next().name == "state"


@pytest.mark.parametrize("served", [{"max_streams": 0}], indirect=True)
def test_a_server_may_have_no_streams_at_all(served: World) -> None:
    assert httpx.get(f"{served.url}/api/layers/stops/changes").status_code == 503


def test_the_end_of_the_server_ends_a_stream_in_order(world: World, serve: Callable[..., Any]) -> None:
    settings = Settings(workspace=world.workspace, database_url=None)
    with ExitStack() as streams:
        with serve(create_app(settings, world.database_url), world.database_url) as server:
            listener = streams.enter_context(listen(server.url, "/api/layers/stops/changes"))
            listener.next()
        with pytest.raises(EOFError):  # and not broken off
            listener.next()


@pytest.fixture(scope="module")
def gated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gated") / "city"


@pytest.fixture(scope="module")
def gated(
    gated_folder: Path,
    make_database: Callable[..., str],
    empty_template: str,
    serve: Callable[..., Any],
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A server of which not everybody may see all: its address, its database and keys by caller."""
    url = make_database(template=empty_template)
    fill(write_city(gated_folder, PART), url)
    keys = make_keys(url)
    with serve(create_app(Settings(workspace=gated_folder, database_url=None), url), url) as server:
        yield server.url, url, keys


def run(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def test_a_restricted_layer_is_there_for_those_alone_who_may_see_it(gated: tuple[str, str, dict[str, str]]) -> None:
    url, _, keys = gated
    nobody = httpx.get(f"{url}/api/layers/people/changes")
    nothing = httpx.get(f"{url}/api/layers/nothing/changes")
    assert nobody.status_code == nothing.status_code == 404
    assert nobody.text.replace("people", "nothing") == nothing.text
    assert httpx.get(f"{url}/api/changes?layers=stops,people").status_code == 404
    with listen(url, f"/api/layers/people/changes?key={keys['full']}") as listener:
        assert listener.next().data["layers"][0]["layer"] == "people"
    left = httpx.get(f"{url}/api/versions?layers=people,stops,nothing")
    assert list(left.json()["versions"]) == ["stops"]
    assert left.headers["cache-control"] == "public, max-age=0, must-revalidate"  # others may see more
    seen = httpx.get(f"{url}/api/versions?layers=people,stops&key={keys['full']}")
    assert list(seen.json()["versions"]) == ["people", "stops"]
    assert seen.headers["cache-control"] == "private, no-store"


def test_who_sees_some_rows_or_fields_is_not_told_where_others_changed(gated: tuple[str, str, dict[str, str]]) -> None:
    url, database, keys = gated
    with ExitStack() as streams:
        told = {
            name: streams.enter_context(
                listen(url, "/api/layers/people/changes?filter=height>0", Authorization=f"Bearer {key}")
            )
            for name, key in keys.items()
            if name in ("rows", "narrow", "full")
        }
        before = {name: listener.next().data["layers"][0]["count"] for name, listener in told.items()}
        assert before["rows"] < before["full"]
        run(
            database,
            "DELETE FROM layers.people WHERE fid IN (SELECT fid FROM layers.people WHERE zone = 'canary' LIMIT 3)",
        )
        changes = {name: listener.next() for name, listener in told.items()}
        assert changes["full"].data["bounds"]
        assert changes["full"].data["count"] == before["full"] - 3
        assert changes["rows"].data["bounds"] is changes["narrow"].data["bounds"] is None
        assert changes["rows"].data["count"] == before["rows"]


def test_a_stream_ends_when_its_layer_is_closed_or_taken_away(
    gated: tuple[str, str, dict[str, str]], gated_folder: Path
) -> None:
    url, database, keys = gated
    file = gated_folder / "layers" / "stops.toml"
    open_to_all = file.read_text(encoding="utf-8")
    address, full = "/api/layers/stops/changes", {"Authorization": f"Bearer {keys['full']}"}
    with listen(url, address) as ending, listen(url, address, **full) as staying:
        ending.next(), staying.next()
        file.write_text('access = "restricted"\n' + open_to_all, encoding="utf-8")
        assert ending.ends()
        run(database, "UPDATE layers.stops SET geom = ST_Translate(geom, 0.00001, 0) WHERE fid = 1")
        assert staying.next().name == "change"
        file.unlink()
        assert staying.ends()
    file.write_text(open_to_all, encoding="utf-8")
    wait_for(lambda: httpx.get(f"{url}/api/layers/stops").status_code == 200)


def test_a_stream_ends_with_its_key(gated: tuple[str, str, dict[str, str]]) -> None:
    url, database, keys = gated
    with ExitStack() as streams:
        address = "/api/layers/people/changes"
        ending = streams.enter_context(listen(url, address, Authorization=f"Bearer {keys['narrow']}"))
        staying = streams.enter_context(listen(url, address, Authorization=f"Bearer {keys['full']}"))
        ending.next(), staying.next()
        run(database, "UPDATE geoserver.keys SET revoked_at = now() WHERE label = 'narrow'")
        assert ending.ends()
        run(database, "UPDATE layers.people SET height = height + 1 WHERE name = 'person 3'")
        assert staying.next().name == "change"
