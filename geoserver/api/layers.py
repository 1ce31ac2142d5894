"""`/api/layers`: what there is, what a filter leaves of it, one feature, its readings, what was rejected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request, Response

from geoserver import styling
from geoserver.api import params
from geoserver.api.answers import UNCHANGED, GeoJson, answer, unchanged
from geoserver.api.city import build_city
from geoserver.api.download import describe_downloads
from geoserver.api.schemas import Feature, LayerDetail, LayerList, LayerParts, ReadingList, RejectList, Summary
from geoserver.catalog.languages import ENGLISH, in_language, page_words, read_phrases, words_for
from geoserver.catalog.licences import find_licence
from geoserver.catalog.speech import mark_languages, title_language
from geoserver.database import queries, summaries
from geoserver.database.steady import hold
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.etags import build_etag
from geoserver.filtering import build
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from geoserver.catalog import Catalog
    from geoserver.catalog.languages import ServerWords
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer, Parameter
    from geoserver.questions import Questions
    from geoserver.services import Services

router = APIRouter(prefix="/api/layers", tags=["layers"], responses=UNCHANGED)

MAX_READINGS = 10_000
MAX_REJECTS = 1_000


@router.get("", summary="The city, and all its layers", response_model=LayerList | LayerParts)
async def list_layers(request: Request, fields: params.Members = None, lang: params.Lang = None) -> Response:
    """Every loaded layer, in display order: by theme, then as the layer files order them; basemap layers last.

    With `fields` each entry has these members alone: the page asks for a few of them, because a city may have hundreds
    of layers.
    """
    params.read_parameters(request, ("fields", "lang"))
    names = _parse_members(fields)
    languages, vary = params.read_languages(request, lang)
    view, base = params.view_of(request), params.base_url(request)
    layers, words = await view.layers(), page_words(languages)
    entries = [_entry(_Told(in_language(found, languages), status, base, words), names) for found, status in layers]
    city = build_city(view.catalog.city, layers, languages, base, signin=view.services.settings.links_to_signin)
    return answer(request, view, {"city": city, "layers": entries}, vary=vary)


@router.get("/{layer_id}", summary="One layer", response_model=LayerDetail)
async def read_layer(request: Request, layer_id: params.LayerId, lang: params.Lang = None) -> Response:
    """The entry of the list, with fields, their choices and ranges, readings and legend."""
    view = params.view_of(request)
    found, status = await view.layer(layer_id)
    await view.ready()
    params.read_parameters(request, ("lang",))
    languages, vary = params.read_languages(request, lang)
    layer, words = in_language(found, languages), words_for(found, languages)
    services: Services = request.app.state.services
    own = page_words(languages)
    told = _Told(layer, status, params.base_url(request), own)
    body = _entry(told, _MEMBERS) | {
        "crs": f"EPSG:{status.srid}" if layer.has_rows and status.srid else None,
        "fields": await _fields(services, layer, status, own) if layer.has_rows else _plain_fields(layer.fields, own),
        "parameters": [_parameter_entry(item) for item in layer.parameters.values()],
        "readings": _readings_entry(layer, own),
        "downloads": await describe_downloads(services.database, layer, status, told.base, own.code),
        "notes": await queries.read_notes(services.database, layer) if layer.has_rows else [],
        "legend": mark_languages(styling.build_legend(view.catalog, layer, words), layer, words),
        "bins": _bins_entry(view.catalog, layer, status, words) if layer.has_rows else None,
    }
    return answer(request, view, body, vary=vary)


@router.get(
    "/{layer_id}/summary",
    summary="What a filter leaves of a layer",
    response_model=Summary,
    dependencies=params.FILTERS,
)
async def summarise(request: Request, layer_id: params.LayerId, fields: params.Fields = None) -> Response:
    """Count, facets and histograms of the rows that the filter leaves. `field=value` filters too."""
    view = params.view_of(request)
    layer, status = await params.find_rows(view, layer_id)
    asked = await params.read_question(request, view, layer, status, also=("fields",))
    where = asked.where
    wanted = params.parse_fields(layer, fields)
    scope = [layer.scope] if layer.scope else []
    services: Services = request.app.state.services
    held = hold(services.database, layer, status)
    etag = build_etag(layer.id, held.version, held.loaded_at, where.canonical, wanted, *scope)
    if (same := unchanged(request, view, etag)) is not None:
        return same
    questions: Questions = request.app.state.questions
    async with questions.turn(client_of(request.scope), asked):
        whole = build(layer, status)
        found = await summaries.summarise(services.database, layer, held, where, wanted, whole=whole)
    # The rows may be newer than what is held: a whole is no less than its part, and the same without a filter.
    total = max(held.rows, found["count"]) if where.asked else found["count"]
    return answer(request, view, {"layer": layer.id, "total": total, **found}, etag=etag)


@router.get("/{layer_id}/features/{fid}", summary="One feature", response_model=Feature, response_class=GeoJson)
async def read_feature(request: Request, layer_id: params.LayerId, fid: params.FeatureId) -> Response:
    """A GeoJSON feature with every declared field, geometry in lon/lat."""
    view = params.view_of(request)
    layer, status = await params.find_rows(view, layer_id)
    params.read_parameters(request, ())
    number = params.parse_feature_id(layer, fid)
    row = await _read_row(request, layer, status, number)
    geometry = row.pop("geometry")
    base = f"{params.base_url(request)}/api/layers/{layer.id}/features/{number}"
    links = [_link("self", "application/geo+json", base, "This feature")]
    if layer.readings:
        links.append(_link("related", "application/json", f"{base}/readings", "Its readings"))
    body = {
        "type": "Feature",
        "id": number,
        "geometry": orjson.Fragment(geometry) if geometry else None,
        "properties": row,
        "links": links,
    }
    return answer(request, view, body, media_type="application/geo+json")


@router.get("/{layer_id}/features/{fid}/readings", summary="A feature's readings", response_model=ReadingList)
async def read_readings(
    request: Request,
    layer_id: params.LayerId,
    fid: params.FeatureId,
    datetime: params.Datetime = None,
    limit: params.Limit = None,
    *,
    lang: params.Lang = None,
) -> Response:
    """The newest readings, at most `limit` (1,000 by default, 10,000 at most), oldest of them first."""
    view = params.view_of(request)
    found, status = await params.find_rows(view, layer_id)
    params.read_parameters(request, ("datetime", "limit", "lang"))
    languages, vary = params.read_languages(request, lang)
    layer = in_language(found, languages)
    number = params.parse_feature_id(layer, fid)
    if layer.readings is None:
        raise NotFoundError("readings", layer.id, "a layer that has readings; its layer file has no [readings]")
    most = params.parse_limit(limit, 1_000, MAX_READINGS)
    related = replace(layer, fields=layer.readings.fields, time=layer.readings.time, rows=None, hidden={})
    where = build(related, status, datetime=datetime)
    services: Services = request.app.state.services
    if layer.rows is not None:
        await _read_row(request, layer, status, number)  # 404 when the feature is not for them
    rows = await queries.read_readings(services.database, layer, number, where, most)
    if not rows:
        await _read_row(request, layer, status, number)  # 404 when there is no such feature
    entry = {"layer": layer.id, "fid": number, "time": layer.readings.time}
    fields = _plain_fields(layer.readings.fields, page_words(languages))
    return answer(request, view, entry | {"fields": fields, "readings": rows}, vary=vary)


@router.get("/{layer_id}/rejects", summary="Rows that could not be served", response_model=RejectList)
async def read_rejects(request: Request, layer_id: params.LayerId, limit: params.Limit = None) -> Response:
    """Where they stand in the source, and why; at most `limit` (100 by default, 1,000 at most) of `count`."""
    view = params.view_of(request)
    layer, status = await params.find_rows(view, layer_id)
    params.read_parameters(request, ("limit",))
    most = params.parse_limit(limit, 100, MAX_REJECTS)
    services: Services = request.app.state.services
    rows = await queries.read_rejects(services.database, layer, most)
    return answer(request, view, {"count": status.rejected, "rejects": rows})


async def _read_row(request: Request, layer: Layer, status: LayerStatus, fid: int) -> dict[str, Any]:
    services: Services = request.app.state.services
    row = await queries.read_feature(services.database, layer, fid, build(layer, status))
    if row is None:
        raise NotFoundError("feature", fid, f"the id of a feature of {layer.id}")
    return row


@dataclass(frozen=True, slots=True)
class _Told:
    """A layer that is told of; `base` is the address of this server, `words` are its own in the reader's language."""

    layer: Layer
    status: LayerStatus
    base: str
    words: ServerWords

    @property
    def has_no_theme(self) -> bool:
        """Its file names none: it is among others, as the server says it."""
        return self.layer.theme == ENGLISH.other

    @property
    def theme(self) -> str:
        return self.words.other if self.has_no_theme else self.layer.theme


