"""The cache of tiles behind a real server: how often a tile is made, what a change drops, what failures leave."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pytest
from counted_tiles import PLACES, Reply, World, wait_for
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from geoserver.database.notices import parse_notice
from geoserver.encodings import decompress
from geoserver.tiling.ranges import TileRange, touches

if TYPE_CHECKING:
    from collections.abc import Iterable

MIDDLE = PLACES[77]


def tile_at(zoom: int, place: tuple[float, float] = MIDDLE) -> mercantile.Tile:
    return mercantile.tile(*place, zoom)


def path_of(tile: mercantile.Tile, layers: str = "stops") -> str:
    return f"/tiles/{layers}/{tile.z}/{tile.x}/{tile.y}.mvt"


ADDRESS = path_of(tile_at(13))


def names_in(reply: Reply, layer: str = "stops") -> list[str]:
    """The field `name` of every feature, in order."""
    decoded = mapbox_vector_tile.decode(reply.body) if reply.body else {}
    return [item["properties"]["name"] for item in decoded[layer]["features"]] if decoded else []


def ask_at_once(world: World, paths: Iterable[str]) -> list[Reply]:
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda path=path: replies.append(world.ask(path))) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def leave_after_asking(world: World, path: str) -> socket.socket:
    """A request whose answer is not waited for."""
    host, port = world.url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return client


def sleeping(world: World) -> int:
    """Tiles that the database is making now."""
    ((number,),) = world.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%tiles_made%%'"
        " AND datname = current_database() AND pid <> pg_backend_pid()"
    )
    return int(number)


# One render for all who wait


def test_a_hundred_requests_for_one_cold_tile_make_it_once(served: World) -> None:
    served.take(0.5)
    replies = ask_at_once(served, [ADDRESS] * 100)
    assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
    assert served.made() == 1
    assert served.metric("tile_render_seconds_count") == 1


def test_a_tile_that_was_made_is_not_made_again_however_it_is_asked_for(served: World) -> None:
    first = served.ask(ADDRESS)
    assert first.status == 200
    for again in (served.ask(ADDRESS), served.ask(ADDRESS.replace(".mvt", ".pbf")), served.ask(ADDRESS + "?")):
        assert again.body == first.body
    hot = served.ask(ADDRESS)
    assert {name: text for name, text in hot.headers.items() if name != "date"} == {
        name: text for name, text in first.headers.items() if name != "date"
    }
    assert served.ask(ADDRESS, If_None_Match=first.headers["etag"]).status == 304
    assert served.made() == 1
    same = [
        "?filter=name%3D%27a%27",
        "?filter=name+%3D+%27a%27&bbox=",
        "?filter-lang=cql2-text&filter=name%20=%20%27a%27",
    ]
    assert len({served.ask(ADDRESS + query).body for query in same}) == 1
    assert served.made() == 2
    assert served.metric("tile_answers_total", 'result="miss"') == 2


def test_an_empty_tile_is_kept_too(served: World) -> None:
    for _ in range(3):
        assert served.ask(ADDRESS + "?name=nobody").status == 204
    assert served.made() == 1
    assert served.metric("tile_cache_entries") == 1


@pytest.mark.parametrize("served", [{"tile_cache_mb": 0}], indirect=True)
def test_without_a_cache_those_who_wait_still_share_one_render(served: World) -> None:
    served.take(3)  # longer than a busy machine needs to send them all
    ask_at_once(served, [ADDRESS] * 20)
    assert served.made() == 1
    served.take(0)
    assert served.ask(ADDRESS).status == 200
    assert served.made() == 2
    assert served.metric("tile_cache_bytes") == served.metric("tile_cache_entries") == 0


@pytest.mark.parametrize("served", [{"tile_cache_mb": 1}], indirect=True)
def test_the_cache_stays_within_its_bytes(served: World) -> None:
    for x in range(1500):
        assert served.ask(f"/tiles/stops/14/{x}/5.mvt").status == 204
    assert 0 < served.metric("tile_cache_bytes") <= 2**20
    assert served.metric("tiles_evicted_total") > 0


# Clients that leave


def test_who_leaves_takes_the_query_along_only_when_nobody_else_waits(served: World) -> None:
    served.take(3)
    leaving, replies = leave_after_asking(served, ADDRESS), []
    staying = threading.Thread(target=lambda: replies.append(served.ask(ADDRESS)))
    staying.start()
    wait_for(lambda: served.metric("tile_renders_running") == 1)
    leaving.close()
    staying.join()
    assert replies[0].status == 200
    assert served.made() == 1
    other = ADDRESS + "?name=a"
    served.take(20)
    alone = leave_after_asking(served, other)
    wait_for(lambda: sleeping(served) == 1)
    alone.close()
    wait_for(lambda: sleeping(served) == 0, 10)
    wait_for(lambda: served.metric("tile_renders_running") == 0)
    served.take(0)
    assert served.ask(other).status == 200


# What a change drops


def around(zooms: Iterable[int]) -> list[mercantile.Tile]:
    (west, south), (east, north) = PLACES[0], PLACES[-1]
    return [tile for zoom in zooms for tile in mercantile.tiles(west, south, east, north, zooms=zoom)]


def test_a_change_drops_just_the_tiles_that_it_touches_at_every_zoom(served: World) -> None:
    changed = tile_at(14)
    told = [TileRange(14, changed.x, changed.y, changed.x, changed.y)]
    tiles = around(range(15))
    queries = ["", "?name=a", "?filter=name%3D%27b%27"]
    before = {(tile, query): served.ask(path_of(tile) + query) for tile in tiles for query in queries}
    made = served.made()
    touched = {tile for tile in tiles if touches(told, *(tile.z, tile.x, tile.y))}
    assert 15 <= len(touched) < len(tiles) / 2
    query = "UPDATE layers.stops SET name = 'b' WHERE ST_Intersects(geom_3857, ST_TileEnvelope(%s, %s, %s))"
    served.edit_silently(query, [changed.z, changed.x, changed.y])
    served.wait_for_invalidation(lambda: served.notify([list(told[0])]), len(touched) * len(queries))
    untouched = [(tile, query) for tile, query in before if tile not in touched]
    for tile, query in untouched:
        assert served.ask(path_of(tile) + query).body == before[tile, query].body
    assert served.made() == made, "what is not touched is answered without a query"
    after = {(tile, query): served.ask(path_of(tile) + query) for tile in touched for query in queries}
    assert served.made() == made + len(after)
    assert not any("x-tile-stale" in reply.headers for reply in after.values())
    assert names_in(after[changed, ""]) != names_in(before[changed, ""])
    assert set(names_in(after[changed, ""])) == {"b"}


def test_a_change_without_ranges_drops_the_whole_layer_and_no_other(served: World) -> None:
    for layer in ("stops", "shops"):
        served.ask(path_of(tile_at(13), layer))
    served.wait_for_invalidation(lambda: served.notify(None))
    assert served.ask(path_of(tile_at(13), "shops")).status == 200
    assert served.made() == 2
    served.ask(ADDRESS)
    assert served.made() == 3


def test_a_change_outside_the_known_bounds_is_seen(served: World) -> None:
    far = (10.5, 50.5)
    tile = tile_at(12, far)
    assert served.ask(path_of(tile)).status == 204
    served.edit_silently(
        "UPDATE layers.stops SET geom = ST_SetSRID(ST_MakePoint(%s, %s), ST_SRID(geom)) WHERE fid ="
        " (SELECT min(fid) FROM layers.stops)",
        [*far],
    )
    served.execute("UPDATE geoserver.layers SET east = %s, north = %s WHERE id = 'stops'", [*far])
    box = [far[0], far[1], far[0], far[1]]
    served.wait_for_invalidation(lambda: served.notify([[12, tile.x, tile.y, tile.x, tile.y]], bounds=box))
    assert len(names_in(served.ask(path_of(tile)))) == 1


def test_an_edit_of_a_row_in_place_is_told_by_the_database_itself(served: World) -> None:
    near, far = tile_at(13), tile_at(13, PLACES[0])
    for tile in (near, far):
        served.ask(path_of(tile))
    query = "UPDATE layers.stops SET name = 'c' WHERE geom_3857 && ST_TileEnvelope(%s, %s, %s)"
    served.wait_for_invalidation(lambda: served.execute(query, [near.z, near.x, near.y]))
    assert "c" in names_in(served.ask(path_of(near)))
    assert served.made() == 3
    served.ask(path_of(far))
    assert served.made() == 3, "the other tile is as it was"


def test_a_load_drops_the_layer_and_serves_the_new_rows(served: World) -> None:
    before = served.ask(ADDRESS)
    path = served.workspace / "data" / "stops.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",a,", ",c,"), encoding="utf-8")
    served.wait_for_invalidation(lambda: served.load("stops"))
    wait_for(lambda: "c" in names_in(served.ask(ADDRESS)))
    assert served.ask(ADDRESS).headers["etag"] != before.headers["etag"]


def test_equal_rows_have_the_same_tag_after_a_load_and_in_another_server(served: World, serve: Any) -> None:
    tag = served.ask(ADDRESS).headers["etag"]
    served.wait_for_invalidation(lambda: served.load("stops"))
    assert served.ask(ADDRESS, If_None_Match=tag).status == 304


@pytest.mark.slow
def test_a_field_that_is_no_longer_declared_is_not_served_from_the_old_tiles(served: World) -> None:
    assert "name" in mapbox_vector_tile.decode(served.ask(ADDRESS).body)["stops"]["features"][0]["properties"]
    file = served.workspace / "layers" / "stops.toml"
    served.take(3)  # longer than a client waits while there is an old tile
    file.write_text(file.read_text(encoding="utf-8").replace("fields.name", "fields.code"), encoding="utf-8")
    wait_for(lambda: served.ask(ADDRESS + "?name=a").status == 400)
    served.execute("ALTER TABLE layers.stops ADD COLUMN code text")
    reply = served.ask(ADDRESS)
    assert "x-tile-stale" not in reply.headers
    assert not any("name" in item["properties"] for item in mapbox_vector_tile.decode(reply.body)["stops"]["features"])


def test_a_render_that_a_change_overtakes_is_not_kept_as_new(served: World) -> None:
    tile = tile_at(13)
    served.take(2)
    replies: list[Reply] = []
    early = threading.Thread(target=lambda: replies.append(served.ask(ADDRESS)))
    early.start()
    wait_for(lambda: sleeping(served) == 1)
    served.take(0)
    served.notify([[13, tile.x, tile.y, tile.x, tile.y]])
    wait_for(lambda: served.ask(ADDRESS).status == 200 and served.made() == 2)
    early.join()
    assert replies[0].status == 200
    assert served.ask(ADDRESS).status == 200
    assert served.made() == 2, "what was asked for after the change stays"


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "[]",
        '{"layer": 5, "version": 1}',
        '{"layer": "stops"}',
        "null",
        '{"layer": "stops", "version": Infinity}',
        f'{{"layer": "stops", "version": 1, "bounds": [1{"0" * 400}, 0, 0, 0]}}',
        "[" * 7_000,
    ],
)
def test_a_notice_that_cannot_be_read_breaks_nothing(served: World, payload: str) -> None:
    assert parse_notice(payload) is None
    served.ask(ADDRESS)
    served.execute("SELECT pg_notify('geoserver_changes', %s)", [payload])
    served.wait_for_invalidation(lambda: served.notify([[0, 0, 0, 0, 0]]))
    assert served.ask("/readyz").status == 200


def test_ranges_that_cannot_be_read_drop_the_whole_layer(served: World) -> None:
    for ranges in ([[3, 9, 0, 9, 0]], [[3, 2, 0, 1, 0]], [[1, 0, 0, 0]], [["1", 0, 0, 0, 0]], [[99, 0, 0, 0, 0]]):
        served.ask(ADDRESS)
        served.wait_for_invalidation(lambda ranges=ranges: served.notify(ranges))


# Several layers in one tile


def test_the_layers_of_a_tile_are_kept_each_for_itself(served: World) -> None:
    tile = tile_at(13)
    both = path_of(tile, "stops,shops")
    alone = [served.ask(path_of(tile, layer)).body for layer in ("stops", "shops")]
    assert served.ask(both).body == b"".join(alone)
    assert served.made() == 2
    for encoding in ("gzip", "br", "zstd"):
        packed = served.ask(both, Accept_Encoding=encoding)
        assert decompress(packed.body, encoding) == b"".join(alone)
    assert served.ask(path_of(tile, "shops,stops")).body == b"".join(alone[::-1])
    assert served.made() == 2
    told = [[13, tile.x, tile.y, tile.x, tile.y]]
    served.wait_for_invalidation(lambda: served.notify(told, "shops"), 3)
    assert served.ask(both).status == 200
    assert served.made() == 3, "only the layer that changed is made anew"


def test_the_layers_of_a_tile_are_made_at_the_same_time_and_once(served: World) -> None:
    served.take(1)
    both = path_of(tile_at(13), "stops,shops")
    most = 0
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda: replies.append(served.ask(both))) for _ in range(10)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, sleeping(served))
    assert most == 2
    assert len({reply.body for reply in replies}) == 1
    assert served.made() == 2


@pytest.mark.parametrize("served", [{"statement_timeout": 0.4}], indirect=True)
def test_a_layer_that_cannot_be_made_is_one_problem_document_and_leaves_nothing_running(served: World) -> None:
    served.take(5)
    reply = served.ask(path_of(tile_at(13), "stops,shops"))
    assert reply.status == 503
    assert "0.4 s" in json.loads(reply.body)["detail"]
    wait_for(lambda: served.metric("tile_renders_running") == 0)
    assert sleeping(served) == 0


# Old tiles in the place of new ones


def test_while_a_new_tile_takes_long_the_old_one_is_answered(served: World) -> None:
    tile = tile_at(13)
    first = served.ask(ADDRESS)
    served.take(3)
    served.wait_for_invalidation(lambda: served.notify([[13, tile.x, tile.y, tile.x, tile.y]]))
    stale = served.ask(ADDRESS)
    assert (stale.status, stale.body, stale.headers["etag"]) == (200, first.body, first.headers["etag"])
    assert stale.headers["x-tile-stale"] == "1"
    assert stale.headers["cache-control"] == "public, max-age=0"
    assert served.metric("tile_answers_total", 'result="stale"') == 1
    wait_for(lambda: served.metric("tile_render_seconds_count") == 2)
    assert "x-tile-stale" not in served.ask(ADDRESS).headers
    assert served.made() == 2, "it was made behind the back of who got the old one"


@pytest.mark.parametrize("served", [{"statement_timeout": 0.4}], indirect=True)
def test_when_a_new_tile_cannot_be_made_the_last_good_one_is_answered(served: World) -> None:
    tile = tile_at(13)
    first = served.ask(ADDRESS)
    served.take(5)
    served.wait_for_invalidation(lambda: served.notify([[13, tile.x, tile.y, tile.x, tile.y]]))
    for _ in range(3):
        stale = served.ask(ADDRESS)
        assert (stale.status, stale.body, stale.headers["x-tile-stale"]) == (200, first.body, "1")
    assert served.metric("tile_renders_failed_total") == 1, "it is not tried again with every request"
    cold = served.ask(ADDRESS + "?name=a")
    assert cold.status == 503
    assert int(cold.headers["retry-after"]) > 0
    assert cold.headers["cache-control"] == "no-store"


# When connections are lost


def test_a_lost_listener_comes_back_and_drops_what_changed_meanwhile(served: World) -> None:
    for layer in ("stops", "shops"):
        served.ask(path_of(tile_at(13), layer))
    served.execute("UPDATE geoserver.layers SET version = version + 1 WHERE id = 'stops'")
    served.wait_for_invalidation(
        lambda: served.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
            " AND datname = current_database()"
        )
    )
    assert served.ask(path_of(tile_at(13), "shops")).status == 200
    assert served.made() == 2, "the version of the other layer is the same as before"
    assert served.ask(ADDRESS).status == 200
    assert served.made() == 3
    served.wait_for_invalidation(lambda: served.notify([[0, 0, 0, 0, 0]]))


def test_connections_that_were_ended_while_idle_cost_nobody_an_answer(served: World) -> None:
    doors = [
        "/ogc/collections/stops/items?limit=5&name={n}",
        "/ogc/collections/stops/items/1",
        "/api/layers/stops/summary?name={n}",
        "/api/layers/stops/aggregate?name={n}",
        "/api/layers/stops/rows/marks?name={n}",
        "/api/here?at=-28.6,45.2&radius={n}1",
        "/tiles/stops/0/0/0.mvt?name={n}",
        "/download/stops.csv?name={n}",
    ]
    for n in range(3):
        found = {door: served.ask(door.format(n=n)).status for door in doors}
        assert set(found.values()) <= {200, 204}, found
        served.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_while_the_database_is_away_hot_tiles_are_served_and_cold_ones_are_503(
    served: World, database_server: str
) -> None:
    hot, old = served.ask(ADDRESS), served.ask(path_of(tile_at(12)))
    tile = tile_at(12)
    name = str(conninfo_to_dict(served.database_url)["dbname"])
    allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    corner = [4 * part + (0 if below & 1 else 3) for part, below in zip(tile[:2], tile_at(13)[:2], strict=True)]
    served.wait_for_invalidation(lambda: served.notify([[14, *corner, *corner]]))
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(allow.format(Identifier(name), SQL("false")))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            wait_for(lambda: served.ask("/readyz").status == 503)
            again = served.ask(ADDRESS)
            stale = served.ask(path_of(tile))
            cold = served.ask(path_of(tile_at(14)))
        finally:
            connection.execute(allow.format(Identifier(name), SQL("true")))
    assert (again.status, again.body) == (200, hot.body)
    assert (stale.status, stale.body) == (200, old.body)
    assert cold.status == 503
    assert int(cold.headers["retry-after"]) > 0
    wait_for(lambda: served.ask(path_of(tile_at(14))).status == 200)
    assert served.metric("tile_renders_running") == 0
