"""The catalogue: `layers/*.toml` -> `Layer`, with the styles and recipes that they name.

A broken file never takes the others down: what can be read is served, and every problem says file, key and expectation.
"""

from __future__ import annotations

import logging
import re
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic import Field as Key
from pyproj import CRS
from pyproj.exceptions import CRSError

from geoserver import assets
from geoserver.catalog.files import list_files, read_signature, read_text
from geoserver.catalog.names import LONGEST, why_not
from geoserver.catalog.rowless import build_parameters, check_keys, check_rowless
from geoserver.catalog.styles import read_recipes, read_styles
from geoserver.errors import CatalogError, NotFoundError
from geoserver.model import BINS, ROWLESS_KINDS, Bounds, CsvOptions, Field, Layer, Readings, TimeUnit
from geoserver.settings import Settings

__all__ = [
    "Catalog",
    "LiveCatalog",
    "layer_folders",
    "read_catalog",
    "read_layer",
    "read_recipes",
    "read_signature",
    "source_path",
    "styled_fields",
]

log = logging.getLogger("geoserver")

MAX_TILE_ZOOM = 22
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")
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


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _FieldFile(_File):
    title: str = ""
    description: str = ""
    type: Literal["text", "integer", "number", "boolean", "date", "timestamp"]
    filter: Literal["choice", "range", "search", "none"] = "none"
    unit: str = ""
    column: str = ""
    labels: dict[str, str] = Key(default_factory=dict)


class _CsvFile(_File):
    encoding: str = ""
    separator: str = ""
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


class _ReadingsFile(_File):
    source: str = Key(min_length=1)
    key: str = Key(min_length=1)
    time: str
    fields: dict[FieldName, _FieldFile]
    csv: _CsvFile = Key(default_factory=_CsvFile)


class _ParameterFile(_File):
    title: str = ""
    description: str = ""
    type: Literal["text", "integer", "number", "boolean", "date", "timestamp"]
    unit: str = ""
    default: _Given
    minimum: _Given | None = None
    maximum: _Given | None = None
    choices: list[_Given] = Key(default_factory=list)


class _LayerFile(_File):
    title: str = Key(min_length=1)
    description: str = ""
    theme: str = "Other"
    keywords: list[str] = Key(default_factory=list)
    license: Annotated[str, AfterValidator(_check_license)]
    attribution: str = ""
    source: str = Key(min_length=1)
    source_layer: str = ""
    crs: Annotated[str, AfterValidator(lambda value: _check_crs(value) if value else value)] = ""
    swap_axes: bool = False
    csv: _CsvFile = Key(default_factory=_CsvFile)
    key: str = ""
    kind: str
    style: str = ""
    time: str = ""
    facet: str = ""
    features_from: int | None = Key(default=None, ge=0, le=MAX_TILE_ZOOM)
    label: str = ""
    basemap: bool = False
    visible: bool = False
    order: int = 100
    minzoom: int = Key(default=0, ge=0, le=MAX_TILE_ZOOM)
    maxzoom: int = Key(default=16, ge=0, le=MAX_TILE_ZOOM)
    fields: dict[FieldName, _FieldFile] = Key(default_factory=dict)
    readings: _ReadingsFile | None = None
    parameters: dict[FieldName, _ParameterFile] = Key(default_factory=dict)
    bounds: Annotated[list[float], Key(min_length=4, max_length=4)] | None = None
    max_age: int = Key(default=60, ge=1)


_PARTS: dict[str, type[_File]] = {
    "fields": _FieldFile,
    "csv": _CsvFile,
    "parameters": _ParameterFile,
    "readings": _ReadingsFile,
}


@dataclass(frozen=True, slots=True)
class Catalog:
    """One consistent state of all files. `layers` is in display order; `styles` are MapLibre fragments by name."""

    layers: Mapping[str, Layer] = field(default_factory=dict)
    styles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[CatalogError, ...] = ()

    def layer(self, layer_id: str) -> Layer:
        """The layer of that id; raises NotFoundError that lists the ones there are."""
        if (layer := self.layers.get(layer_id)) is None:
            raise NotFoundError("layer", layer_id, "one of " + ", ".join(self.layers))
        return layer

    def datasets(self) -> list[Layer]:
        """The layers that people are shown as data: all but the basemap's."""
        return [layer for layer in self.layers.values() if not layer.basemap]


