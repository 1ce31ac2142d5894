"""A request's query string to an ItemsQuery; whatever is unknown, doubled or wrong raises BadParameterError."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from geoserver.database.keyset import parse_cursor, parse_sortby
from geoserver.errors import BadParameterError
from geoserver.filtering import LANGUAGES
from geoserver.ogc.crs import pick_crs
from geoserver.ogc.openapi import RESERVED
from geoserver.ogc.page import ItemsQuery
from geoserver.questions import FILTERS, split_filters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer

__all__ = ["UNFILTERED", "check_names", "parse_filters", "parse_items_query", "pick_format"]

type Question = tuple[dict[str, str], dict[str, str]]

MAX_OFFSET = 100_000
_FORMATS = ("json", "html")
_JSON_TYPES = ("application/geo+json", "application/json", "application/schema+json", "application/*", "*/*")
_HTML_TYPES = ("text/html", "application/xhtml+xml", "text/*")
UNFILTERED = frozenset(RESERVED) - frozenset(FILTERS)  # parameters that leave the set of matching features as it is


def check_names(values: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse a parameter that the resource does not know."""
    for name in values:
        if name not in known:
            raise BadParameterError(name, values[name], "one of the parameters " + ", ".join(known))


def pick_format(values: Mapping[str, str], accept: str) -> str:
    """`json` or `html`: from `f`, else from the Accept header; JSON where neither says."""
    if (wanted := values.get("f")) is not None:
        if wanted not in _FORMATS:
            raise BadParameterError("f", wanted, " or ".join(_FORMATS))
        return wanted
    ranked = sorted((_quality(part) for part in accept.split(",")), key=lambda pair: -pair[1])
    for kind, quality in ranked:
        if quality > 0 and kind in _HTML_TYPES:
            return "html"
        if quality > 0 and (kind in _JSON_TYPES or kind.endswith("+json")):
            return "json"
    return "json"


def parse_items_query(
    values: Mapping[str, str],
    layer: Layer,
    status: LayerStatus,
    default_limit: int,
    max_limit: int,
    *,
    where: Where | None,
) -> ItemsQuery:
    """What the client asked of the items of a layer; `where` is what its filters come to."""
    limit = _parse_whole("limit", values.get("limit"), default_limit, 1, None)
    sort = parse_sortby(values["sortby"], layer.fields) if "sortby" in values else ()
    return ItemsQuery(
        limit=min(limit, max_limit),
        offset=_parse_whole("offset", values.get("offset"), 0, 0, MAX_OFFSET),
        after=parse_cursor(values["cursor"], layer.id, sort) if "cursor" in values else None,
        sort=sort,
        where=where,
        crs=pick_crs("crs", values.get("crs"), status),
        fields=_parse_properties(values.get("properties"), layer),
        skip_geometry=_parse_flag("skipGeometry", values.get("skipGeometry")),
        hits=_parse_choice("resulttype", values.get("resulttype", "results"), ("results", "hits")) == "hits",
    )


def parse_filters(values: Mapping[str, str], layer: Layer, status: LayerStatus) -> Question | None:
    """Arguments of `filtering.build` by name, and `field=value`; None where all rows are asked for that there are."""
    for name in values:
        if name not in RESERVED and name not in layer.fields:
            expected = f"a field of {layer.id} ({', '.join(layer.fields)}) or one of {', '.join(RESERVED)}"
            raise BadParameterError(name, values[name], expected)
    equal = {name: value for name, value in values.items() if name in layer.fields and name not in RESERVED}
    if not equal and not any(name in values for name in FILTERS):
        return None
    for name in ("bbox-crs", "filter-crs"):
        pick_crs(name, values.get(name), status)
        if name in values and name.removesuffix("-crs") not in values:
            raise BadParameterError(name, values[name], f"{name.removesuffix('-crs')} beside it")
    language = _parse_choice("filter-lang", values.get("filter-lang", "cql2-text"), LANGUAGES)
    filters, _ = split_filters(values)
    return {**cast("dict[str, str]", filters), "filter_lang": language}, equal


def _parse_properties(text: str | None, layer: Layer) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in layer.fields:
            raise BadParameterError("properties", name, "fields of the layer: " + ", ".join(layer.fields))
    return names


def _parse_whole(name: str, text: str | None, default: int, least: int, most: int | None) -> int:
    if text is None:
        return default
    expected = f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:  # noqa: PLR2004 - what fits PostgreSQL's bigint
        raise BadParameterError(name, text, expected)
    number = int(text)
    if number < least or (most is not None and number > most):
        raise BadParameterError(name, text, expected)
    return number


def _parse_flag(name: str, text: str | None) -> bool:
    return _parse_choice(name, (text or "false").lower(), ("true", "false")) == "true"


def _parse_choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise BadParameterError(name, text, " or ".join(choices))
    return text


def _quality(part: str) -> tuple[str, float]:
    """One entry of an Accept header: media type and q."""
    kind, *rest = (piece.strip() for piece in part.split(";"))
    for piece in rest:
        if piece.startswith("q="):
            try:
                return kind.lower(), float(piece[2:])
            except ValueError:
                return kind.lower(), 0.0
    return kind.lower(), 1.0
