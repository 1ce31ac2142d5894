"""Geometries of single rows, by which other rows are filtered; the latest used ones are kept, as tiles ask for one
again and again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from geoserver.database.queries import table_of
from geoserver.errors import BadParameterError
from geoserver.filtering import Geometry

if TYPE_CHECKING:
    from geoserver.database.pool import Database
    from geoserver.database.queries import Condition
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Feature
    from geoserver.model import Layer

__all__ = ["MAX_CORNERS", "Shapes"]

MAX_CORNERS = 100_000  # of one feature; a river with all of its banks has fewer
_KEPT = 16 * 2**20  # bytes
_MERCATOR = 3857

type Key = tuple[int, int, int, str]


class Shapes:
    """Those of one server's layers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # With each the objects that it was made of, so that no others can have their identities meanwhile.
        self._kept: OrderedDict[Key, tuple[Layer, LayerStatus, Geometry | None]] = OrderedDict()
        self._room = _KEPT

    async def find(
        self, layer: Layer, status: LayerStatus, where: Condition, feature: Feature, srid: int
    ) -> Geometry | None:
        """The geometry of one row of those that `where` leaves, to be compared with a layer in the CRS `srid`: as it is
        stored where both are in one, else in Web Mercator. None where there is no such row, or it has none.

        Raises BadParameterError for a geometry of more than MAX_CORNERS, and UnavailableError.
        """
        column = "geom" if status.srid == srid else "geom_3857"
        key = (id(layer), id(status), feature.fid, column)
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return known[2]
        query = SQL(
            "SELECT ST_NPoints({0}) AS corners, CASE WHEN ST_NPoints({0}) <= %(most)s THEN ST_AsBinary({0}) END AS wkb"
            " FROM {1} WHERE fid = %(fid)s AND {2} AND NOT ST_IsEmpty({0})"
        ).format(Identifier(column), table_of(layer.table), where.sql)
        row = await self._database.fetch_row(query, {**where.params, "fid": feature.fid, "most": MAX_CORNERS})
        if row is not None and row["wkb"] is None:
            expected = f"a feature of at most {MAX_CORNERS:,} corners; this one has {row['corners']:,}"
            raise BadParameterError("filter", str(feature), expected)
        shape = Geometry(bytes(row["wkb"]), srid if column == "geom" else _MERCATOR, column) if row else None
        self._keep(key, layer, status, shape)
        return shape

    def _keep(self, key: Key, layer: Layer, status: LayerStatus, shape: Geometry | None) -> None:
        if key in self._kept:
            return
        self._kept[key] = layer, status, shape
        self._room -= _weigh(shape)
        while self._room < 0:
            _, (_, _, gone) = self._kept.popitem(last=False)
            self._room += _weigh(gone)


def _weigh(shape: Geometry | None) -> int:
    return 500 + (len(shape.wkb) if shape else 0)
