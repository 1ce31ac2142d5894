"""Vector files through GDAL (pyogrio), as a stream of Arrow batches; each ending by its own driver and no other."""

from __future__ import annotations

import json
import logging
import re
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geoserver.sources.base import BATCH_ROWS, FEATURE_ID, Batch, Opened, pick_layer
from geoserver.sources.names import fail_for_columns, match_names
from geoserver.sources.numerals import quote_numbers, unclamp
from geoserver.sources.whole import find_skipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["KIND", "Vector"]

log = logging.getLogger("geoserver")

_JSON = ("GeoJSON", "GeoJSONSeq", "ESRIJSON", "TopoJSON")
DRIVERS = {
    **dict.fromkeys((".geojson", ".json", ".topojson", ".geojsonl", ".geojsons", ".ndjson"), _JSON),
    ".fgb": ("FlatGeobuf",),
    ".gpkg": ("GPKG",),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), ("SQLite", "GPKG")),
    ".shp": ("ESRI Shapefile",),
    **dict.fromkeys((".tab", ".mif"), ("MapInfo File",)),
    **dict.fromkeys((".kml", ".kmz"), ("LIBKML", "KML")),
    ".gpx": ("GPX",),
    ".gml": ("GML",),
    **dict.fromkeys((".osm", ".pbf"), ("OSM",)),
    ".dxf": ("DXF",),
    ".gdb": ("OpenFileGDB",),  # a folder, which comes in a zip
}
_IDS = {"GeoJSON", "GeoJSONSeq", "GPKG", "SQLite", "LIBKML", "KML", "GML", "OSM", "OpenFileGDB", "ESRIJSON", "TopoJSON"}
_ID_FIELDS = {"LIBKML": "id", "GML": "gml_id", "OSM": "osm_id", "GeoJSON": "id", "TopoJSON": "id", "GeoJSONSeq": "id"}
_OPTIONS = {  # whatever else may be tried: no servers, no side files, no extensions
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GML_SKIP_RESOLVE_ELEMS": "ALL",
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "OGR_SQLITE_LIST_VIRTUAL_OGR": "NO",
}
_WAY = "osm_way_id"
_REFUSED = "Unrecognized number"  # in a whole file of JSON, for the sake of one
_UNDEFINED = ("Undefined Cartesian", "Undefined geographic", "Unknown engineering")


@dataclass(frozen=True, slots=True)
class Vector:
    """GeoJSON and its relatives, FlatGeobuf, GeoPackage, SpatiaLite, Shapefile, MapInfo, KML, GPX, GML, OSM, DXF."""

    name: str = "vector"
    suffixes: tuple[str, ...] = tuple(DRIVERS)

    def open(self, request: Request) -> Opened:
        import pyogrio  # noqa: PLC0415 - GDAL is large: only those who read its formats pay for it

        path = request.path
        assert path is not None  # noqa: S101 - found by the ending of a path
        _check_parts(request, path)
        _limit_drivers(pyogrio, request, path)
        address = str(path)
        try:
            try:
                layer, info = _look_into(pyogrio, address, request)
            except pyogrio.errors.DataSourceError as error:
                if request.folder is None or _REFUSED not in str(error):
                    raise
                address = str(quote_numbers(path, request.folder))
                layer, info = _look_into(pyogrio, address, request)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, UnicodeDecodeError) as error:
            if DRIVERS[path.suffix.lower()] is _JSON and (name := _find_wide(path)):
                raise request.fail(f"is JSON in {name}; save it as UTF-8, as JSON must be") from error
            if DRIVERS[path.suffix.lower()] is _JSON and _is_json(path):
                raise request.fail("is JSON, but neither GeoJSON nor TopoJSON nor Esri JSON with features") from error
            raise request.fail(f"cannot be read: {_explain(error, address)}") from error
        fields = [str(name) for name in info["fields"]]
        if not fields and info["features"] == 0 and info["driver"] in _JSON:
            return Opened(iter(()), crs=info["crs"], total=0, columns=request.columns)  # names come with features
        request = match_names(request, fields)
        fail_for_columns(request, [name for name in request.columns if name != FEATURE_ID], fields, "field")
        if request.positions and not info["geometry_type"]:
            raise request.fail(f"layer {layer!r} has no geometry")
        clamps = info["driver"] == "GeoJSONSeq"
        source = _GdalLayer(address, layer, _find_id(request, str(info["driver"]), fields), clamps=clamps)
        if source.id_field == "osm_id" and _WAY in fields:
            source = replace(source, way_field=_WAY)
        total = info["features"] if info["features"] >= 0 else None
        crs = info["crs"]
        if crs and any(word in crs for word in _UNDEFINED):
            crs = None
        return Opened(_read(pyogrio, source, request), crs=crs, total=total, columns=tuple(fields))


