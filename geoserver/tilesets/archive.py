"""A PMTiles archive of vector tiles, read from disk (https://github.com/protomaps/PMTiles, version 3).

One file descriptor serves any number of threads: reads say where they read. What is held in memory is bounded.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from pmtiles.tile import Compression, HeaderDict, TileType, deserialize_header, zxy_to_tileid

from geoserver.grid import MAX_LATITUDE, MAX_ZOOM
from geoserver.model import Bounds
from geoserver.tilesets import directory
from geoserver.tilesets.directory import Directory, inflate

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.model import Tile

__all__ = ["Archive", "ChangedError", "open_archive"]

_HEADER = 127  # bytes
_VERSION = 3
_DEPTH = 4  # directories on the way to a tile
_MAX_METADATA = 4_000_000  # bytes when unpacked
_MAX_TILE = 32_000_000  # bytes when unpacked
_KEPT_ENTRIES = 400_000  # of directories that stay in memory, 32 bytes each


class ChangedError(ValueError):
    """The file was written to while it was open: what was read may be of both states."""


@dataclass(eq=False, repr=False)
class Archive:
    """An open archive; `close` is called by whoever lets it go last (Python, when nobody holds it)."""

    path: Path
    signature: tuple[int, int, int]  # of the file when it was opened; see `read_signature`
    header: HeaderDict
    metadata: dict[str, Any]
    _file: int
    _root: Directory
    _leaves: OrderedDict[int, Directory] = field(default_factory=OrderedDict)
    _kept: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __del__(self) -> None:
        os.close(self._file)

    @property
    def zooms(self) -> tuple[int, int]:
        return self.header["min_zoom"], min(self.header["max_zoom"], MAX_ZOOM)

    @property
    def bounds(self) -> Bounds:
        """As the header says; the whole map where it says nothing that can be."""
        edges = (self.header[key] / 1e7 for key in ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7"))
        found = Bounds(*edges)
        fits = -180 <= found.west < found.east <= 180 and -90 <= found.south < found.north <= 90  # noqa: PLR2004 - degrees
        return found if fits else Bounds(-180.0, -MAX_LATITUDE, 180.0, MAX_LATITUDE)

    def read(self, tile: Tile) -> bytes:
        """The tile, unpacked; `b""` when the archive has none there.

        Blocks for the disk. Raises ValueError where the archive is damaged, ChangedError when it was written to.
        """
        try:
            packed = self._find(zxy_to_tileid(tile.z, tile.x, tile.y))
            if packed and self.header["tile_compression"] is Compression.GZIP:
                packed = inflate(packed, _MAX_TILE)
        except ValueError as error:
            _check_same(self._file, self.signature, self.path, error)
            raise
        _check_same(self._file, self.signature, self.path)
        return packed

    def _find(self, tile_id: int) -> bytes:
        here = self._root
        for _ in range(_DEPTH):
            if (found := here.find(tile_id)) is None:
                return b""
            offset, length, run = found
            if run:
                return self._read_section("tile_data", offset, length, _MAX_TILE)
            here = self._leaf(offset, length)
        raise ValueError("directories that lead nowhere")

    def _leaf(self, offset: int, length: int) -> Directory:
        with self._lock:
            if (known := self._leaves.get(offset)) is not None:
                self._leaves.move_to_end(offset)
                return known
        packed = self._read_section("leaf_directory", offset, length, directory.MAX_BYTES)
        made = Directory.parse(self._unpack(packed, directory.MAX_BYTES))
        with self._lock:
            if offset not in self._leaves:
                self._leaves[offset] = made
                self._kept += len(made)
            while self._kept > _KEPT_ENTRIES and len(self._leaves) > 1:
                self._kept -= len(self._leaves.popitem(last=False)[1])
        return made

    def _read_section(self, section: str, offset: int, length: int, limit: int) -> bytes:
        start, size = self.header[f"{section}_offset"], self.header[f"{section}_length"]  # type: ignore[literal-required]
        if offset + length > size or length > limit:
            raise ValueError("an entry beyond its section")
        return _read_exactly(self._file, start + offset, length)

    def _unpack(self, packed: bytes, limit: int) -> bytes:
        return inflate(packed, limit) if self.header["internal_compression"] is Compression.GZIP else packed


def read_signature(file: int | Path) -> tuple[int, int, int]:
    """What differs after a file was written to or put in another's place: inode, size, time in nanoseconds."""
    found = os.stat(file)  # noqa: PTH116 - takes descriptors, too
    return found.st_ino, found.st_size, found.st_mtime_ns


