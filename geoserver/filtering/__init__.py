"""One filter for everything: CQL2, bbox, datetime and field=value, compiled to one SQL condition with bound values."""

from geoserver.filtering.build import LANGUAGES, Stored, Where, build

__all__ = ["LANGUAGES", "Stored", "Where", "build"]