KIND = Vector()


def _look_into(pyogrio: Any, address: str, request: Request) -> tuple[str, dict[str, Any]]:
    """The layer that is meant, and what GDAL says about it."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        layer = pick_layer(request, _read_layer_names(pyogrio, address, request))
        info = pyogrio.read_info(address, layer=layer, encoding=request.csv.encoding or None)
    for note in notes:
        log.debug("%s: %s", request.location, note.message)
    return layer, info


@dataclass(frozen=True, slots=True)
class _GdalLayer:
    """What is read: a layer of a file, and the field that holds features' ids (empty: GDAL's own numbers do)."""

    address: str
    layer: str
    id_field: str
    way_field: str = ""  # the field with the ids of areas of OpenStreetMap that are ways; of relations in the other
    clamps: bool = False  # integers beyond 64 bits come as the last within


def _check_parts(request: Request, path: Path) -> None:
    there = {other.name[len(path.stem) :].lower() for other in path.parent.iterdir() if other.stem == path.stem}
    needed = {".shp": (".dbf", ".shx"), ".tab": (".dat", ".map", ".id"), ".mif": (".mid",)}
    kinds = {".shp": "a Shapefile is", ".tab": "a MapInfo table is", ".mif": "MIF is"}
    suffix = path.suffix.lower()
    if missing := [end for end in needed.get(suffix, ()) if end not in there]:
        raise request.fail(f"{kinds[suffix]} several files, and {path.stem}{missing[0]} is missing")


def _limit_drivers(pyogrio: Any, request: Request, path: Path) -> None:
    """Take every driver but the ending's own out of GDAL; this process reads no other file."""
    allowed = DRIVERS[path.suffix.lower()]
    if allowed is _JSON:
        allowed = (_find_json_driver(path),)
    skipped = ",".join(name for name in pyogrio.list_drivers() if name not in allowed)
    pyogrio.set_gdal_config_options({**_OPTIONS, "GDAL_SKIP": skipped, "CPL_TMPDIR": str(request.folder or "/tmp")})  # noqa: S108 - only where there is no folder
    pyogrio._ogr._register_drivers()
    if left := set(pyogrio.list_drivers()) - set(allowed):
        raise request.fail(f"GDAL cannot be kept from using {', '.join(sorted(left))}")


def _find_json_driver(path: Path) -> str:
    """Which of the kinds of JSON it is; by its first bytes, as GDAL tells them apart, and by its first line."""
    with path.open("rb") as file:
        head = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="ignore")
    if head.lstrip(" \t\r\n").startswith("\x1e") or _is_sequence(head):
        return "GeoJSONSeq"
    squeezed = re.sub(r"\s", "", head[:20_000])
    if '"type":"Topology"' in squeezed:
        return "TopoJSON"
    if re.search(r'"(esriGeometry\w+|esriFieldType\w+)"|"geometryType":|"spatialReference":\{', squeezed) and (
        '"FeatureCollection"' not in squeezed
    ):
        return "ESRIJSON"
    return "GeoJSON"


