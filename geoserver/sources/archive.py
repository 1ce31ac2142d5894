"""A zip or a gzip around a file of another kind: unpacked into the reader's own folder and read from there."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from geoserver.catalog.names import find_likely
from geoserver.sources import open_here
from geoserver.sources.base import summarise
from geoserver.sources.unpacking import BROKEN, Bounded, is_link, write_unpacked
from geoserver.sources.vector import DRIVERS

if TYPE_CHECKING:
    from geoserver.sources.base import Opened, Request

__all__ = ["KIND", "Archive"]

_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".xlsx", ".xlsm", ".xls", ".ods", ".parquet", ".geoparquet")
_INSIDE = (*DRIVERS, *_TABLES)  # what an archive may hold
_SHAPES = tuple(suffix for suffix in _INSIDE if suffix not in _TABLES)
_GZIPPED = (".geojson", ".json", ".topojson", ".geojsonl", ".geojsons", ".ndjson", ".kml", ".gml", ".gpx", ".osm")
_SOME = 8


@dataclass(frozen=True, slots=True)
class Archive:
    """One file in a zip, with what belongs to it; `source_layer` names the file where there are several."""

    name: str = "archive"
    suffixes: tuple[str, ...] = (".zip", *(f"{suffix}.gz" for suffix in (*_GZIPPED, ".gpkg", ".fgb")))

    def open(self, request: Request) -> Opened:
        path = request.path
        assert path is not None  # noqa: S101 - found by the ending of a path
        if request.folder is None:
            raise request.fail("can only be read in a process of its own")
        try:
            inner = _unzip(request, path) if path.suffix.lower() == ".zip" else _gunzip(request, path)
        except BROKEN as error:
            raise request.fail(f"cannot be unpacked: {error}") from error
        # Axes are swapped by who opened the archive.
        return open_here(replace(inner, swap_axes=False))


KIND = Archive()


def _gunzip(request: Request, path: Path) -> Request:
    assert request.folder is not None  # noqa: S101 - the caller looked
    target = request.folder / "unpacked" / path.stem
    with gzip.open(path) as packed:
        write_unpacked(request, packed, target, Bounded(request, path.stat().st_size))
    return replace(request, path=target)


def _unzip(request: Request, path: Path) -> Request:
    """Unpack the file that is meant with what lies beside it under the same name; nothing else is touched."""
    assert request.folder is not None  # noqa: S101 - the caller looked
    with zipfile.ZipFile(path) as archive:
        members = [
            item
            for item in archive.infolist()
            if not item.is_dir() and not item.filename.startswith("__MACOSX/") and not is_link(item)
        ]
        name, layer = _choose(request, [item.filename for item in members])
        start = name if ".gdb/" in name else name[: len(name) - len(PurePosixPath(name).suffix)] + "."
        folder = request.folder / "unpacked"
        bound = Bounded(request, path.stat().st_size)
        for item in members:
            if item.filename == name or item.filename.lower().startswith(start.lower()):
                # Only the last part of a name counts: one with `..` or a root in it leads nowhere.
                into = folder / ("unpacked.gdb" if ".gdb/" in name else "") / Path(item.filename).name
                if item.flag_bits & 1:
                    raise request.fail("is encrypted")
                with archive.open(item) as packed:
                    write_unpacked(request, packed, into, bound)
    inside = folder / "unpacked.gdb" if ".gdb/" in name else folder / Path(name).name
    return replace(request, path=inside, layer=layer)


def _choose(request: Request, names: list[str]) -> tuple[str, str]:
    """The member that is meant, and the layer inside it; shapes come before tables, which may be about them."""
    databases = sorted({name[: name.lower().index(".gdb/") + 5] for name in names if ".gdb/" in name.lower()})
    if databases:
        return databases[0], request.layer
    found = [name for name in names if name.lower().endswith(_INSIDE)]
    shapes = [name for name in found if name.lower().endswith(_SHAPES)]
    found = shapes or found
    if not found:
        listed = ", ".join(names[:_SOME]) or "nothing"
        raise request.fail(f"no file in this zip is one of {', '.join(_INSIDE)}; it holds {listed}")
    if len(found) == 1:
        stem = PurePosixPath(found[0]).stem
        return found[0], "" if request.layer in (stem, found[0]) and found[0].lower().endswith(
            ".shp"
        ) else request.layer
    by_name = {PurePosixPath(name).stem: name for name in found}
    by_name |= {PurePosixPath(name).name: name for name in found} | {name: name for name in found}
    if request.layer in by_name:
        return by_name[request.layer], ""
    stems = sorted({PurePosixPath(name).stem for name in found})
    if len(stems) < len(found):
        stems = sorted(found)
    if request.layer:
        likely = find_likely(request.layer, stems)
        hint = f"; did you mean {likely!r}?" if likely else f"; expected source_layer to be {summarise(stems)}"
        raise request.fail(f"has no layer {request.layer!r}{hint}")
    raise request.fail(f"has several layers; set source_layer to {summarise(stems)}")