_MEMBERS: dict[str, Callable[[_Told], Any]] = {
    "id": lambda of: of.layer.id,
    "title": lambda of: of.layer.title,
    "description": lambda of: of.layer.description,
    "theme": lambda of: of.theme,
    "kind": lambda of: of.layer.kind,
    "geometry": lambda of: of.layer.geometry or None,
    "keywords": lambda of: list(of.layer.keywords),
    "field_titles": lambda of: [item.title for item in of.layer.listed_fields],
    "license": lambda of: of.layer.license,
    "attribution": lambda of: of.layer.attribution,
    "basemap": lambda of: of.layer.basemap,
    "visible": lambda of: of.layer.visible,
    "order": lambda of: of.layer.order,
    "bounds": lambda of: of.status.bounds.as_list() if of.status.bounds else None,
    "count": lambda of: of.status.rows if of.layer.has_rows else None,
    "rejected": lambda of: of.status.rejected,
    "updated": lambda of: of.status.changed_at,
    "version": lambda of: of.status.stamp,
    "time": lambda of: of.layer.time or None,
    "label": lambda of: of.layer.label or None,
    "nouns": lambda of: {"one": of.layer.noun, "many": of.layer.nouns} if of.layer.nouns else None,
    "language": lambda of: of.layer.spoken or None,
    "description_language": lambda of: _unless(of.layer.description_language, of.layer.spoken),
    "theme_language": lambda of: _unless(
        of.words.code if of.has_no_theme else of.layer.theme_language, of.layer.spoken
    ),
    "theme_key": lambda of: _unless(of.layer.theme_key, of.theme),
    "data_language": lambda of: of.layer.language or None,
    "features_from": lambda of: of.status.plan.features_from,
    "access": lambda of: _unless(of.layer.access, "public"),
    "access_title": lambda of: getattr(of.words, of.layer.access, None),
    "live": lambda of: _live_entry(of.layer),
    "tiles": lambda of: "ready" if of.status.preparing is None else "preparing",
    "links": lambda of: _links(of.layer, of.base, of.words.code),
}


