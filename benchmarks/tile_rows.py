"""What the measurements of tiles come to: the rows of ratios with what is to be reached, and the table behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.city import BIG, POINTS
from benchmarks.frame import Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.drive import Timing
    from benchmarks.peers import Peer

__all__ = ["BEST_SQL_FROM", "BUDGET", "MANY", "Figures", "Key", "build_rows", "build_table"]

BEST_SQL_FROM = 13  # from this zoom on the points' best SQL is plain ST_AsMVT of the tile
BUDGET = 500.0  # kB, uncompressed
MANY = 16  # connections
# How many times faster than plain ST_AsMVT, and than a peer where that is more than at all.
_FASTER = {(POINTS, 9): 50, ("buildings", 9): 10, ("buildings", 12): 10} | {
    ("buildings", zoom): 1 for zoom in (14, 15, 16)
}
_FASTER_THAN = {("martin", 16): 1.5}
_PLAIN = "plain ST_AsMVT by pgbench"

type Key = tuple[str, bool, int]  # layer, filtered, zoom
type Timings = dict[Key, dict[int, Timing]]  # by number of connections


@dataclass
class Figures:
    """All that was measured, by layer, filter and zoom."""

    cold: Timings = field(default_factory=dict)
    hot: Timings = field(default_factory=dict)
    plain: Timings = field(default_factory=dict)
    counts: dict[Key, Timing] = field(default_factory=dict)
    peers: dict[Peer, dict[Key, Timing]] = field(default_factory=dict)
    files: dict[Key, tuple[float, float]] = field(default_factory=dict)  # requests per second: ours, nginx
    sizes: dict[Key, int] = field(default_factory=dict)  # largest tile in bytes, uncompressed


def build_rows(figures: Figures) -> list[Row]:
    """In the order of the targets: limits of cold tiles, sizes, ten times the points, hot tiles, peers."""
    return [
        *_best_sql(figures),
        *_plain(figures),
        *_counts(figures),
        *_sizes(figures),
        *_ten_times(figures),
        *_files(figures),
        *_peers(figures),
    ]


def _name(key: Key) -> str:
    layer, filtered, zoom = key
    return f"{layer} z{zoom}{', filtered' if filtered else ''}"


def _best_sql(figures: Figures) -> Iterator[Row]:
    for key, plain in figures.plain.items():
        if key[0] != POINTS or key[2] < BEST_SQL_FROM or not (cold := figures.cold.get(key)):
            continue
        yield Row("tiles", f"{_name(key)}, cold", cold[1].p50, "ms", plain[1].p50, "bare SQL by pgbench", at_most=1.3)
        if MANY in plain and MANY in cold:
            name = f"{_name(key)}, cold, {MANY} connections"
            yield Row("tiles", name, cold[MANY].rate, "tiles/s", plain[MANY].rate, "bare SQL by pgbench")


def _plain(figures: Figures) -> Iterator[Row]:
    """Rates of one after another, so that the ratio says how many times faster."""
    for key, plain in figures.plain.items():
        layer, _, zoom = key
        if (layer == POINTS and zoom >= BEST_SQL_FROM) or not (cold := figures.cold.get(key)):
            continue
        least = _FASTER.get((layer, zoom))
        ours, theirs = 1000 / cold[1].p50, 1000 / plain[1].p50
        yield Row("tiles", f"{_name(key)}, cold, one by one", ours, "tiles/s", theirs, _PLAIN, at_least=least)


def _counts(figures: Figures) -> Iterator[Row]:
    for key, count in figures.counts.items():
        if cold := figures.cold.get(key):
            most = 1.0 if key[0] == POINTS else None
            yield Row("tiles", f"{_name(key)}, cold", cold[1].p50, "ms", count.p50, "count(*) by pgbench", at_most=most)


def _sizes(figures: Figures) -> Iterator[Row]:
    for layer in dict.fromkeys(key[0] for key in figures.sizes):
        size, key = max((size, key) for key, size in figures.sizes.items() if key[0] == layer)
        yield Row("tiles", f"{layer}, largest tile (z{key[2]})", size / 1000, "kB", at_most=BUDGET)


def _ten_times(figures: Figures) -> Iterator[Row]:
    for key, cold in figures.cold.items():
        if key[0] == BIG and (smaller := figures.cold.get((POINTS, *key[1:]))):
            most = _most_of_ten_times(key)
            yield Row("tiles", f"{_name(key)}, cold, p95", cold[1].p95, "ms", smaller[1].p95, "a tenth", at_most=most)


def _most_of_ten_times(key: Key) -> float:
    """How many times longer a tile may take over ten times as many points."""
    _, filtered, zoom = key
    if filtered:
        return 4 if zoom <= 13 else 10
    return 2 if zoom >= 16 else 3


def _files(figures: Figures) -> Iterator[Row]:
    for key, (ours, theirs) in figures.files.items():
        least = 0.6 if key[2] >= 9 else 0.4
        yield Row("tiles", f"{_name(key)}, hot", ours, "requests/s", theirs, "nginx, same bytes", at_least=least)


def _peers(figures: Figures) -> Iterator[Row]:
    for peer, timings in figures.peers.items():
        for key, timing in timings.items():
            if cold := figures.cold.get(key):
                ours, theirs = 1000 / cold[1].p50, 1000 / timing.p50
                name, least = f"{_name(key)}, cold, one by one", _FASTER_THAN.get((peer.name, key[2]), 1)
                yield Row("tiles", name, ours, "tiles/s", theirs, peer.title, at_least=least)


def build_table(figures: Figures, numbers: dict[Key, int]) -> Table:
    """Latency, throughput and size per layer, filter and zoom; `numbers`: how many different tiles were asked for."""
    keys = list(dict.fromkeys([*figures.cold, *figures.hot]))
    layers = list(dict.fromkeys(key[0] for key in keys))
    keys.sort(key=lambda key: (layers.index(key[0]), key[1], key[2]))
    header: tuple[str, ...] = ("tiles", "different", "largest, kB")
    for state in ("cold", "hot"):
        for connections in (1, MANY):
            header += (f"{state}, {connections}: p50 / p95, ms", "tiles/s")
    lines = []
    for key in keys:
        size = f"{figures.sizes[key] / 1000:,.1f}" if key in figures.sizes else ""
        cells = [_name(key), str(numbers.get(key, "")), size]
        for timings in (figures.cold, figures.hot):
            for connections in (1, MANY):
                cells += _describe(timings.get(key, {}).get(connections))
        lines.append(tuple(cells))
    return Table("Tiles: latency and throughput at 1 and 16 connections, over HTTP with gzip", header, lines)


def _describe(timing: Timing | None) -> tuple[str, str]:
    if timing is None:
        return "", ""
    failed = f" ({timing.failed} failed)" if timing.failed else ""
    return f"{timing.p50:,.3g} / {timing.p95:,.3g}{failed}", f"{timing.rate:,.0f}"
