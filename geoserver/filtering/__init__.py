"""One filter for everything: CQL2, bbox, datetime and field=value, compiled to one SQL condition with bound values."""

from geoserver.filtering.build import LANGUAGES, Stored, Where, build
from geoserver.filtering.split import Parts, split

__all__ = ["LANGUAGES", "Parts", "Stored", "Where", "build", "split"]
