"""GeoPackage by GDAL, with what fields mean, the README and the layer's style beside the rows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from geoserver.database.geopackage import write_beside
from geoserver.formats.base import Format
from geoserver.formats.columns import GEOMETRY, read_batches
from geoserver.formats.readme import render_text
from geoserver.formats.vector import TIMES, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Target
    from geoserver.model import Layer

__all__ = ["FORMAT", "GeoPackage"]

# The index of a few rows is made in memory, which takes 70 bytes for each; of more, row by row, which takes longer.
_OPTIONS = {"OGR_GPKG_MAX_RAM_USAGE_RTREE": "1000000", "OGR_GPKG_ALLOW_THREADED_RTREE": "NO"}
_NO_TIME = "1970-01-01T00:00:00.000Z"


class GeoPackage(Format):
    """A database in a file, which is made first and sent when it is whole."""

    id = "gpkg"
    title = "GeoPackage"
    media_type = "application/geopackage+sqlite3"
    order = 40
    streams = False
    styled = True
    needs = ("pyogrio", "pyarrow.csv", "geoserver.database.geopackage")

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        return (TIMES,) if any(item.type == "timestamp" for item in layer.listed_fields) else ()

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + 2 for width in widths.values()) + 90

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        import pyogrio  # noqa: PLC0415 - at hand in the process that this runs in, and in no other

        pyogrio.set_gdal_config_options(_OPTIONS)
        path = target.folder / f"{extract.id}.gpkg"
        moment = f"{extract.readme.updated:%Y-%m-%dT%H:%M:%S.000Z}" if extract.readme.updated else _NO_TIME
        os.environ["OGR_CURRENT_DATE"] = moment  # GDAL reads it; the same rows make the same file
        options = {"FID": "fid", "GEOMETRY_NAME": GEOMETRY}
        options |= {"IDENTIFIER": extract.readme.title, "DESCRIPTION": extract.readme.description}
        write_rows(extract, read_batches(extract, rows), path, "GPKG", options)
        fields = [
            (item.name, f"{item.title} ({item.unit})" if item.unit else item.title, item.description, item.labels)
            for item in extract.fields
        ]
        readme = render_text(extract, rows.count)
        write_beside(path, extract.id, GEOMETRY, fields=fields, readme=readme, moment=moment, style=extract.style)
        target.send(path)


FORMAT = GeoPackage()
