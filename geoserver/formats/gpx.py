"""GPX 1.1, for devices that show the way: points as waypoints, lines as tracks, made by PostgreSQL, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from geoserver.database.exports import select_tracks
from geoserver.formats.base import Format
from geoserver.formats.readme import render_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Target
    from geoserver.model import Layer

__all__ = ["FORMAT", "Gpx"]

_LIMITS = (
    "GPX has no fields of its own: they are extensions, which few devices show.",
    "Line breaks in texts are blanks; many programs read whole numbers of more than 9 digits wrongly.",
    "Programs guess the types of fields: they take texts of digits for numbers.",
)
_LINES = ("LINESTRING", "MULTILINESTRING")


class Gpx(Format):
    """Fields stand in extensions, as GDAL reads and writes them."""

    id = "gpx"
    title = "GPX"
    media_type = "application/gpx+xml"
    order = 100
    lonlat = True

    def fits(self, layer: Layer, status: LayerStatus) -> bool:  # noqa: ARG002
        return status.geometry_type.upper() in ("POINT", *_LINES)

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        return _LIMITS

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + 2 * len(name) + 13 for name, width in widths.items()) + 120

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        readme = extract.readme
        link = f"<link href={quoteattr(readme.address)}/>" if readme.address else ""
        time = f"<time>{readme.updated:%Y-%m-%dT%H:%M:%SZ}</time>" if readme.updated else ""
        target.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="geoserver"'
            ' xmlns="http://www.topografix.com/GPX/1/1" xmlns:ogr="http://osgeo.org/gdal">'
            f"<metadata><name>{escape(readme.title)}</name><desc>{escape(render_text(extract, None))}</desc>"
            f"<copyright author={quoteattr(readme.source)}/>{link}{time}</metadata>\n".encode()
        )
        lines = extract.geometry_type in _LINES
        target.write_all(rows.blocks(select_tracks(extract.selection, extract.label, lines=lines)))
        target.write(b"</gpx>\n")


FORMAT = Gpx()