def open_archive(path: Path) -> Archive:
    """Open an archive; raises ValueError that says what was expected, OSError when the file cannot be read."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    try:
        signature = read_signature(file)
        header = _read_header(file, signature[1])
        unpack = inflate if header["internal_compression"] is Compression.GZIP else lambda data, _: data
        packed = _read_exactly(file, header["root_offset"], header["root_length"])
        root = Directory.parse(unpack(packed, directory.MAX_BYTES))
        packed = _read_exactly(file, header["metadata_offset"], header["metadata_length"])
        metadata = _parse_metadata(unpack(packed, _MAX_METADATA))
        _check_same(file, signature, path)
    except BaseException:
        os.close(file)
        raise
    return Archive(path, signature, header, metadata, file, root)


def _check_same(file: int, signature: tuple[int, int, int], path: Path, cause: Exception | None = None) -> None:
    if read_signature(file) != signature:
        raise ChangedError(f"a file that is not being written to, which {path.name} is") from cause


def _read_header(file: int, size: int) -> HeaderDict:
    start = os.pread(file, _HEADER, 0)
    if start[:7] != b"PMTiles" or len(start) < _HEADER:
        raise ValueError("a PMTiles archive; this file does not begin as one")
    if start[7] != _VERSION:
        raise ValueError(f"a PMTiles archive of version {_VERSION}; this one is of version {start[7]}")
    try:
        header = deserialize_header(start)
    except ValueError as error:
        raise ValueError("a PMTiles archive; the header of this one is damaged") from error
    if header["tile_type"] is not TileType.MVT:
        name = header["tile_type"].name
        raise ValueError(f"an archive of vector tiles (MVT); the tiles in this one are of type {name}")
    for key in ("tile_compression", "internal_compression"):
        if header[key] not in (Compression.NONE, Compression.GZIP):
            name = header[key].name.lower()
            raise ValueError(f"an archive with {key.replace('_', ' ')} gzip or none; that of this one is {name}")
    sections = ("root", "metadata", "leaf_directory", "tile_data")
    ends = [header[f"{name}_offset"] + header[f"{name}_length"] for name in sections]  # type: ignore[literal-required]
    if max(ends) > size:
        raise ValueError(f"a whole archive; this one is cut off: {size:,} of {max(ends):,} bytes")
    if header["min_zoom"] > min(header["max_zoom"], MAX_ZOOM):
        raise ValueError(f"zooms from 0 to {MAX_ZOOM}; got {header['min_zoom']} to {header['max_zoom']}")
    if max(header["root_length"], header["metadata_length"]) > _MAX_METADATA:
        raise ValueError(f"root directory and metadata of at most {_MAX_METADATA:,} bytes")
    return header


def _read_exactly(file: int, offset: int, length: int) -> bytes:
    data = os.pread(file, length, offset)
    if len(data) != length:
        raise ValueError("a whole archive; this one is cut off")
    return data


def _parse_metadata(data: bytes) -> dict[str, Any]:
    """The archive's JSON, with `vector_layers` as TileJSON has them; raises ValueError when they are missing."""
    try:
        found = orjson.loads(data)
    except ValueError as error:
        raise ValueError("metadata in JSON") from error
    layers = found.get("vector_layers") if isinstance(found, dict) else None
    if not isinstance(layers, list) or not all(_is_vector_layer(item) for item in layers):
        raise ValueError("metadata with vector_layers, each with id and fields")
    return dict(found)


def _is_vector_layer(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and isinstance(item.get("fields"), dict)
        and all(isinstance(item.get(key, 0), int) for key in ("minzoom", "maxzoom"))
    )