# Left out where they say nothing.
_SOMETIMES = frozenset({"description_language", "theme_language", "theme_key", "access", "access_title", "live"})


def _entry(told: _Told, names: Iterable[str]) -> dict[str, Any]:
    found = {name: _MEMBERS[name](told) for name in names}
    return {name: value for name, value in found.items() if value is not None or name not in _SOMETIMES}


def _live_entry(layer: Layer) -> dict[str, Any] | None:
    live = layer.live
    return {"expires": live.expires, "field": live.field or None, "age": live.age} if live else None


def _parse_members(text: str | None) -> list[str]:
    """Names of members of an entry, each once; all when nothing is named."""
    if text is None:
        return list(_MEMBERS)
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in _MEMBERS:
            raise BadParameterError("fields", name, f"members of an entry: {', '.join(_MEMBERS)}")
    return names


def _links(layer: Layer, base: str, language: str) -> list[dict[str, str]]:
    api, ogc = f"{base}/api/layers/{layer.id}", f"{base}/ogc/collections/{layer.id}"
    itself = _link("self", "application/json", api, "This layer")
    title = read_phrases(language)["page"]
    page = _link("alternate", "text/html", f"{base}/layers/{layer.id}?lang={language}", title)
    tiles = _link("tiles", "application/json", f"{base}/tiles/{layer.id}.json", "Vector tiles (TileJSON)")
    licence = find_licence(layer.license)
    terms = [_link("license", "text/html", licence.url, licence.title)] if licence.url else []
    if not layer.has_rows:
        return [itself, page, tiles, *terms]
    return [
        itself,
        page,
        _link("summary", "application/json", f"{api}/summary", "Counts, facets and histograms under a filter"),
        tiles,
        _link("collection", "application/json", ogc, "OGC API collection"),
        _link("items", "application/geo+json", f"{ogc}/items", "All features as GeoJSON (OGC API)"),
        _link("rejects", "application/json", f"{api}/rejects", "Rows that could not be served"),
        *terms,
    ]


