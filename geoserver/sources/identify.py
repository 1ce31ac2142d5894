"""What a file turns out to be that is not what its ending says: an error page, or nothing."""

from __future__ import annotations

import gzip
import html
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["refuse_what_is_no_data"]

_HEAD = 1 << 16
_PAGE = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_XML_ERROR = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(\w+:)?"
    r"(Error|Errors|ServiceExceptionReport|ServiceException|ExceptionReport|Exception|Fault|Envelope)\b",
    re.DOTALL,
)
_GZIP = b"\x1f\x8b"
_JSON = re.compile(rb'\s*(\[\s*)?\{\s*"\w+"\s*:')
_TABLES = ("csv", "tsv", "txt")
_OTHERS = (  # how files of other kinds begin, and the endings that may begin so
    (b"%PDF-", "a PDF document", ()),
    (b"\x89PNG\r\n", "a picture", ()),
    (b"\xff\xd8\xff", "a picture", ()),
    (b"PK\x03\x04", "a zip archive or a workbook", ("zip", "xlsx", "xlsm", "ods", "kmz")),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls)", ("xls",)),
    (b"SQLite format 3\0", "a GeoPackage or another SQLite database", ("gpkg", "sqlite", "sqlite3", "db")),
    (b"PAR1", "a Parquet file", ("parquet", "geoparquet")),
)
_TOLD = ("message", "detail", "error_description", "title", "error", "errors", "status", "code", "exceptions", "reason")
_DATA = ("features", "geometry", "geometries", "coordinates", "objects", "data", "records", "results", "rows", "fields")


def refuse_what_is_no_data(request: Request, path: Path) -> None:
    """Raise LoadError for an empty file, and for the error page that a download left in place of data."""
    head = _read_head(path)
    if head is None:
        return
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise request.fail("is empty")
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    if _PAGE.match(text):
        found = _TITLE.search(text)
        raise request.fail(f"is a web page{_quote(found[2]) if found else ''}, not data; download it again")
    if text.startswith("version https://git-lfs."):
        raise request.fail("is a pointer of Git LFS, not the data itself; fetch that by `git lfs pull`")
    if _XML_ERROR.match(text):
        told = re.sub(r"<[^>]*>", " ", re.sub(r"<\?.*?\?>", "", text))
        raise request.fail(f"is an error message of the server that it came from{_quote(told)}; download it again")
    if text.lstrip().startswith("{") and len(head) < _HEAD:
        _refuse_json(request, text)
    _refuse_other_kinds(request, path, head)


def _refuse_other_kinds(request: Request, path: Path, head: bytes) -> None:
    """Raise LoadError for what begins as files of another ending do."""
    *_, ending = path.name.lower().removesuffix(".gz").rpartition(".")
    for begin, what, endings in _OTHERS:
        if head.startswith(begin) and ending not in endings:
            raise request.fail(f"is {what}, whatever its ending says; name it so, or export it again")
    if path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            if file.read(2) == _GZIP:
                raise request.fail(f"is packed by gzip; name it {path.name}.gz")
    if ending in _TABLES and _JSON.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise request.fail("is JSON, whatever its ending says; where it is GeoJSON, name it .geojson")


def _read_head(path: Path) -> bytes | None:
    """The first bytes, unpacked; None where they cannot be read, of which the reader speaks."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_GZIP):
            with gzip.open(path) as unpacked:
                head = unpacked.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return None
    return head


def _refuse_json(request: Request, text: str) -> None:
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict) or ("type" in body.keys() & {"type"} and _is_geojson(body)):
        return
    if any(name in body for name in _DATA):
        return
    told = [name for name in _TOLD if body.get(name)]
    if told and len(body) <= 12:  # noqa: PLR2004 - a message is short
        what = body[told[0]]
        words = what.get("message", what) if isinstance(what, dict) else what
        raise request.fail(
            f"is an error message of the server that it came from{_quote(str(words))}; download it again"
        )


def _is_geojson(body: dict[str, Any]) -> bool:
    return str(body["type"]) in {
        *("FeatureCollection", "Feature", "Topology", "GeometryCollection", "Point", "LineString", "Polygon"),
        *("MultiPoint", "MultiLineString", "MultiPolygon"),
    }


def _quote(text: str) -> str:
    words = " ".join(html.unescape(text).split())
    return f' ("{words[:100]}")' if words else ""
