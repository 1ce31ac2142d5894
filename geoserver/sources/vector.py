"""Vector files through GDAL (pyogrio), as a stream of Arrow batches."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import warnings
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geoserver.sources.base import BATCH_ROWS, Batch, Opened, pick_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.sources.base import Request

__all__ = ["KIND", "Vector"]

log = logging.getLogger("geoserver")

_SHAPES = (".shp", ".geojson", ".gml", ".kml", ".fgb", ".gpkg")  # what a zip may hold
_UNDEFINED = ("Undefined Cartesian", "Undefined geographic", "Unknown engineering")


@dataclass(frozen=True, slots=True)
class Vector:
    """GeoJSON (also line by line), FlatGeobuf, GeoPackage, Shapefile, KML, GPX, GML; zipped too."""

    name: str = "vector"
    suffixes: tuple[str, ...] = (
        *(".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson", ".fgb", ".gpkg", ".shp", ".zip"),
        *(".kml", ".kmz", ".gpx", ".gml"),
    )

    def open(self, request: Request) -> Opened:
        import pyogrio  # noqa: PLC0415 - GDAL is large: only those who read its formats pay for it

        address = _find_address(request)
        try:
            with warnings.catch_warnings(record=True) as notes:
                warnings.simplefilter("always")
                names = _read_layer_names(pyogrio, address, request)
                layer = pick_layer(request, names)
                info = pyogrio.read_info(address, layer=layer, encoding=request.csv.encoding or None)
            for note in notes:
                log.debug("%s: %s", request.location, note.message)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, UnicodeDecodeError) as error:
            raise request.fail(f"cannot be read: {_explain(error, address)}") from error
        fields = [str(name) for name in info["fields"]]
        if missing := [name for name in request.columns if name not in fields]:
            raise request.fail(f"has no field {missing[0]!r}; there are {', '.join(fields)}")
        if request.positions and not info["geometry_type"]:
            raise request.fail(f"layer {layer!r} has no geometry")
        total = info["features"] if info["features"] >= 0 else None
        crs = info["crs"]
        if crs and any(word in crs for word in _UNDEFINED):
            crs = None
        return Opened(_read(pyogrio, address, layer, request), crs=crs, total=total)


KIND = Vector()


def _find_address(request: Request) -> str:
    """The name by which GDAL opens the file; LoadError when a part of it is missing."""
    path = request.path
    assert path is not None  # noqa: S101 - found by the ending of a path
    match path.suffix.lower():
        case ".shp":
            _check_parts(request, path)
        case ".zip":
            return _find_in_zip(request, path)
        case ".gml":
            return str(_link_elsewhere(path))
    return str(path)


def _check_parts(request: Request, path: Path) -> None:
    there = {other.suffix.lower() for other in path.parent.glob(f"{path.stem}.*")}
    if missing := [suffix for suffix in (".dbf", ".shx") if suffix not in there]:
        raise request.fail(f"a Shapefile is several files, and {path.stem}{missing[0]} is missing")


def _link_elsewhere(path: Path) -> Path:
    """The same file in a folder of ours, because GDAL writes a .gfs beside each GML that it reads."""
    folder = Path(tempfile.mkdtemp(prefix="geoserver-gml-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for other in (path, path.with_suffix(".xsd"), path.with_suffix(".gfs")):
        if other.is_file():
            (folder / other.name).symlink_to(other.resolve())
    return folder / path.name


def _find_in_zip(request: Request, path: Path) -> str:
    """The folder in the archive that holds vector files; several layers of one folder stay together."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise request.fail(f"is not a readable zip file: {error}") from error
    found = [name for name in names if name.lower().endswith(_SHAPES) and not name.startswith("__MACOSX/")]
    if not found:
        raise request.fail(f"no file in this zip is one of {', '.join(_SHAPES)}; it holds {', '.join(names[:8])}")
    parts = {name.lower() for name in names}
    for name in found:
        if name.lower().endswith(".shp") and name.lower().removesuffix(".shp") + ".dbf" not in parts:
            raise request.fail(f"a Shapefile is several files, and the .dbf beside {name} is missing")
    if len(found) == 1:
        return f"/vsizip/{{{path}}}/{found[0]}"
    folders = {name.rpartition("/")[0] for name in found}
    if len(folders) > 1:
        stems = {name.rpartition("/")[2].rpartition(".")[0]: name for name in found}
        if request.layer not in stems:
            raise request.fail(f"has several files; set source_layer to one of {', '.join(sorted(stems))}")
        return f"/vsizip/{{{path}}}/{stems[request.layer]}"
    return f"/vsizip/{{{path}}}/{folders.pop()}".rstrip("/")


def _read_layer_names(pyogrio: Any, address: str, request: Request) -> list[str]:
    """Layers that can be meant: with geometry where positions are wanted, and empty ones only when all are."""
    listed = [(str(name), kind) for name, kind in pyogrio.list_layers(address)]
    if request.layer or len(listed) == 1:
        return [name for name, _ in listed]
    fitting = [name for name, kind in listed if (kind is not None) == request.positions]
    filled = [name for name in fitting if pyogrio.read_info(address, layer=name, force_feature_count=True)["features"]]
    return filled or fitting


def _read(pyogrio: Any, address: str, layer: str, request: Request) -> Iterator[Batch]:
    row = 1
    try:
        with ExitStack() as stack:
            meta, reader = stack.enter_context(_open_stream(pyogrio, address, layer, request))
            geometry = meta["geometry_name"] or "wkb_geometry"
            for block in reader:
                lines = np.arange(row, row + len(block), dtype=np.int64)
                row += len(block)
                columns = {name: _as_plain(block.column(name)) for name in request.columns}
                yield Batch(lines, columns, wkb=block.column(geometry) if request.positions else None)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException, RuntimeError) as error:
        raise request.fail(f"cannot be read after row {row - 1}: {_explain(error, address)}") from error


@contextmanager
def _open_stream(pyogrio: Any, address: str, layer: str, request: Request) -> Iterator[tuple[dict[str, Any], Any]]:
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd fields and dimensions; what matters is counted by the loader
            opened = pyogrio.open_arrow(
                address,
                layer=layer,
                columns=list(request.columns),
                read_geometry=request.positions,
                encoding=request.csv.encoding or None,
                batch_size=BATCH_ROWS,
                use_pyarrow=True,
                datetime_as_string=True,
            )
            yielded = stack.enter_context(opened)
        yield yielded


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
    return first.replace(f"'{address}'", "it").replace(address, "it").rstrip(".")
