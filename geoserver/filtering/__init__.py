"""One filter for everything: CQL2, bbox, datetime and field=value, compiled to one SQL condition with bound values."""

from geoserver.filtering.build import LANGUAGES, Stored, Where, build, check_rows, join_rows, parse_rows
from geoserver.filtering.split import Parts, split
from geoserver.filtering.syntax import Node

__all__ = ["LANGUAGES", "Node", "Parts", "Stored", "Where", "build", "check_rows", "join_rows", "parse_rows", "split"]