def _link(rel: str, media_type: str, href: str, title: str) -> dict[str, str]:
    return {"rel": rel, "type": media_type, "href": href, "title": title}


async def _fields(services: Services, layer: Layer, status: LayerStatus, own: ServerWords) -> list[dict[str, Any]]:
    """The declared fields; those to choose from with their values, those with a range with its ends."""
    by_choice = [item for item in layer.listed_fields if item.filter == "choice"]
    by_range = [item for item in layer.listed_fields if item.filter == "range"]
    whole = build(layer, status)
    choices = await summaries.read_choices(services.database, layer, status, by_choice, whole)
    ranges = await summaries.read_ranges(services.database, layer, status, by_range, whole)
    entries = _plain_fields(layer.fields, own)
    for entry in entries:
        if (name := entry["name"]) in choices:
            labels = entry["labels"]
            entry["choices"] = [
                {"value": row["value"], "label": _label(labels, row["value"]), "count": row["count"]}
                for row in choices[name]
            ]
        if name in ranges:
            entry.update(summaries.show_range(layer.fields[name], ranges[name]))
    return entries


def _parameter_entry(item: Parameter) -> dict[str, Any]:
    return {
        "name": item.name,
        "title": item.title,
        "description": item.description,
        "type": item.type,
        "unit": item.unit,
        "default": item.default,
        "minimum": item.minimum,
        "maximum": item.maximum,
        "choices": list(item.choices),
    }


def _plain_fields(fields: Mapping[str, Field], own: ServerWords) -> list[dict[str, Any]]:
    """Entries of fields; `own` are the server's words in the reader's language."""
    return [
        {
            "name": item.name,
            "title": item.title,
            "description": item.description,
            "type": item.type,
            "unit": item.unit,
            "filter": item.filter,
            "labels": dict(item.labels),
            "limits": [
                {"value": limit.value, "title": limit.title, **_other("language", limit.language, item.language)}
                for limit in item.limits
            ],
            "latest": item.latest,
            **({"access_title": own.restricted} if item.restricted else {}),
            "language": item.language or None,
            **_other("description_language", item.description_language, item.language),
            "labels_language": item.labels_language or None,
            **({"untranslated_labels": list(item.untranslated_labels)} if item.untranslated_labels else {}),
        }
        for item in fields.values()
    ]


def _bins_entry(catalog: Catalog, layer: Layer, status: LayerStatus, words: ServerWords) -> dict[str, Any] | None:
    bins = styling.describe_bins(catalog, layer, status, words)
    return bins and bins | title_language(bins["title"], layer)


def _other(name: str, value: str, usual: str) -> dict[str, str]:
    """The member where it says something else than what is said anyway."""
    said = _unless(value, usual)
    return {} if said is None else {name: said}


def _unless(value: str, usual: str) -> str | None:
    return value if value and value != usual else None


def _label(labels: Mapping[str, str], value: object) -> str:
    """What people read for a stored value: the layer file's label, else the value itself."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return labels.get(text, text)


def _readings_entry(layer: Layer, own: ServerWords) -> dict[str, Any] | None:
    if layer.readings is None:
        return None
    return {"time": layer.readings.time, "fields": _plain_fields(layer.readings.fields, own)}
