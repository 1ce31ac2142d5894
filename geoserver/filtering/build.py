"""Everything that narrows a layer down, from the parameters of a request to one SQL condition."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, cast

import orjson
from psycopg.sql import SQL, Composable

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import cql2_json, cql2_text
from geoserver.filtering.areas import draw_circle
from geoserver.filtering.compile import Compiler
from geoserver.filtering.places import LONLAT, parse_bbox, parse_crs, to_column
from geoserver.filtering.resolve import Resolver, join, may_fail
from geoserver.filtering.syntax import (
    Call,
    Feature,
    Geometry,
    Instant,
    Interval,
    Literal,
    Node,
    Property,
    UnknownFeaturesError,
    check_text,
    list_features,
    to_json,
    wrong,
)
from geoserver.filtering.times import parse_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.model import Field, Layer

__all__ = ["LANGUAGES", "Stored", "Where", "build", "build_circle", "check_rows", "join_rows", "parse_rows"]

_parse_text = lru_cache(32)(cql2_text.parse)
_PARSERS = {
    "cql2-text": _parse_text,
    "cql2-json": lru_cache(32)(cql2_json.parse),
    "cql-text": _parse_text,  # by this name GDAL knows whether to send more than it can with field=value
}
LANGUAGES = tuple(_PARSERS)
MAX_FEATURES = 10  # that one filter names


class Stored(Protocol):
    """What must be known of the loaded layer: the SRID of its column `geom`."""

    @property
    def srid(self) -> int: ...


@dataclass(frozen=True)
class Where:
    """A boolean SQL expression over the columns of the layer's table, unqualified, with its bound values.

    `canonical` is equal for filters that differ only in how they are written, and empty when nothing is filtered.
    `asked` says that a request asks for less than its reader may see; else it is all rows that they may.
    """

    sql: Composable = field(default_factory=lambda: SQL("TRUE"))
    params: dict[str, object] = field(default_factory=dict)
    canonical: str = ""
    tree: Node | None = None  # what `sql` was compiled from
    asked: bool = True


def build(
    layer: Layer,
    status: Stored,
    *,
    filter: str | None = None,  # noqa: A002 - the name that the standard gives it
    filter_lang: str | None = "cql2-text",
    filter_crs: str | None = None,
    bbox: str | None = None,
    bbox_crs: str | None = None,
    datetime: str | None = None,
    properties: Mapping[str, str] | None = None,
    features: Mapping[Feature, Geometry | None] | None = None,
    prefix: str = "f",
) -> Where:
    """The rows of a layer that a request asks for, of those that its reader may see (`layer.rows`).

    `features` are the shapes of those that the filter names, in a column of this layer, and None for one that is not
    there. Bound values are called `prefix` and a number. Raises BadParameterError that names the parameter at fault,
    and UnknownFeaturesError where `features` has not all that are named.
    """
    resolver = Resolver(layer, status.srid, parse_crs(filter_crs, "filter-crs"), features or {})
    if filter_lang and filter_lang not in _PARSERS:
        raise wrong(filter_lang, "one of " + ", ".join(LANGUAGES), "filter-lang")
    conditions: list[Node] = []
    if filter and filter.strip():
        parsed = _PARSERS[filter_lang or "cql2-text"](filter)
        _check_features(parsed, features or {})
        conditions.append(resolver.condition(parsed))
    box = _inside(bbox, bbox_crs, status.srid)
    conditions += [box] if box else []
    if datetime is not None and (time := _during(layer, datetime)):
        conditions.append(resolver.condition(time))
    for name, value in (properties or {}).items():
        conditions.append(resolver.condition(_equal(layer, name, value)))
    rows = [cast("Node", layer.rows)] if layer.rows is not None else []
    if not (conditions or rows):
        return Where(asked=False)
    tree = join("and", rows + conditions)
    compiler = Compiler({**layer.hidden, **layer.fields}, prefix)
    sql = _compile_within(compiler, rows, conditions) if rows else compiler.condition(tree)
    return Where(sql, compiler.params, orjson.dumps(to_json(tree)).decode(), tree, bool(conditions))


def build_circle(status: Stored, lon: float, lat: float, metres: float, prefix: str = "c") -> tuple[Where, str]:
    """The rows that a circle touches, and the column by which they are found; raises BadParameterError for `radius`."""
    circle = Geometry(draw_circle(lon, lat, metres, "radius"), LONLAT.srid)
    shape = to_column(circle, LONLAT, status.srid, "radius")
    tree = Call("s_intersects", (Property("geometry"), shape))
    compiler = Compiler({}, prefix)
    return Where(compiler.condition(tree), compiler.params, orjson.dumps(to_json(tree)).decode(), tree), shape.column


def _check_features(tree: Node, known: Mapping[Feature, Geometry | None]) -> None:
    named = list_features(tree)
    if len(named) > MAX_FEATURES:
        raise wrong(str(named[0]), f"at most {MAX_FEATURES} features in a filter")
    if missing := [feature for feature in dict.fromkeys(named) if feature not in known]:
        raise UnknownFeaturesError(tuple(missing))


def parse_rows(layer: Layer, srid: int, text: str) -> Node:
    """A filter of the rows that someone may see, in CQL2 text over all fields; raises BadParameterError."""
    tree = _parse_text(check_text(text, "filter"))
    _check_features(tree, {})
    return Resolver(layer, srid, parse_crs(None, "filter-crs")).condition(tree)


def check_rows(layer: Layer, where: Where | None) -> None:
    """Raises RuntimeError for a condition that does not keep to the rows that the layer's reader may see."""
    if layer.rows is not None and (where is None or not where.canonical):
        raise RuntimeError(f"A question about layer {layer.id} was put together past its reader's rows")


