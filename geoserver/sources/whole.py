"""What GDAL would pass over and say nothing: files that end too early, lines of a sequence that are no features."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import orjson

from geoserver.sources.base import Broken

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["find_skipped", "refuse_what_is_cut"]

_XML = (".gml", ".kml", ".gpx", ".osm")
_SEQUENCES = (".geojsonl", ".geojsons", ".ndjson")
_ROOT = re.compile(rb"<([A-Za-z_][\w:.-]*)(?:\s[^>]*?)?(/?)>")
_ASIDE = re.compile(rb"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_HEAD = 1 << 16
_TAIL = 1 << 14
_LONGEST_HEADER = 1 << 16


def refuse_what_is_cut(request: Request, path: Path) -> None:
    """Raise LoadError for XML without the end of its root, a sequence of JSON whose last line is not whole, and a
    Shapefile or OSM PBF shorter than its headers say.
    """
    suffix = path.suffix.lower()
    cut = (
        (suffix in _XML and _ends_inside(path))
        or (suffix in _SEQUENCES and _ends_in_object(path))
        or (suffix == ".shp" and _is_short(path))
        or (suffix == ".pbf" and _ends_in_block(path))
    )
    if cut:
        raise request.fail("ends too early: a part of it is missing; download it again")


def find_skipped(path: Path, rows: int) -> list[Broken]:
    """Lines of a sequence of JSON that gave none of the `rows` read; none where a record may span lines."""
    if path.suffix.lower() not in _SEQUENCES:
        return []
    broken, filled = [], 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip(b"\x1e \t\r\n\xef\xbb\xbf\0")
            filled += bool(text)
            if text and not _is_feature(text):
                broken.append(Broken(number, "is no feature in JSON", ""))
    return broken if rows + len(broken) == filled else []


def _is_feature(text: bytes) -> bool:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and "type" in body


def _read_ends(path: Path) -> tuple[bytes, bytes]:
    """The first and the last bytes; both empty for UTF-16, which is left to the parser."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(path.stat().st_size - _TAIL, 0))
        return (b"", b"") if b"\0" in head[:100] else (head, file.read().rstrip(b"\0 \t\r\n"))


def _ends_inside(path: Path) -> bool:
    head, tail = _read_ends(path)
    root = _ROOT.search(_ASIDE.sub(b"", head))
    if root is None or root[2]:
        return False
    return not re.search(rb"</" + re.escape(root[1]) + rb"\s*>\s*\Z", _ASIDE.sub(b"", tail))


def _ends_in_object(path: Path) -> bool:
    """Whether the last line begins an object and does not end it."""
    _, tail = _read_ends(path)
    if not tail.endswith(b"}"):
        return bool(tail)
    _, before, last = tail.rpartition(b"\n")
    if not before or not last.startswith(b"{"):
        return False
    try:
        json.loads(last)
    except (ValueError, RecursionError):
        return True
    return False


def _is_short(path: Path) -> bool:
    """Both say in their headers how long they are: shapes in words of 16 bits, the table in rows."""
    with path.open("rb") as file:
        head = file.read(100)
    if int.from_bytes(head[24:28], "big") * 2 > path.stat().st_size:
        return True
    table = next((other for other in path.parent.iterdir() if other.name.lower() == f"{path.stem.lower()}.dbf"), None)
    if table is None:
        return False
    with table.open("rb") as file:
        head = file.read(12)
    rows, start, width = (int.from_bytes(head[at:end], "little") for at, end in ((4, 8), (8, 10), (10, 12)))
    return start + rows * width > table.stat().st_size


def _ends_in_block(path: Path) -> bool:
    """PBF is blocks, each behind the length of its header and a header, whose third field is the length of the block.

    See https://wiki.openstreetmap.org/wiki/PBF_Format; what is no PBF at all is left to GDAL.
    """
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            length = int.from_bytes(file.read(4), "big")
            if length > _LONGEST_HEADER:
                return False
            block = _read_length(file.read(length))
            if block is None:
                return at + 4 + length > size
            at += 4 + length + block
    return at > size


def _read_length(header: bytes) -> int | None:
    at = 0
    while at < len(header):
        field = header[at]
        value, shift, at = 0, 0, at + 1
        while at < len(header):
            value |= (header[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if header[at - 1] < 0x80:  # noqa: PLR2004 - the last byte of a number
                break
        if field >> 3 == 3:  # noqa: PLR2004 - datasize
            return value
        at += value if field & 7 == 2 else 0  # noqa: PLR2004 - a text of that many bytes
    return None
