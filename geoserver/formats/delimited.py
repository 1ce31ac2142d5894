"""CSV: UTF-8, commas; by language also with semicolons and decimal commas, and a mark at the start for spreadsheets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geoserver.database.exports import header_of, select_table
from geoserver.formats.base import Format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.formats.base import Extract, Subject, Target

__all__ = ["FORMAT", "Delimited"]

_AXES = (("lon", "lat"), ("longitude", "latitude"), ("x_of_point", "y_of_point"))
_GRID = (("x", "y"), ("easting", "northing"), ("x_of_point", "y_of_point"))
_SHAPES = (("geometry",), ("wkt",))


class Delimited(Format):
    """Made by PostgreSQL's own COPY."""

    id = "csv"
    title = "CSV"
    media_type = "text/csv; charset=utf-8"
    order = 10
    of: frozenset[Subject] = frozenset({"features", "readings"})

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + 1 for width in widths.values()) + 8

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        place = position_columns(extract)
        way = replace(extract.way, header=header_of(extract.selection, place))
        if way.marked:
            target.write("\ufeff".encode())
        kind = "" if not place else "xy" if len(place) > 1 else "wkt"
        target.write_all(rows.blocks(select_table(extract.selection, way, kind)))


FORMAT = Delimited()


def position_columns(extract: Extract) -> tuple[str, ...]:
    """Names of the columns with the position: two for points, one with WKT for other shapes; none that a field has."""
    if not extract.geometry_type:
        return ()
    taken = {item.name for item in extract.fields}
    if extract.geometry_type != "POINT":
        choices: tuple[tuple[str, ...], ...] = _SHAPES
    else:
        choices = _AXES if extract.crs == "EPSG:4326" else _GRID
    return next((names for names in choices if not taken & set(names)), choices[-1])