def join_rows(trees: Sequence[Node]) -> Node:
    """The rows of any of these filters."""
    return join("or", list(trees))


def _compile_within(compiler: Compiler, rows: list[Node], conditions: list[Node]) -> Composable:
    """The conditions on these rows. What may fail on values is not computed for other rows: that would tell theirs."""
    own = compiler.condition(join("and", rows))
    if not conditions:
        return own
    flat = join("and", conditions)
    parts = flat.args if isinstance(flat, Call) and flat.op == "and" else (flat,)
    safe = [compiler.condition(part) for part in parts if not may_fail(part)]
    safe += [near for part in parts if (near := compiler.near(part)) is not None]
    unsafe = [compiler.condition(part) for part in parts if may_fail(part)]
    guarded = [SQL("CASE WHEN {} THEN {} END").format(own, SQL(" AND ").join(unsafe))] if unsafe else []
    return SQL("({})").format(SQL(" AND ").join([own, *safe, *guarded]))


def _inside(bbox: str | None, bbox_crs: str | None, srid: int) -> Node | None:
    reference = parse_crs(bbox_crs, "bbox-crs")
    if not bbox or not bbox.strip():
        return None
    condition = parse_bbox(bbox, reference)
    assert isinstance(condition, Call)  # noqa: S101 - for the type checker
    shape = condition.args[1]
    assert isinstance(shape, Geometry)  # noqa: S101 - for the type checker
    return Call("s_intersects", (Property("geometry"), to_column(shape, reference, srid, "bbox")))


def _during(layer: Layer, text: str) -> Node | None:
    """`datetime` acts on the layer's time field; a layer without one has no time to compare, so all of it stays."""
    if not text.strip():
        return None
    interval = parse_interval(check_text(text.strip(), "datetime", 200))
    return Call("t_intersects", (Property(layer.time), interval)) if layer.time else None


def _equal(layer: Layer, name: str, text: str) -> Node:
    """The shorthand `field=value`."""
    declared = layer.fields.get(name)
    if declared is None:
        raise wrong(text, "a known parameter, or one of the fields " + ", ".join(layer.fields), name)
    value = _coerce(declared, check_text(text, name))
    if isinstance(value, Instant | Interval):
        return Call("t_intersects", (Property(name), value))
    return Call("=", (Property(name), Literal(value)))


def _coerce(declared: Field, text: str) -> str | int | float | bool | Instant | Interval:
    match FIELD_TYPES[declared.type].kind:
        case "text":
            return text
        case "boolean":
            if text.lower() not in ("true", "false", "1", "0"):  # GDAL writes truth as a number
                raise wrong(text, "true or false", declared.name)
            return text.lower() in ("true", "1")
        case "time":
            return parse_interval(text, declared.name)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII):
        raise wrong(text, "a number", declared.name)
    sign = -1 if text.startswith("-") else 1
    return sign * cql2_text.number(text.lstrip("+-"), declared.name)
