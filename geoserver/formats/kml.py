"""KML 2.2, for Google Earth and its relatives: placemarks made by PostgreSQL, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from geoserver.database.exports import select_places
from geoserver.formats.base import Format
from geoserver.formats.readme import render_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Target
    from geoserver.model import Field, Layer

__all__ = ["FORMAT", "Kml"]


class Kml(Format):
    """Fields stand in extended data. Whole numbers are texts there: KML's own have 32 bits."""

    id = "kml"
    title = "KML"
    media_type = "application/vnd.google-earth.kml+xml"
    order = 60
    lonlat = True

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        plain = [item.title for item in layer.listed_fields if item.type in ("integer", "date", "timestamp")]
        return (f"KML has text alone for whole numbers and times: {', '.join(plain)}.",) if plain else ()

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + len(name) + 38 for name, width in widths.items()) + 150

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        fields = "".join(map(_declare, extract.fields))
        target.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">'
            f"<Document id={quoteattr(extract.id)}><name>{escape(extract.readme.title)}</name>"
            f"<description>{escape(render_text(extract, None))}</description>"
            f'<Schema name={quoteattr(extract.id)} id="fields">{fields}</Schema>\n'.encode()
        )
        target.write_all(rows.blocks(select_places(extract.selection, extract.label)))
        target.write(b"</Document></kml>\n")


FORMAT = Kml()


def _declare(item: Field) -> str:
    kind = {"number": "double", "boolean": "bool"}.get(item.type, "string")
    title = f"{item.title} ({item.unit})" if item.unit else item.title
    return (
        f'<SimpleField type="{kind}" name={quoteattr(item.name)}>'
        f"<displayName>{escape(title)}</displayName></SimpleField>"
    )
