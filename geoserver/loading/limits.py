"""The limits of the city, as `city.toml` states them, and which rows lie elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import shapely
from psycopg.sql import SQL, Identifier

from geoserver.database.connecting import connect
from geoserver.errors import CatalogError
from geoserver.loading.area import LONLAT
from geoserver.model import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.loading.area import Place
    from geoserver.loading.geometry import Located
    from geoserver.model import City, Layer

__all__ = ["MISPLACED", "Limits", "find_limits", "is_limited", "prove_limits"]

MISPLACED = "outside the city's limits"
_MANY = 0.1  # share of the rows of a sample


@dataclass(frozen=True, slots=True)
class Limits:
    """An area in longitude and latitude. A row lies where its point, or the middle of its box, does."""

    area: shapely.Geometry
    reject: bool = False

    def misplaced(self, located: Located, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """Indexes of rows that are kept so far and lie outside, and the longitude and latitude of each."""
        x, y = located.middles()
        if place.to_lonlat is not None and place.stored_as is None:
            x, y = place.to_lonlat.transform(x, y)
        outside = ~shapely.intersects_xy(self.area, x, y)
        return np.flatnonzero(located.kept)[outside], np.stack([np.asarray(x), np.asarray(y)])[:, outside]


def is_limited(layer: Layer, city: City) -> bool:
    """The basemap shows what is around the city; the layer that is the limits cannot lie outside of them."""
    return not layer.basemap and layer.id != city.limits


def find_limits(city: City, database_url: str = "") -> Limits | None:
    """What the rows of the city's layers must lie in; None where nothing is stated or, of a layer, loaded."""
    if city.limits is None:
        return None
    area = _box(city.limits) if isinstance(city.limits, Bounds) else _read_area(city.limits, database_url)
    if area is None:
        return None
    shapely.prepare(area)
    return Limits(area, reject=city.outside == "reject")


def prove_limits(
    layer: Layer, limits: Limits, located: Located, place: Place, tell: Callable[[str], None]
) -> Iterator[CatalogError]:
    """How many of the sampled rows lie outside: few of them are told, many are the layer file's fault."""
    rows, places = limits.misplaced(located, place)
    if not len(rows):
        return
    kept = int(located.kept.sum())
    lon, lat = places[:, 0]
    what = f"{len(rows):,} of {kept:,} sampled rows are {MISPLACED}, such as {lat:.5f}, {lon:.5f}"
    if len(rows) > _MANY * kept:
        yield CatalogError(str(layer.file), "source", f"rows within the limits that city.toml states; {what}")
    else:
        tell(f"{layer.file}: {what}")


def _box(limits: Bounds) -> shapely.Geometry:
    if limits.west < limits.east:
        return shapely.box(limits.west, limits.south, limits.east, limits.north)
    west = shapely.box(limits.west, limits.south, 180, limits.north)
    return shapely.union(west, shapely.box(-180, limits.south, limits.east, limits.north))


def _read_area(layer_id: str, database_url: str) -> shapely.Geometry | None:
    """All areas of a layer together; None while it is not loaded."""
    if not database_url:
        return None
    table = Identifier("layers", layer_id.replace("-", "_"))
    query = SQL("SELECT ST_AsBinary(ST_Transform(ST_UnaryUnion(ST_Collect(geom)), {})) FROM {}")
    try:
        with connect(database_url, autocommit=True, application="geoserver-limits") as connection:
            row = connection.execute(query.format(LONLAT, table)).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    area = shapely.from_wkb(bytes(row[0])) if row and row[0] is not None else None
    return area if area is not None and area.area > 0 else None