def _find_wide(path: Path) -> str:
    """The encoding of JSON in two or four bytes a letter; empty for others."""
    with path.open("rb") as file:
        head = file.read(1 << 10)
    name = json.detect_encoding(head)
    begin = head[: len(head) // 4 * 4].decode(name, errors="ignore").lstrip("\ufeff \t\r\n")
    return name.upper() if not name.startswith("utf-8") and begin.startswith(("{", "[")) else ""


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _is_sequence(head: str) -> bool:
    """Whether a second object follows the first."""
    try:
        _, end = json.JSONDecoder().raw_decode(head.lstrip())
    except (ValueError, RecursionError):
        return False
    return head.lstrip()[end:].lstrip().startswith("{")


def _read_layer_names(pyogrio: Any, address: str, request: Request) -> list[str]:
    """Layers that can be meant: with geometry where positions are wanted, and empty ones only when all are."""
    listed = [(str(name), kind) for name, kind in pyogrio.list_layers(address)]
    if request.layer or len(listed) == 1:
        return [name for name, _ in listed]
    fitting = [name for name, kind in listed if (kind is not None) == request.positions]
    if address.lower().endswith((".osm", ".pbf")):
        return fitting  # to count means to read it all
    filled = [name for name in fitting if pyogrio.read_info(address, layer=name, force_feature_count=True)["features"]]
    return filled or fitting


def _find_id(request: Request, driver: str, fields: list[str]) -> str:
    """The field that GDAL puts features' ids into; LoadError for a format that gives its features none."""
    if FEATURE_ID not in request.columns:
        return ""
    if driver not in _IDS:
        raise request.fail(f"its features have no ids of their own (a {driver} file), which {FEATURE_ID!r} asks for")
    wanted = _ID_FIELDS.get(driver, "")
    return wanted if wanted in fields else ""


def _read(pyogrio: Any, source: _GdalLayer, request: Request) -> Iterator[Batch]:
    row = 1
    try:
        with ExitStack() as stack:
            meta, reader = stack.enter_context(_open_stream(pyogrio, source, request))
            geometry = meta["geometry_name"] or "wkb_geometry"
            ids = source.id_field or meta.get("fid_column") or "OGC_FID"
            for block in reader:
                lines = np.arange(row, row + len(block), dtype=np.int64)
                row += len(block)
                columns = {
                    name: _read_ids(block, ids, source.way_field)
                    if name == FEATURE_ID
                    else _as_plain(block.column(name))
                    for name in request.columns
                }
                if source.clamps:
                    columns = {name: unclamp(column) for name, column in columns.items()}
                yield Batch(lines, columns, wkb=block.column(geometry) if request.positions else None)
            if skipped := find_skipped(request.path, row - 1) if request.path else []:
                none = {name: pa.nulls(0, pa.string()) for name in request.columns}
                wkb = pa.nulls(0, pa.binary()) if request.positions else None
                yield Batch(np.arange(0, dtype=np.int64), none, wkb=wkb, broken=skipped)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException, RuntimeError) as error:
        raise request.fail(f"cannot be read after row {row - 1}: {_explain(error, source.address)}") from error


@contextmanager
def _open_stream(pyogrio: Any, source: _GdalLayer, request: Request) -> Iterator[tuple[dict[str, Any], Any]]:
    wanted = [source.id_field if name == FEATURE_ID else name for name in request.columns]
    if FEATURE_ID in request.columns:
        wanted.append(source.way_field)
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd fields and dimensions; what matters is counted by the loader
            opened = pyogrio.open_arrow(
                source.address,
                layer=source.layer,
                columns=[name for name in dict.fromkeys(wanted) if name],
                read_geometry=request.positions,
                encoding=request.csv.encoding or None,
                batch_size=BATCH_ROWS,
                use_pyarrow=True,
                datetime_as_string=True,
                return_fids=FEATURE_ID in request.columns and not source.id_field,
            )
            yielded = stack.enter_context(opened)
        yield yielded


def _read_ids(block: pa.RecordBatch, ids: str, ways: str) -> pa.Array:
    """Ids of features; numbers of ways and of relations are apart, and each may be taken by both."""
    column = _as_plain(block.column(ids))
    if not ways:
        return column
    way = _as_plain(block.column(ways))
    return pc.coalesce(column, pc.binary_join_element_wise(pa.scalar("way", way.type), way, "/"))


def _as_plain(column: pa.Array) -> pa.Array:
    """Without the dictionary encoding of coded values; text of a file that hides its encoding is Windows-1252."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            binary = column.cast(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
            return pa.array([_decode(value) for value in binary.to_pylist()], pa.string())
    return column


def _decode(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")


def _explain(error: Exception, address: str) -> str:
    """What GDAL says, without its advice and without the place of the file on this machine."""
    first = str(error).split("; It might help", maxsplit=1)[0].split("\n", maxsplit=1)[0]
    return (
        first.replace(f"'{address}'", "it")
        .replace(address, "it")
        .replace("it not recognized", "it is not recognized")
        .rstrip(".")
    )
