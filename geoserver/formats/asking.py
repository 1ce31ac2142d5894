"""From what is asked of a layer to an extract of it: rows, fields, order, CRS, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from geoserver.catalog.labels import list_fields
from geoserver.catalog.languages import read_messages
from geoserver.catalog.sentences import say_sentences
from geoserver.database.exports import LONLAT, Selection, Way, number_params
from geoserver.errors import BadParameterError
from geoserver.filtering import build, check_rows
from geoserver.filtering.places import parse_crs
from geoserver.formats.base import Extract, Readme
from geoserver.formats.readme import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.formats.base import Format, Subject
    from geoserver.model import Field, Layer

__all__ = ["Asked", "build_extract"]

_MOST_KEYS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """Parameters besides the filter, as texts; None where they are not given."""

    subject: Subject = "features"
    fields: str | None = None
    crs: str | None = None
    sort: str | None = None
    datetime: str | None = None  # of readings; of features it is part of the filter
    decimal: str = ""  # sign before decimals in the reader's language; empty: the plain way of CSV
    address: str = ""
    given: Mapping[str, str] = field(default_factory=dict)  # all of them, for people
    language: str = "en"  # of what is said around the rows
    style: str = ""


def build_extract(layer: Layer, status: LayerStatus, chosen: Format, where: Where, asked: Asked) -> Extract:
    """What a format writes; `layer` is as its reader sees it, in the language that is spoken to them.

    Raises BadParameterError that names the parameter at fault.
    """
    check_rows(layer, where)
    source = layer if asked.subject == "features" else _as_readings(layer)
    fields = _parse_fields(asked.fields, source.fields)
    reference = parse_crs(asked.crs, "crs")
    if chosen.lonlat and reference.srid != LONLAT:
        expected = f"longitude and latitude, which is all that {chosen.title} holds; or another format"
        raise BadParameterError("crs", asked.crs, expected)
    selection = Selection(
        table=layer.table,
        fields=tuple((item.name, item.type) for item in fields),
        condition=where.sql.as_string(None),
        params=where.params,
        order=_parse_sort(asked.sort, source.fields),
        stored=status.srid,
        srid=reference.srid,
    )
    is_readings = asked.subject == "readings"
    return Extract(
        id=layer.id,
        version=status.version,
        selection=_of_readings(layer, status, selection, asked) if is_readings else selection,
        fields=fields,
        geometry_type="" if is_readings else status.geometry_type.upper(),
        crs=f"EPSG:{reference.srid}",
        readme=_build_readme(layer, status, chosen, asked),
        way=_choose_way(asked),
        label=next((name for name in list_fields(layer.label) if name in source.fields), ""),
        style=asked.style,
    )


def _choose_way(asked: Asked) -> Way:
    if not asked.decimal:
        return Way()
    return Way(separator=";" if asked.decimal == "," else ",", decimal=asked.decimal, marked=True)


def _as_readings(layer: Layer) -> Layer:
    """The readings as if they were a layer of their own."""
    assert layer.readings is not None  # noqa: S101 - no format is offered otherwise
    return replace(layer, fields=layer.readings.fields, time=layer.readings.time, rows=None, hidden={})


def _of_readings(layer: Layer, status: LayerStatus, features: Selection, asked: Asked) -> Selection:
    """Readings of the selected features, with the key by which their feature is known."""
    related = _as_readings(layer)
    during = build(related, status, datetime=asked.datetime)
    text, params = number_params(during.sql.as_string(None), during.params, "reading_")
    key = next((item for item in layer.fields.values() if layer.key and item.source_column == layer.key), None)
    return replace(
        features,
        table=layer.readings_table,
        owner=layer.table,
        owner_key=key.name if key and key.name not in related.fields else "",
        owner_key_type=key.type if key else "text",
        during=text,
        params={**features.params, **params},
        time=related.time,
    )


def _build_readme(layer: Layer, status: LayerStatus, chosen: Format, asked: Asked) -> Readme:
    told = chosen.told(layer, status) if asked.subject == "features" else ()
    return Readme(
        title=layer.title,
        description=layer.description,
        source=layer.attribution,
        license=layer.license,
        updated=status.changed_at,
        address=asked.address,
        asked=dict(asked.given),
        words=read_messages("readme", asked.language),
        limits=say_sentences((*LIMITS, *told), asked.language),
    )


def _parse_fields(text: str | None, known: Mapping[str, Field]) -> tuple[Field, ...]:
    """Fields by name, each once, in the order in which they are named; all of them when nothing is said."""
    if text is None:
        return tuple(known.values())
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise BadParameterError("fields", name, "fields of the layer: " + ", ".join(known))
    return tuple(known[name] for name in dict.fromkeys(names))


def _parse_sort(text: str | None, known: Mapping[str, Field]) -> tuple[tuple[str, bool], ...]:
    """`+name,-other` as fields, and whether the greatest comes first."""
    keys: dict[str, bool] = {}
    for part in text.split(",") if text is not None else ():
        # A `+` in a query string may arrive as the blank that it encodes.
        name = part[1:] if part.startswith("-") else part.strip().removeprefix("+")
        if name not in known or name in keys:
            raise BadParameterError("sort", text, "distinct fields, each with + or - before it: " + ", ".join(known))
        keys[name] = part.startswith("-")
    if len(keys) > _MOST_KEYS:
        raise BadParameterError("sort", text, f"at most {_MOST_KEYS} fields")
    return tuple(keys.items())
