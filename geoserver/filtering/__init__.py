"""One filter for everything: CQL2, bbox, datetime and field=value, compiled to one SQL condition with bound values."""

from geoserver.filtering.areas import FUNCTIONS
from geoserver.filtering.build import LANGUAGES, Stored, Where, build, build_circle, check_rows, join_rows, parse_rows
from geoserver.filtering.chosen import list_chosen
from geoserver.filtering.split import Parts, split
from geoserver.filtering.syntax import Feature, Geometry, Node, UnknownFeaturesError

__all__ = [
    "FUNCTIONS",
    "LANGUAGES",
    "Feature",
    "Geometry",
    "Node",
    "Parts",
    "Stored",
    "UnknownFeaturesError",
    "Where",
    "build",
    "build_circle",
    "check_rows",
    "join_rows",
    "list_chosen",
    "parse_rows",
    "split",
]
