"""Files that end too early, where GDAL would read what is there and say nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["refuse_what_is_cut"]

_XML = (".gml", ".kml", ".gpx", ".osm")
_ROOT = re.compile(rb"<([A-Za-z_][\w:.-]*)[\s>]")
_TAIL = 1 << 12


def refuse_what_is_cut(request: Request, path: Path) -> None:
    """Raise LoadError for XML without the end of its root, and a Shapefile shorter than its headers say."""
    suffix = path.suffix.lower()
    cut = (suffix in _XML and _ends_inside(path)) or (suffix == ".shp" and _is_short(path))
    if cut:
        raise request.fail("ends too early: a part of it is missing; download it again")


def _ends_inside(path: Path) -> bool:
    with path.open("rb") as file:
        root = _ROOT.search(file.read(1 << 16))
        file.seek(max(path.stat().st_size - _TAIL, 0))
        tail = file.read()
    plain = root is not None and b"\0" not in tail  # UTF-16 is left to the parser
    return plain and root is not None and not re.search(rb"</" + re.escape(root[1]) + rb"\s*>|/>\s*$", tail)


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
