"""Tiles over HTTP, cold and hot, unfiltered and filtered, at ten zooms, beside the limits and the peers.

Cold: the server keeps no tiles, so each answer is made by the database, whose own pages are warm, as they are for the
references. Hot: the server has each tile in memory; it has one core and the client the other, as nginx beside it.
Ours are asked for with gzip, as browsers do; the references do not compress, which spares them work.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from benchmarks import sql
from benchmarks.city import CITY, POINTS
from benchmarks.drive import Timing, fetch_all, find_wrk, measure, measure_by_wrk
from benchmarks.peers import find_nginx, serve_files, serve_peers
from benchmarks.tile_rows import BEST_SQL_FROM, MANY, Figures, build_rows, build_table
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.frame import Context, Row
    from benchmarks.peers import Peer
    from benchmarks.tile_rows import Key
    from geoserver.model import Layer, Tile

__all__ = ["run"]

_TILES = 48  # per zoom
_ROUNDS = 2  # ours and the references take turns, so that a busy moment of the machine hits both
_SERVER, _CLIENT = "0", "1"  # processor cores of hot runs
_ENCODING = "gzip"
_PLAIN = (POINTS, "buildings")


def run(context: Context) -> list[Row]:
    """Everything at every zoom; what fails is said in a note and left out."""
    names = context.layers
    for name in names:
        context.load(name)
    catalog = read_catalog(read_settings(context.folder))
    layers = {name: catalog.layers[name] for name in names}
    tiles = {
        name: sql.choose_tiles(context.database_url, layer, context.zooms, _TILES) for name, layer in layers.items()
    }
    figures = Figures()
    for name in names:
        with context.step("tiles", f"{name}, cold"):
            _run_cold(context, layers[name], tiles[name], figures)
    for name in names:
        with context.step("tiles", f"{name}, hot"):
            _run_hot(context, name, tiles[name], figures)
    numbers = {
        (name, filtered, zoom): len(set(tiles[name][zoom]))
        for name in names
        for filtered in (False, True)
        for zoom in context.zooms
    }
    context.tables.append(build_table(figures, numbers))
    return build_rows(figures)


def _run_cold(context: Context, layer: Layer, tiles: dict[int, list[Tile]], figures: Figures) -> None:
    none: contextlib.AbstractContextManager[list[Peer]] = contextlib.nullcontext([])
    with (
        context.serve(*context.layers, cold=True) as server,
        serve_peers(context, layer) if layer.id == POINTS else none as peers,
    ):
        for zoom, chosen in tiles.items():
            with context.step("tiles", f"{layer.id}, cold, z{zoom}"):
                _measure_alone(context, layer, chosen, server.url, figures)
                _measure_peers(context, peers, (layer.id, False, zoom), chosen, figures)
                _measure_many(context, layer, chosen, server.url, figures)


def _measure_alone(context: Context, layer: Layer, tiles: Sequence[Tile], url: str, figures: Figures) -> None:
    """One connection: latency of ours and of the limits in turns, and how large the tiles are."""
    zoom, seconds = tiles[0].z, context.seconds / 5
    asks: list[Callable[[], None]] = []
    for filtered in (False, True):
        key = (layer.id, filtered, zoom)
        paths = _build_paths(layer.id, tiles, filtered=filtered)
        figures.sizes[key] = max(map(len, fetch_all(url, list(dict.fromkeys(paths)))))

        def ask(key: Key = key, paths: list[str] = paths) -> None:
            _add(figures.cold, key, 1, measure(url, paths, seconds=seconds, encoding=_ENCODING))

        asks.append(ask)
    if layer.id in _PLAIN and sql.find_pgbench():
        statement = sql.build_tile(layer, zoom)
        asks.append(lambda: _add(figures.plain, (layer.id, False, zoom), 1, _bare(context, statement, tiles)))
    if layer.id in _PLAIN and zoom < BEST_SQL_FROM and sql.find_pgbench():
        count = sql.build_count(layer, CITY[layer.id].condition)
        asks.append(lambda: _add_one(figures.counts, (layer.id, True, zoom), _bare(context, count)))
    for _ in range(_ROUNDS):
        for each in asks:
            each()
    for filtered in (False, True):
        _note_failed(context, (layer.id, filtered, zoom), figures.cold[layer.id, filtered, zoom][1])


def _bare(context: Context, statement: str, tiles: Sequence[Tile] = (), clients: int = 1) -> Timing:
    return sql.measure(context.database_url, statement, tiles, clients=clients, seconds=context.seconds / 5)


def _measure_peers(context: Context, peers: Sequence[Peer], key: Key, tiles: Sequence[Tile], figures: Figures) -> None:
    for peer in peers:
        timing = measure(peer.url, [peer.path(tile) for tile in tiles], seconds=context.seconds / 5)
        if timing.failed:
            context.note(f"tiles: {peer.name}, z{key[2]}: {timing.failed} of {timing.count} requests failed")
        if timing.failed < timing.count:
            figures.peers.setdefault(peer, {})[key] = timing


def _measure_many(context: Context, layer: Layer, tiles: Sequence[Tile], url: str, figures: Figures) -> None:
    """Many connections: throughput of ours, and of the limit where plain SQL is the best there is."""
    zoom = tiles[0].z
    for filtered in (False, True):
        paths = _build_paths(layer.id, tiles, filtered=filtered)
        timing = measure(url, paths, connections=MANY, seconds=context.seconds / 5, encoding=_ENCODING, least=1)
        _add(figures.cold, (layer.id, filtered, zoom), MANY, timing)
        _note_failed(context, (layer.id, filtered, zoom), timing)
    if layer.id == POINTS and zoom >= BEST_SQL_FROM and sql.find_pgbench():
        _add(figures.plain, (layer.id, False, zoom), MANY, _bare(context, sql.build_tile(layer, zoom), tiles, MANY))


def _note_failed(context: Context, key: Key, timing: Timing) -> None:
    """A refusal is quick, and must not pass for a quick tile."""
    if timing.failed:
        what = f"{key[0]}, z{key[2]}{', filtered' if key[1] else ''}, cold"
        context.note(f"tiles: {what}: {timing.failed} of {timing.count} requests failed")


def _run_hot(context: Context, name: str, tiles: dict[int, list[Tile]], figures: Figures) -> None:
    with context.serve(*context.layers, cores=_SERVER) as server:
        for zoom, chosen in tiles.items():
            for filtered in (False, True):
                with context.step("tiles", f"{name}, hot, z{zoom}{', filtered' if filtered else ''}"):
                    _measure_hot(context, (name, filtered, zoom), chosen, server.url, figures)


def _measure_hot(context: Context, key: Key, tiles: Sequence[Tile], url: str, figures: Figures) -> None:
    paths = _build_paths(key[0], tiles, filtered=key[1])
    different = list(dict.fromkeys(paths))
    bodies = fetch_all(url, different, _ENCODING)  # from now on the server has them
    for connections in (1, MANY):
        _add(figures.hot, key, connections, _ask_hot(context, url, paths, connections))
    if key[0] != POINTS or key[1] or not (find_nginx() and find_wrk()):
        return
    rates: tuple[list[float], list[float]] = ([], [])
    with serve_files(context, bodies, _ENCODING, _SERVER) as files:
        theirs = [f"/{different.index(path)}.mvt" for path in paths]
        for _ in range(_ROUNDS):
            rates[0].append(_ask_hot(context, url, paths, MANY).rate)
            rates[1].append(_ask_hot(context, files.url, theirs, MANY).rate)
    figures.files[key] = (sum(rates[0]) / _ROUNDS, sum(rates[1]) / _ROUNDS)


def _ask_hot(context: Context, url: str, paths: list[str], connections: int) -> Timing:
    seconds = context.seconds / 5
    if not find_wrk():
        return measure(url, paths, connections=connections, seconds=seconds, encoding=_ENCODING)
    return measure_by_wrk(url, paths, connections=connections, seconds=seconds, encoding=_ENCODING, cores=_CLIENT)


def _build_paths(layer: str, tiles: Sequence[Tile], *, filtered: bool) -> list[str]:
    question = f"?{CITY[layer].question}" if filtered else ""
    return [f"/tiles/{layer}/{tile.z}/{tile.x}/{tile.y}.mvt{question}" for tile in tiles]


def _add(into: dict[Key, dict[int, Timing]], key: Key, connections: int, timing: Timing) -> None:
    """Rounds of the same measurement are one."""
    _add_one(into.setdefault(key, {}), connections, timing)


def _add_one[K](into: dict[K, Timing], key: K, timing: Timing) -> None:
    into[key] = into[key] + timing if key in into else timing
