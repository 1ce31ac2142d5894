"""Rows by their text: those that have all words in their searched fields, and what a mistyped word may have been."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Composed, Identifier

from geoserver.database.queries import show, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geoserver.database.pool import Database
    from geoserver.database.queries import Condition
    from geoserver.model import Layer

__all__ = ["Found", "Term", "Wanted", "escape", "find_points", "find_similar", "find_texts", "has_trigrams"]

type Box = tuple[float, float, float, float]

_MOST = 400  # rows of a layer that are ranked
_MOST_BEST = 50  # and where there are more, those that are near, or begin so
_BUDGET = 2.0  # seconds for all layers
_LONGEST = 1.0  # and for one of them
_BONUS = 0.05  # and for what would come before others
_RADIUS = 6_378_137.0
_DIGITS = 7  # decimals of a degree: a centimetre
_ONE_MISTAKE = 7  # letters from which on two are looked for
_MOST_WORDS = 60  # that a mistyped word may have been
_LIKENESS = "0.35"  # of trigrams, two mistakes apart
_TRIGRAMS = (
    "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace"
    " WHERE extname = 'pg_trgm'"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One of these patterns of LIKE must fit one of these fields, folded."""

    names: Sequence[str]
    patterns: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for in one layer: rows of `where` in which each term fits. `columns` are given back.

    `phrase` is what was typed, folded; rows that are or begin so are found among however many.
    """

    layer: Layer
    where: Condition
    names: Sequence[str]
    columns: Sequence[str]
    terms: Sequence[Term]
    phrase: str


@dataclass(frozen=True, slots=True)
class Found:
    """A row: its columns as JSON has them, and the box around it, in degrees."""

    wanted: Wanted
    fid: int
    values: dict[str, Any]
    box: Box


def escape(text: str) -> str:
    """The text as a pattern of LIKE that fits it alone."""
    return re.sub(r"([%_\\])", r"\\\1", text)


async def find_texts(
    database: Database, wanted: Iterable[Wanted], near: tuple[float, float] | None
) -> tuple[list[Found], bool]:
    """Rows of all these layers, of each those nearest to `near` (lon, lat) where there are many; and whether that is
    all: what takes too long is left out.
    """
    found: list[Found] = []
    whole, started = True, time.monotonic()
    async with database.connection() as connection:
        for one in wanted:
            left = _BUDGET - (time.monotonic() - started)
            if left <= 0:
                return found, False
            try:
                async with connection.transaction():
                    await _limit(connection, min(left, _LONGEST))
                    found += await _find(connection, one, near)
            except psycopg.errors.QueryCanceled:
                whole = False
    return found, whole


async def find_similar(database: Database, layers: Sequence[str], typed: Sequence[str]) -> list[tuple[str, str, str]]:
    """(layer, typed, word): words of layers that a mistyped one may be. Some are far from it: prove them.

    Without trigrams one mistake is found, and never two.
    """
    rows: list[tuple[str, str, str]] = []
    async with database.connection() as connection:
        try:
            async with connection.transaction():
                await _limit(connection, _LONGEST)
                schema = await _find_trigrams(connection)
                for word in typed:
                    rows += await _find_similar(connection, layers, word, schema)
        except psycopg.errors.QueryCanceled:
            return rows
    return rows


async def find_points(database: Database, wanted: Wanted, fids: Sequence[int]) -> dict[int, tuple[float, float]]:
    """A point on each of these rows, in degrees."""
    query = SQL(
        "SELECT fid, ST_X(p) AS lon, ST_Y(p) AS lat"
        " FROM (SELECT fid, ST_Transform(ST_PointOnSurface(geom), 4326) AS p FROM {} WHERE fid = ANY(%(fids)s)"
        " AND {}) AS t"
    ).format(table_of(wanted.layer.table), wanted.where.sql)
    rows = await database.fetch(query, {**wanted.where.params, "fids": list(fids)})
    return {
        row["fid"]: (round(row["lon"], _DIGITS), round(row["lat"], _DIGITS)) for row in rows if row["lon"] is not None
    }


async def has_trigrams(database: Database) -> bool:
    """Whether the extension is there that makes searching quick."""
    return bool(await database.fetch(SQL(_TRIGRAMS)))


async def _limit(connection: psycopg.AsyncConnection, seconds: float) -> None:
    """For the transaction: no longer than this, and nothing that takes long to begin."""
    await connection.execute(
        "SELECT set_config('statement_timeout', %s, true), set_config('jit', 'off', true)",
        [str(max(1, int(seconds * 1000)))],
    )


async def _find(connection: psycopg.AsyncConnection, wanted: Wanted, near: tuple[float, float] | None) -> list[Found]:
    """All rows where they are not too many; else some, those that are near, and those that are or begin just so."""
    params: dict[str, object] = {**wanted.where.params}
    condition = SQL(" AND ").join([_compile(term, params) for term in wanted.terms])
    rows = await _fetch(connection, wanted, condition, SQL(""), params, _MOST)
    if len(rows) == _MOST:
        if near is not None:
            x, y = _to_mercator(*near)
            params |= {"near_x": x, "near_y": y}
            order = SQL("ORDER BY geom_3857 <-> ST_SetSRID(ST_MakePoint(%(near_x)s::float8, %(near_y)s::float8), 3857)")
            rows = [*await _try_fetch(connection, wanted, condition, order, params), *rows]
        for pattern in (escape(wanted.phrase), f"{escape(wanted.phrase)}%"):
            params = {**wanted.where.params}
            condition = _compile(Term(wanted.names, [pattern]), params)
            rows += await _try_fetch(connection, wanted, condition, SQL(""), params)
    return list({row.fid: row for row in rows}.values())


async def _try_fetch(
    connection: psycopg.AsyncConnection,
    wanted: Wanted,
    condition: Composable,
    order: Composable,
    params: dict[str, object],
) -> list[Found]:
    """Rows that would come before others; none where they are not found at once, as with a word of all rows."""
    try:
        async with connection.transaction():
            await _limit(connection, _BONUS)
            return await _fetch(connection, wanted, condition, order, params, _MOST_BEST)
    except psycopg.errors.QueryCanceled:
        return []


async def _fetch(  # noqa: PLR0917 - the parts of one statement
    connection: psycopg.AsyncConnection,
    wanted: Wanted,
    condition: Composable,
    order: Composable,
    params: dict[str, object],
    most: int,
) -> list[Found]:
    fields = wanted.layer.fields
    query = SQL(
        "SELECT fid, {columns}, ST_XMin(geom_3857) AS west, ST_YMin(geom_3857) AS south, ST_XMax(geom_3857) AS east,"
        " ST_YMax(geom_3857) AS north FROM {table} WHERE geom IS NOT NULL AND {where} AND {condition} {order}"
        " LIMIT {most}"
    ).format(
        columns=SQL(", ").join(
            [
                SQL("{} AS {}").format(show(name, fields[name].type), Identifier(f"c{at}"))
                for at, name in enumerate(wanted.columns)
            ]
        ),
        table=table_of(wanted.layer.table),
        where=wanted.where.sql,
        condition=condition,
        order=order,
        most=most,
    )
    async with connection.cursor(row_factory=dict_row) as cursor:
        # Never prepared: which way is the quick one depends on the words.
        await cursor.execute(query, params, prepare=False)
        rows = await cursor.fetchall()
    return [
        Found(
            wanted,
            row["fid"],
            {name: row[f"c{at}"] for at, name in enumerate(wanted.columns)},
            (*_to_lonlat(row["west"], row["south"]), *_to_lonlat(row["east"], row["north"])),
        )
        for row in rows
        if row["west"] is not None
    ]


def _compile(term: Term, params: dict[str, object]) -> Composed:
    """A condition; its patterns are bound under names of their own."""
    parts = []
    for pattern in term.patterns:
        key = f"s{len(params)}"
        params[key] = pattern
        bound = SQL("%({})s::text").format(SQL(key))
        parts += [SQL("geoserver.fold({}) LIKE {}").format(Identifier(name), bound) for name in term.names]
    return SQL("({})").format(SQL(" OR ").join(parts))


async def _find_trigrams(connection: psycopg.AsyncConnection) -> str:
    row = await (await connection.execute(_TRIGRAMS)).fetchone()
    if row is None:
        return ""
    await connection.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [_LIKENESS])
    return str(row[0])


async def _find_similar(
    connection: psycopg.AsyncConnection, layers: Sequence[str], typed: str, schema: str
) -> list[tuple[str, str, str]]:
    params: dict[str, object] = {"layers": list(layers), "typed": typed, "most": _MOST_WORDS}
    if schema and len(typed) >= _ONE_MISTAKE:
        likeness: Composable = SQL('(word COLLATE "default") OPERATOR({}.%%>) %(typed)s').format(SQL(schema))
        order: Composable = SQL("{}.word_similarity(%(typed)s, word) DESC").format(SQL(schema))
    else:
        params["mistyped"] = _write_mistyped(typed)
        likeness, order = SQL("word ~ %(mistyped)s"), SQL("length(word)")
    query = SQL(
        "SELECT layer, word FROM geoserver.words WHERE layer = ANY(%(layers)s) AND {} ORDER BY {}, word LIMIT %(most)s"
    ).format(likeness, order)
    rows = await (await connection.execute(query, params, prepare=False)).fetchall()
    return [(str(layer), typed, str(word)) for layer, word in rows]


def _write_mistyped(typed: str) -> str:
    """A regular expression of words that begin as this one, but for one letter; it is of letters alone."""
    forms = set()
    for at in range(len(typed) + 1):
        forms.add(typed[:at] + "." + typed[at:])
        if at < len(typed):
            forms |= {typed[:at] + typed[at + 1 :], typed[:at] + "." + typed[at + 1 :]}
        if at + 1 < len(typed):
            forms.add(typed[:at] + typed[at + 1] + typed[at] + typed[at + 2 :])
    return f"^(?:{'|'.join(sorted(forms))})"


def _to_mercator(lon: float, lat: float) -> tuple[float, float]:
    lat = max(-85.05, min(85.05, lat))
    return math.radians(lon) * _RADIUS, math.log(math.tan(math.pi / 4 + math.radians(lat) / 2)) * _RADIUS


def _to_lonlat(x: float, y: float) -> tuple[float, float]:
    lat = 2 * math.atan(math.exp(y / _RADIUS)) - math.pi / 2
    return round(math.degrees(x / _RADIUS), _DIGITS), round(math.degrees(lat), _DIGITS)
