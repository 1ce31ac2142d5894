"""The main choice field of a layer, by whose values bins count: which values have a count of their own, and codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier, Literal

from geoserver.tiling.density import EVERYTHING, sampling
from geoserver.tiling.packed import MOST_VALUES

if TYPE_CHECKING:
    import psycopg

    from geoserver.filtering import Where
    from geoserver.model import Layer

__all__ = ["Facet", "find_facet", "write_codes", "write_missing_codes"]

_MOST_CODES = 500  # values that packed points tell apart
_NAME = 63  # bytes of a column's name


@dataclass(frozen=True, slots=True)
class Facet:
    """The field, its most frequent values, which are counted apart, others with codes, and whether those are all."""

    field: str
    named: tuple[str, ...]
    others: tuple[str, ...]
    whole: bool


def find_facet(
    connection: psycopg.Connection, layer: Layer, table: str, where: Where = EVERYTHING, rows: int = 0
) -> Facet | None:
    """The field that the layer file says, else the first choice field that everybody sees; None where there is none.

    Where `rows` says how many rows there are, its values are found in a sample.
    """
    choices = [item.name for item in layer.fields.values() if item.filter == "choice" and not item.restricted]
    field = layer.facet or (choices[0] if choices else "")
    if not field:
        return None
    values = connection.execute(
        SQL(
            "SELECT {field}::text FROM {table} {sample} WHERE {field} IS NOT NULL AND ({where})"
            " GROUP BY {field}::text"
            " ORDER BY count(*) DESC, 1 LIMIT {most}"
        ).format(
            field=Identifier(field),
            table=Identifier("layers", table),
            sample=sampling(rows),
            most=Literal(_MOST_CODES + 1),
            where=where.sql,
        ),
        where.params or None,
    ).fetchall()
    found = [str(value) for (value,) in values]
    named = [value for value in found if len(f"{field}:{value}".encode()) <= _NAME][:MOST_VALUES]
    others = [value for value in found[:_MOST_CODES] if value not in set(named)]
    return Facet(field, tuple(named), tuple(others), whole=len(found) <= _MOST_CODES)


def write_codes(connection: psycopg.Connection, layer: Layer, facet: Facet) -> None:
    """Give values numbers, by which packed points know them; those that are counted apart have the lowest."""
    codes = [*enumerate(facet.named), *enumerate(facet.others, start=MOST_VALUES)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO geoserver.facets (layer, code, value) VALUES (%s, %s, %s)",
            [(layer.id, code, value) for code, value in codes],
        )


def write_missing_codes(connection: psycopg.Connection, layer: Layer, table: str, field: str) -> None:
    """Give numbers to values that came after `write_codes`: points packed without one are not found by value."""
    connection.execute(
        SQL(
            "INSERT INTO geoserver.facets (layer, code, value)"
            " SELECT {layer}, greatest((SELECT max(code) FROM geoserver.facets WHERE layer = {layer}), {last})"
            " + row_number() OVER (ORDER BY value), value"
            " FROM (SELECT DISTINCT {field}::text AS value FROM {table} WHERE {field} IS NOT NULL"
            " EXCEPT SELECT value FROM geoserver.facets WHERE layer = {layer}) AS missing"
        ).format(
            layer=Literal(layer.id),
            last=Literal(MOST_VALUES - 1),
            field=Identifier(field),
            table=Identifier("layers", table),
        )
    )
