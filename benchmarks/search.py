"""The search box: how long after a key each part of the answer is there, on the sample city and over a million rows.

And what the index of trigrams costs a load, beside the same load without it.
"""

from __future__ import annotations

import random
import statistics
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.data import CENTRE, CITY
from benchmarks.frame import Context, Row, Server, Table, make_database
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.loading import load

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]

_PARTS = ("at,layers,values", "places", "features")
_TIMES = 5
_SYLLABLES = [
    "ba",
    "ker",
    "lin",
    "mont",
    "vel",
    "dor",
    "san",
    "ri",
    "to",
    "pe",
    "gra",
    "no",
    "lu",
    "mi",
    "ta",
    "sel",
    "war",
    "hol",
    "ber",
    "ste",
    "fin",
    "gar",
    "nor",
    "wel",
]
_KINDS = ["Street"] * 50 + ["Road"] * 20 + ["Avenue"] * 10 + ["Lane"] * 5 + ["Allée"] * 2 + ["Straße"]
_LAYER = """\
title = "Meters"
license = "CC0-1.0"
source = "data/meters.csv"
kind = "points"
key = "ref"
label = "name"
fields.ref = { type = "text", filter = "search" }
fields.name = { type = "text", filter = "search" }
fields.zone = { type = "text", filter = "choice" }
"""
_PLAIN = """\
title = "Without search"
license = "CC0-1.0"
source = "data/meters.csv"
kind = "points"
key = "ref"
access = "draft"
fields.code = { type = "text", column = "ref" }
fields.called = { type = "text", column = "name" }
fields.zone = { type = "text", filter = "choice" }
"""
_CITY_WORDS = (
    "burglary",
    "burglry",
    "crime",
    "rua",
    "rua do poco",
    "sant",
    "santana",
    "districto",
    "45.2 -28.6",
    "qqqq",
)


def run(context: Context) -> list[Row]:
    """The sample city first, then as many rows as the run has."""
    with context.serve_samples() as server:
        rows = _measure(context, server, "sample city", _CITY_WORDS, 100)
    folder = context.folder / "search"
    words = _write(folder, context.rows)
    url = make_database(context.database_url, f"{conninfo_to_dict(context.database_url)['dbname']}_search")
    rows += _measure_load(folder, url)
    with context.serve_workspace(folder, url) as server:
        rows += _measure(context, server, f"{context.rows:,} rows", words, 300)
    return rows


def _measure(context: Context, server: Server, what: str, words: tuple[str, ...], most: float) -> list[Row]:
    """Milliseconds of each part, by word; the first time of a word counts like the others."""
    times: dict[str, list[float]] = {part: [] for part in _PARTS}
    lines = []
    _ask(server, "warm", "at,layers,values")
    for word in words:
        means = []
        for part in _PARTS:
            taken = [_ask(server, word, part) for _ in range(_TIMES)]
            times[part] += taken
            means.append(f"{statistics.median(taken):.0f}")
        lines.append((word, *means))
    context.tables.append(Table(f"search, {what}: milliseconds, median of {_TIMES}", ("typed", *_PARTS), tuple(lines)))
    rows = []
    for part, taken in times.items():
        taken.sort()
        p95 = taken[int(0.95 * (len(taken) - 1))]
        context.note(f"search, {what}, {part}: p50 {statistics.median(taken):.0f} ms, p95 {p95:.0f} ms")
        rows.append(Row("search", f"{what}, {part}, p95", p95, "ms", at_most=most))
    return rows


def _ask(server: Server, word: str, parts: str) -> float:
    query = urllib.parse.urlencode({"q": word, "parts": parts, "limit": 8, "at": f"{CENTRE[0]},{CENTRE[1]}"})
    started = time.perf_counter()
    with urllib.request.urlopen(f"{server.url}/api/search?{query}") as answer:
        answer.read()
    return 1000 * (time.perf_counter() - started)


def _write(folder: Path, rows: int) -> tuple[str, ...]:
    """A workspace with one layer; gives words to look for: frequent, rare, mistyped, unknown, with a number."""
    for part in ("layers", "data"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    draw = random.Random(7)
    names = ["".join(draw.choices(_SYLLABLES, k=draw.choice((2, 3, 3, 4)))).capitalize() for _ in range(20_000)]
    (folder / "layers" / "meters.toml").write_text(_LAYER, encoding="utf-8")
    (folder / "layers" / "plain.toml").write_text(_PLAIN, encoding="utf-8")
    with (folder / "data" / "meters.csv").open("w", encoding="utf-8") as file:
        file.write("ref,name,zone,lon,lat\n")
        for number in range(rows):
            name = names[min(int(draw.paretovariate(0.6)), 19_999)] if number % 2 else draw.choice(names)
            lon, lat = (draw.gauss(middle, spread) for middle, spread in zip(CENTRE, CITY, strict=True))
            text = f"{name} {draw.choice(_KINDS)} {draw.randint(1, 200)}"
            file.write(f"R-{number:07d},{text},{'abcdefgh'[number % 8]},{lon:.6f},{lat:.6f}\n")
    often, rare = names[1].lower(), names[15_000].lower()
    mistyped = rare[:2] + rare[3] + rare[2] + rare[4:]
    return (
        "street", "allee", "strasse", often, f"{often} street", rare, mistyped, f"{rare} raod", f"{often} 98", "te",
        f"R-{rows // 2:07d}", "qqqzz", "zone a",
    )  # fmt: skip


def _measure_load(folder: Path, url: str) -> list[Row]:
    """The same rows with fields that are searched, and with none."""
    layers = read_catalog(read_settings(folder)).layers
    seconds = {name: load(layers[name], url, force=True).seconds for name in ("plain", "meters")}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE layers.meters")
    return [Row("search", "load, with its index", seconds["meters"], "s", seconds["plain"], "without", at_most=1.3)]
