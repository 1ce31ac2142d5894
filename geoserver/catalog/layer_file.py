"""One layer file: what may stand in it, and how it becomes a `Layer`."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, ValidationError
from pydantic import Field as Key
from pyproj import CRS
from pyproj.exceptions import CRSError

from geoserver.catalog.labels import read_label
from geoserver.catalog.languages import TAG
from geoserver.catalog.live import LiveFile, build_live
from geoserver.catalog.names import INBORN, LONGEST, near, why_not
from geoserver.catalog.rowless import build_parameters, check_keys, check_rowless, find_rules
from geoserver.catalog.toml import Part, explain, read_toml
from geoserver.catalog.wording import check_words
from geoserver.errors import CatalogError
from geoserver.fieldtypes import FieldType
from geoserver.model import (
    AccessKind,
    Bounds,
    CsvOptions,
    Field,
    FieldWords,
    Layer,
    Readings,
    Threshold,
    TimeUnit,
    Words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LayerFile", "read_layer"]

MAX_TILE_ZOOM = 22
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def _check_license(value: str) -> str:
    try:
        return canonicalize_license_expression(value)
    except InvalidLicenseExpression as error:
        raise ValueError("an SPDX licence identifier such as CC-BY-4.0, CC0-1.0 or LicenseRef-My-City") from error


def _check_crs(value: str) -> str:
    try:
        CRS.from_user_input(value)
    except CRSError as error:
        raise ValueError("a CRS such as EPSG:25832 or ESRI:102649") from error
    return value


def _check_tag(value: str) -> str:
    if not TAG.fullmatch(value):
        raise ValueError("a language tag such as en, fr or pt-BR")
    return value


class _LimitFile(Part):
    value: float = Key(allow_inf_nan=False)
    title: str = Key(min_length=1)


class _FieldFile(Part):
    title: str = ""
    description: str = ""
    type: FieldType
    filter: Literal["choice", "range", "search", "none"] = "none"
    unit: str = ""
    column: str = ""
    labels: dict[str, str] = Key(default_factory=dict)
    limits: list[_LimitFile] = Key(default_factory=list)
    restricted: bool = False


class _CsvFile(Part):
    encoding: str = ""
    separator: Annotated[str, Key(max_length=1)] = ""
    decimal: Literal["", ".", ","] = ""
    x: str = ""
    y: str = ""
    point: str = ""
    geometry: str = ""
    header: bool = True
    skip_lines: int | None = Key(default=None, ge=0)
    comment: Annotated[str, Key(max_length=3)] = ""
    quote: Literal['"', "'", ""] = '"'


_Given = str | int | float | bool | date | datetime  # as TOML writes it
FieldName = Annotated[str, Key(pattern=rf"^[a-z][a-z0-9_]{{0,{LONGEST - 1}}}$")]


class _ReadingsFile(Part):
    source: str = Key(min_length=1)
    key: str = Key(min_length=1)
    time: str
    fields: dict[FieldName, _FieldFile]
    csv: _CsvFile = Key(default_factory=_CsvFile)


class _ParameterFile(Part):
    title: str = ""
    description: str = ""
    type: FieldType
    unit: str = ""
    default: _Given
    minimum: _Given | None = None
    maximum: _Given | None = None
    choices: list[_Given] = Key(default_factory=list)


class _FieldWordsFile(Part):
    title: str = ""
    description: str = ""
    unit: str = ""
    labels: dict[str, str] = Key(default_factory=dict)
    limits: dict[str, str] = Key(default_factory=dict)


class _WordsFile(Part):
    title: str = Key(min_length=1)
    description: str = ""
    theme: str = ""
    noun: str = ""
    nouns: str = ""
    label: str = ""
    fields: dict[FieldName, _FieldWordsFile] = Key(default_factory=dict)
    parameters: dict[FieldName, _FieldWordsFile] = Key(default_factory=dict)
    legend: dict[str, str] = Key(default_factory=dict)


class LayerFile(Part):
    title: str = Key(min_length=1)
    description: str = ""
    theme: str = "Other"
    noun: str = ""
    nouns: str = ""
    language: Annotated[str, AfterValidator(lambda value: _check_tag(value) if value else value)] = ""
    languages: dict[str, _WordsFile] = Key(default_factory=dict)
    keywords: list[str] = Key(default_factory=list)
    license: Annotated[str, AfterValidator(_check_license)]
    attribution: str = ""
    source: str = Key(min_length=1)
    source_layer: str = ""
    crs: Annotated[str, AfterValidator(lambda value: _check_crs(value) if value else value)] = ""
    swap_axes: bool = False
    csv: _CsvFile = Key(default_factory=_CsvFile)
    key: str = ""
    access: AccessKind = "public"
    kind: str
    style: str = ""
    time: str = ""
    facet: str = ""
    features_from: int | None = Key(default=None, ge=0, le=MAX_TILE_ZOOM)
    label: str = ""
    basemap: bool | str = False
    visible: bool = False
    order: int = 100
    minzoom: int = Key(default=0, ge=0, le=MAX_TILE_ZOOM)
    maxzoom: int = Key(default=16, ge=0, le=MAX_TILE_ZOOM)
    fields: dict[FieldName, _FieldFile] = Key(default_factory=dict)
    readings: _ReadingsFile | None = None
    live: LiveFile | None = None
    parameters: dict[FieldName, _ParameterFile] = Key(default_factory=dict)
    bounds: Annotated[list[float], Key(min_length=4, max_length=4)] | None = None
    max_age: int = Key(default=60, ge=1)


_PARTS: dict[str, type[Part]] = {
    "limits": _LimitFile,
    "fields": _FieldFile,
    "csv": _CsvFile,
    "parameters": _ParameterFile,
    "readings": _ReadingsFile,
    "live": LiveFile,
}
_PARTS_OF_WORDS: dict[str, type[Part]] = {"fields": _FieldWordsFile, "parameters": _FieldWordsFile}


def read_layer(path: Path) -> Layer:
    """Read one layer file; raises CatalogError that names file, key and expectation."""
    layer_id = path.stem
    if not _ID.fullmatch(layer_id) or len(layer_id) > 40:  # noqa: PLR2004 - leaves room for suffixes in 63-byte table names
        raise CatalogError(
            str(path), "", "a file name of at most 40 of a-z, 0-9 and single hyphens, such as bike-paths.toml"
        )
    if layer_id in INBORN:
        raise CatalogError(str(path), "", f"another file name: {why_not(layer_id)}")
    document = read_toml(path)
    try:
        parsed = LayerFile.model_validate(document)
    except ValidationError as error:
        raise explain(path, error, _part_of, "docs/add-a-layer.md", _expected_of) from error
    check_keys(path, parsed.kind, parsed.model_fields_set)
    layer = _build_layer(path, parsed)
    _check_fields(path, layer)
    check_words(path, layer)
    check_rowless(path, layer)
    return layer


def _build_layer(path: Path, parsed: LayerFile) -> Layer:
    fields = {name: _build_field(path, "fields", name, item) for name, item in parsed.fields.items()}
    readings = None
    if parsed.readings:
        item = parsed.readings
        of_readings = {name: _build_field(path, "readings.fields", name, entry) for name, entry in item.fields.items()}
        if twice := fields.keys() & of_readings.keys():
            raise CatalogError(str(path), f"readings.fields.{min(twice)}", "a name that is not under [fields] too")
        readings = Readings(item.source, item.key, item.time, of_readings, CsvOptions(**item.csv.model_dump()))
        fields |= {name: replace(entry, latest=True) for name, entry in of_readings.items()}
    plain = parsed.model_dump(
        exclude={"fields", "readings", "live", "csv", "keywords", "parameters", "bounds", "languages"}
    )
    plain |= {"basemap": bool(parsed.basemap), "schema": parsed.basemap if isinstance(parsed.basemap, str) else ""}
    plain["label"] = read_label(parsed.label, fields)
    spoken = parsed.language
    fields = {name: _speak(entry, spoken) for name, entry in fields.items()}
    if readings:
        readings = replace(readings, fields={name: replace(fields[name], latest=False) for name in readings.fields})
    rules = find_rules(parsed.kind)
    if rules and rules.knows_zooms and "maxzoom" not in parsed.model_fields_set:
        plain["maxzoom"] = MAX_TILE_ZOOM
    plain["deepens"] = "maxzoom" not in parsed.model_fields_set
    return Layer(
        id=path.stem,
        file=path,
        fields=fields,
        readings=readings,
        live=build_live(path, parsed.live, fields, parsed.time),
        csv=CsvOptions(**parsed.csv.model_dump()),
        keywords=tuple(parsed.keywords),
        parameters=build_parameters(path, {name: item.model_dump() for name, item in parsed.parameters.items()}),
        has_rows=rules is None,
        bounds=Bounds(*parsed.bounds) if parsed.bounds else None,
        spoken=spoken,
        description_language=spoken,
        theme_language=spoken,
        theme_key=parsed.theme,
        languages={tag: _build_words(item, fields) for tag, item in parsed.languages.items()},
        **plain,
    )


def _speak(item: Field, language: str) -> Field:
    limits = tuple(replace(limit, language=language) for limit in item.limits)
    return replace(item, language=language, description_language=language, labels_language=language, limits=limits)


def _build_words(item: _WordsFile, fields: Mapping[str, Field]) -> Words:
    plain = item.model_dump(exclude={"fields", "parameters", "label"})
    return Words(
        **plain,
        label=read_label(item.label, fields),
        fields={name: FieldWords(**entry.model_dump()) for name, entry in item.fields.items()},
        parameters={name: FieldWords(**entry.model_dump()) for name, entry in item.parameters.items()},
    )


def _build_field(path: Path, where: str, name: str, item: _FieldFile) -> Field:
    """A field; of a date or timestamp, `unit` says what numbers count, and is nothing to show beside a value."""
    given = item.model_dump() | {"title": item.title or name.replace("_", " ").capitalize()}
    if item.type in ("date", "timestamp") and item.unit:
        if item.unit not in get_args(TimeUnit.__value__):
            expected = f'"year", "s", "ms" or "yyyymmdd", what a number counts in a {item.type}; got {item.unit!r}'
            raise CatalogError(str(path), f"{where}.{name}.unit", expected)
        given |= {"unit": "", "time_unit": item.unit}
    if item.limits and item.type not in ("integer", "number"):
        raise CatalogError(str(path), f"{where}.{name}.limits", f"a field of type number or integer; it is {item.type}")
    given["limits"] = tuple(Threshold(limit.value, limit.title) for limit in item.limits)
    return Field(name=name, **given)


def _check_fields(path: Path, layer: Layer) -> None:
    for name in layer.fields:
        if layer.has_rows and (why := why_not(name)):
            table = "readings.fields" if layer.fields[name].latest else "fields"
            raise CatalogError(
                str(path), f"{table}.{name}", f'another name: {why}; say column = "{name}" under the new one'
            )
    for key in ("time", "facet"):
        name = getattr(layer, key)
        if name and name not in layer.fields:
            raise CatalogError(str(path), key, f"a declared field; got {name!r}{near(name, list(layer.fields))}")
    if layer.time and layer.fields[layer.time].type not in ("date", "timestamp"):
        raise CatalogError(str(path), "time", f"a field of type date or timestamp; {layer.time!r} is not")
    if layer.readings:
        time = layer.readings.fields.get(layer.readings.time)
        if time is None or time.type not in ("date", "timestamp"):
            raise CatalogError(str(path), "readings.time", "a field under [readings.fields] of type date or timestamp")
        if not layer.key:
            raise CatalogError(str(path), "key", "the column that readings refer to, because there is [readings]")
    if layer.minzoom > layer.maxzoom:
        raise CatalogError(str(path), "minzoom", "at most maxzoom")
    _check_restricted(path, layer)


def _check_restricted(path: Path, layer: Layer) -> None:
    """A restricted field may be asked for by those who may see it; what is made for everybody cannot depend on it."""
    open_to_all = {
        "time": layer.time,
        "facet": layer.facet,
        "readings.time": layer.readings.time if layer.readings else "",
        "live.field": layer.live.field if layer.live else "",
    }
    for key, name in open_to_all.items():
        if name and layer.fields[name].restricted:
            raise CatalogError(str(path), key, f"a field that is not restricted, for tiles are made by it; {name!r} is")


def _part_of(places: list[str]) -> type[Part]:
    """The part of a layer file in which a key stands, by the keys around it."""
    parts, whole = (_PARTS_OF_WORDS, _WordsFile) if places[:1] == ["languages"] else (_PARTS, LayerFile)
    return next((part for name, part in parts.items() if name in places), whole)


def _expected_of(kind: str) -> str:
    """What was expected where only a layer file's author can know it; empty for the rest."""
    if kind == "string_pattern_mismatch":
        return (
            f"a field name of at most {LONGEST} of a-z, 0-9 and _, beginning with a letter;"
            " use `column` for the name in the source"
        )
    return ""
