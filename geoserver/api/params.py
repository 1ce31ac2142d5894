"""Query parameters that several resources share: one typed name each, and how a request's filter is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Path, Query, Request

from geoserver import access
from geoserver.addresses import site_of as base_url
from geoserver.catalog.languages import choose_languages
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.questions import FILTERS as FILTER_NAMES
from geoserver.questions import read_once, split_filters
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.access import View
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer
    from geoserver.questions import Asked, Questions
    from geoserver.services import Services

__all__ = [
    "FILTERS",
    "Bbox",
    "BboxCrs",
    "Datetime",
    "FeatureId",
    "Fields",
    "Filter",
    "FilterCrs",
    "FilterLang",
    "Lang",
    "LayerId",
    "Limit",
    "Members",
    "base_url",
    "find_rows",
    "parse_feature_id",
    "parse_fields",
    "parse_limit",
    "read_languages",
    "read_parameters",
    "read_question",
    "view_of",
]

LayerId = Annotated[str, Path(description="The layer's id, as `/api/layers` lists it.", examples=["crime"])]
FeatureId = Annotated[str, Path(description="The feature's id, as tiles and OGC API give it.", examples=["17"])]
Filter = Annotated[
    str | None,
    Query(
        description="CQL2 over the layer's fields and `geometry`.",
        examples=["category = 'burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"],
    ),
]
FilterLang = Annotated[
    str | None,
    Query(
        alias="filter-lang",
        description="`cql2-text` (the default; also `cql-text`) or `cql2-json`.",
        examples=["cql2-text"],
    ),
]
FilterCrs = Annotated[
    str | None, Query(alias="filter-crs", description="CRS of the coordinates in `filter`, as a URI; CRS84 by default.")
]
Bbox = Annotated[
    str | None,
    Query(
        description="west,south,east,north; west may be greater than east across the antimeridian.",
        examples=["-28.7,45.1,-28.5,45.3"],
    ),
]
BboxCrs = Annotated[str | None, Query(alias="bbox-crs", description="CRS of `bbox`, as a URI; CRS84 by default.")]
Datetime = Annotated[
    str | None,
    Query(
        description="An instant, or start/end with `..` for an open end, on the layer's time field.",
        examples=["2024-01-01/2024-06-30", "../2024"],
    ),
]
Fields = Annotated[
    str | None,
    Query(
        description="Fields to summarise, with commas between; by default all that have a filter control.",
        examples=["category,reported_at"],
    ),
]
Members = Annotated[
    str | None,
    Query(
        description="Members of each entry to answer with, with commas between; all of them if absent.",
        examples=["id,title,theme"],
    ),
]
Lang = Annotated[
    str | None,
    Query(
        description="Language of titles, descriptions, labels and legends, as far as the layer file has it; without it"
        " `Accept-Language` says which.",
        examples=["fr"],
    ),
]
Limit = Annotated[str | None, Query(description="How many at most.", examples=["100"])]


def _declare_filters(
    *,
    filter: Filter = None,  # noqa: A002 - the standard's name
    filter_lang: FilterLang = None,
    filter_crs: FilterCrs = None,
    bbox: Bbox = None,
    bbox_crs: BboxCrs = None,
    datetime: Datetime = None,
) -> None:
    """Say in the API's description which parameters there are; `split_filters` takes them, and `field=value`."""


FILTERS = [Depends(_declare_filters)]


def view_of(request: Request) -> View:
    """What whoever sent this request may see: all that a door is given."""
    services: Services = request.app.state.services
    return access.view_of(services, request.scope)


async def find_rows(view: View, layer_id: str) -> tuple[Layer, LayerStatus]:
    """The layer of the path, of which rows are asked; raises NotFoundError also for one that has tiles alone."""
    layer, status = await view.layer(layer_id)
    if not layer.has_rows:
        raise NotFoundError("table of layer", layer_id, "a layer with rows; this one has tiles and nothing else")
    return layer, status


def read_parameters(
    request: Request, known: tuple[str, ...], fields: Mapping[str, Field] | None = None
) -> dict[str, str]:
    """The query string as a mapping; one that is unknown or given twice raises BadParameterError.

    A name that is both a parameter and a field is the parameter.
    """
    values = read_once(request.query_params.multi_items())
    for name, value in values.items():
        if name not in known and name not in (fields or {}):
            names = f"; or one of the fields {', '.join(fields)}" if fields else ""
            raise BadParameterError(name, value, f"one of the parameters {', '.join(known) or '(none)'}{names}")
    return values


def read_languages(request: Request, lang: str | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """The languages that a reader wants, best first, and the header that says by what the answer varies."""
    return choose_languages(lang, request.headers.getlist("accept-language"))


async def read_question(
    request: Request, view: View, layer: Layer, status: LayerStatus, also: tuple[str, ...] = ()
) -> Asked:
    """The filter of a request, of whatever parameters; `also` are the resource's own, which filter nothing."""
    values = read_parameters(request, (*FILTER_NAMES, *also), layer.fields)
    arguments, properties = split_filters({name: value for name, value in values.items() if name not in also})
    questions: Questions = request.app.state.questions
    filters, client = cast("dict[str, str]", arguments), client_of(request.scope)
    return await questions.read(client, layer, status, filters, properties, find_shape=view.shape)


def parse_feature_id(layer: Layer, text: str) -> int:
    """A feature's id; raises BadParameterError for what is no whole number, NotFoundError for one far out of range."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise BadParameterError("fid", text, "a whole number, as tiles and lists of features give it")
    if len(digits) > 19:  # noqa: PLR2004 - digits of the largest bigint
        raise NotFoundError("feature", text, f"the id of a feature of {layer.id}")
    return int(text)


def parse_fields(layer: Layer, text: str | None) -> list[Field]:
    """Declared fields by name, each once; those with a filter control when nothing is named."""
    if text is None:
        return [item for item in layer.listed_fields if item.filter in ("choice", "range")]
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in layer.fields:
            raise BadParameterError("fields", name, "fields of the layer: " + ", ".join(layer.fields))
    return [layer.fields[name] for name in dict.fromkeys(names)]


def parse_limit(text: str | None, default: int, most: int) -> int:
    """A limit from 1 to `most`; more than that counts as `most`."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or int(text) < 1:  # noqa: PLR2004 - fits a bigint
        raise BadParameterError("limit", text, f"a whole number from 1 to {most}")
    return min(int(text), most)