class LiveCatalog:
    """The catalogue that a running server uses: reloaded when files change, never worse than the last good state."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._folders = layer_folders(settings)
        self.current = read_catalog(settings, self._folders)

    def reload(self) -> Catalog:
        """Read the files again; a layer whose file broke keeps its last good state and its problem is listed."""
        with self._lock:
            # A folder that is gone for a moment is waited for, and no other one read in its place.
            waiting = not all(folder.is_dir() for folder in self._folders)
            self._folders = self._folders if waiting else layer_folders(self._settings)
            fresh = read_catalog(self._settings, self._folders)
            broken = {problem.file for problem in fresh.problems}
            kept = {
                layer.id: layer
                for layer in self.current.layers.values()
                if layer.id not in fresh.layers and not broken.isdisjoint((str(layer.file), str(layer.file.parent)))
            }
            used = {layer.style for layer in kept.values()} | {layer.style for layer in fresh.layers.values()}
            bad_styles, bad_recipes = ({Path(f).stem for f in broken if f.endswith(end)} for end in (".json", ".sql"))
            styles = {
                name: style
                for name, style in self.current.styles.items()
                if name in bad_styles or (name in used and name not in fresh.styles)
            }
            # A layer goes on as it was loaded, so a recipe that was there stays, too.
            recipes = {
                name: text
                for name, text in self.current.recipes.items()
                if name in bad_recipes or name not in fresh.recipes
            }
            self.current = replace(
                fresh,
                layers=_in_order({**fresh.layers, **kept}),
                styles={**fresh.styles, **styles},
                recipes={**fresh.recipes, **recipes},
            )
            return self.current


def layer_folders(settings: Settings) -> list[Path]:
    """Folders with layer files: the workspace's own; the sample city's when asked for or when there is no other."""
    own = (settings.workspace / "layers").resolve()
    samples = assets.root("layers").resolve()
    folders = [own] if own.is_dir() else []
    if (settings.samples or not folders) and samples not in folders:
        folders.append(samples)
    return folders


def read_catalog(settings: Settings, folders: Sequence[Path] | None = None) -> Catalog:
    """Read every layer file, style and recipe; what is broken lands in `problems` and the rest goes on."""
    problems: list[CatalogError] = []
    styles = read_styles(settings.workspace, problems)
    recipes = read_recipes(settings.workspace, problems)
    layers: dict[str, Layer] = {}
    seen: set[str] = set()
    for folder in layer_folders(settings) if folders is None else folders:
        for path in list_files(folder, ".toml", problems):
            if path.stem in seen:
                continue  # the workspace's own file comes first, even when it is broken
            seen.add(path.stem)
            try:
                layers[path.stem] = _join(read_layer(path), styles, recipes, problems)
            except CatalogError as error:
                problems.append(error)
            except Exception as error:  # no file may take the others down, whatever is in it
                log.exception("%s cannot be read", path)
                problems.append(CatalogError(str(path), "", f"a layer file that can be read: {error}"))
    return Catalog(_in_order(layers), styles, recipes, tuple(problems))


def read_layer(path: Path) -> Layer:
    """Read one layer file; raises CatalogError that names file, key and expectation."""
    layer_id = path.stem
    if not _ID.fullmatch(layer_id) or len(layer_id) > 40:  # noqa: PLR2004 - leaves room for suffixes in 63-byte table names
        raise CatalogError(
            str(path), "", "a file name of at most 40 of a-z, 0-9 and single hyphens, such as bike-paths.toml"
        )
    try:
        text = read_text(path)
        if _LONG_KEY.search(text):  # whose parts tomllib copies for each of them: a small file may take all memory
            raise CatalogError(str(path), "", "keys of at most 64 parts with dots between them")
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise CatalogError(str(path), "", f"valid TOML: {error}") from error
    try:
        parsed = _LayerFile.model_validate(document)
    except ValidationError as error:
        raise _explain(path, error) from error
    check_keys(path, parsed.kind, parsed.model_fields_set)
    layer = _build_layer(path, parsed)
    _check_fields(path, layer)
    check_rowless(path, layer)
    return layer


def source_path(layer: Layer, source: str | None = None) -> Path:
    """Where the layer's (or its readings') file lies: paths are relative to the folder that holds `layers/`."""
    return (layer.file.parent.parent / (source or layer.source)).resolve()


def _build_layer(path: Path, parsed: _LayerFile) -> Layer:
    fields = {name: _build_field(path, "fields", name, item) for name, item in parsed.fields.items()}
    readings = None
    if parsed.readings:
        item = parsed.readings
        of_readings = {name: _build_field(path, "readings.fields", name, entry) for name, entry in item.fields.items()}
        if twice := fields.keys() & of_readings.keys():
            raise CatalogError(str(path), f"readings.fields.{min(twice)}", "a name that is not under [fields] too")
        readings = Readings(item.source, item.key, item.time, of_readings, CsvOptions(**item.csv.model_dump()))
        fields |= {name: replace(entry, latest=True) for name, entry in of_readings.items()}
    plain = parsed.model_dump(exclude={"fields", "readings", "csv", "keywords", "parameters", "bounds"})
    if parsed.kind == "tiles" and "maxzoom" not in parsed.model_fields_set:
        plain["maxzoom"] = MAX_TILE_ZOOM  # the archive knows better
    plain["deepens"] = "maxzoom" not in parsed.model_fields_set
    return Layer(
        id=path.stem,
        file=path,
        fields=fields,
        readings=readings,
        csv=CsvOptions(**parsed.csv.model_dump()),
        keywords=tuple(parsed.keywords),
        parameters=build_parameters(path, {name: item.model_dump() for name, item in parsed.parameters.items()}),
        bounds=Bounds(*parsed.bounds) if parsed.bounds else None,
        **plain,
    )


def _build_field(path: Path, where: str, name: str, item: _FieldFile) -> Field:
    """A field; of a date or timestamp, `unit` says what numbers count, and is nothing to show beside a value."""
    given = item.model_dump() | {"title": item.title or name.replace("_", " ").capitalize()}
    if item.type in ("date", "timestamp") and item.unit:
        if item.unit not in get_args(TimeUnit.__value__):
            expected = f'"year", "s", "ms" or "yyyymmdd", what a number counts in a {item.type}; got {item.unit!r}'
            raise CatalogError(str(path), f"{where}.{name}.unit", expected)
        given |= {"unit": "", "time_unit": item.unit}
    return Field(name=name, **given)


def _check_fields(path: Path, layer: Layer) -> None:
    for name in layer.fields:
        if layer.has_rows and (why := why_not(name)):
            table = "readings.fields" if layer.fields[name].latest else "fields"
            raise CatalogError(
                str(path), f"{table}.{name}", f'another name: {why}; say column = "{name}" under the new one'
            )
    for key in ("time", "facet", "label"):
        name = getattr(layer, key)
        if name and name not in layer.fields:
            raise CatalogError(str(path), key, f"a declared field; got {name!r}")
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


def _join(
    layer: Layer,
    styles: Mapping[str, Mapping[str, Any]],
    recipes: Mapping[str, str],
    problems: list[CatalogError],
) -> Layer:
    """Prove the layer against recipes and styles, and note which fields its tiles need.

    A style that reads a field which is declared no more is a problem, but must not keep that field in service.
    """
    kinds = [*sorted(recipes.keys() - {BINS}), *ROWLESS_KINDS]
    if layer.kind not in kinds:
        raise CatalogError(
            str(layer.file),
            "kind",
            f"a recipe in tiles/, `tiles` or `function`: {', '.join(kinds)}; got {layer.kind!r}"
            + _near(layer.kind, kinds),
        )
    if layer.style and layer.style not in styles:
        raise CatalogError(
            str(layer.file), "style", f"a style in styles/: {layer.style}.json was not found or is broken"
        )
    if not layer.has_rows:
        return replace(layer, tile_fields=tuple(layer.fields))
    drawn_by = styles if layer.basemap else {layer.style} & styles.keys()  # basemaps name their layers themselves
    styled = set()
    for name in sorted(drawn_by):
        if missing := (found := styled_fields(styles[name], layer.id)) - layer.fields.keys():
            problems.append(CatalogError(str(layer.file), "fields", f"{min(missing)!r}, which styles/{name}.json uses"))
        styled |= found
    filtered = {name for name, item in layer.fields.items() if item.filter in ("choice", "range")}
    wanted = styled | filtered | ({layer.label} if layer.label else set())
    return replace(layer, tile_fields=tuple(name for name in layer.fields if name in wanted))


def styled_fields(style: Mapping[str, Any], layer_id: str) -> set[str]:
    """Names that `["get", name]` or `["has", name]` reads in the style layers drawn from this layer."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, list):
            if len(node) >= 2 and node[0] in ("get", "has") and isinstance(node[1], str):  # noqa: PLR2004 - [op, name]
                found.add(node[1])
            for part in node:
                walk(part)
        elif isinstance(node, dict):
            for part in node.values():
                walk(part)

    for drawn in style.get("layers", []):
        if drawn.get("source-layer") == layer_id:
            walk({key: drawn.get(key) for key in ("filter", "paint", "layout")})
    return found


def _in_order(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """Data before basemap; themes by the smallest `order` in them, layers of a theme by their own."""
    first: dict[str, int] = {}
    for layer in layers.values():
        first[layer.theme] = min(layer.order, first.get(layer.theme, layer.order))
    ordered = sorted(
        layers.values(),
        key=lambda layer: (layer.basemap, first[layer.theme], layer.theme, layer.order, layer.title),
    )
    return {layer.id: layer for layer in ordered}


def _explain(path: Path, error: ValidationError) -> CatalogError:
    """The first problem that pydantic found, in our words."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    match first["type"]:
        case "missing":
            expected = "this key is required"
        case "extra_forbidden":
            part = next((part for name, part in _PARTS.items() if name in map(str, first["loc"][:-1])), _LayerFile)
            near = _near(str(first["loc"][-1]), list(part.model_fields))
            expected = f"no such key; see docs/add-a-layer.md for those there are{near}"
        case "value_error":
            expected = f"expected {first['ctx']['error']}; got {first['input']!r}"
        case "string_pattern_mismatch":
            expected = (
                f"a field name of at most {LONGEST} of a-z, 0-9 and _, beginning with a letter;"
                " use `column` for the name in the source"
            )
        case _:
            expected = f"{first['msg'][0].lower()}{first['msg'][1:]}; got {first['input']!r}"
    return CatalogError(str(path), key, expected)


def _near(name: str, names: list[str]) -> str:
    """The end of a message about a name that is none: the one that is likely meant."""
    found = get_close_matches(name.lower(), names, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
