"""The built viewer's files, read once and kept in memory with their compressed form."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BuiltFile", "BuiltFiles"]

_COMPRESSED = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/x-protobuf")
_KNOWN = {".js": "text/javascript", ".mjs": "text/javascript", ".pbf": "application/x-protobuf", ".map": "text/plain"}
_SMALL = 600  # bytes below which compressing gains nothing


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file: its media type, its bytes, the same compressed (empty when that gains nothing), and a strong tag."""

    media_type: str
    body: bytes
    gzipped: bytes
    tag: str


class BuiltFiles:
    """Files under a folder by relative path. A file is read again when its time or size changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._kept: dict[str, tuple[tuple[int, int], BuiltFile]] = {}

    def read(self, path: str) -> BuiltFile | None:
        """The file, or None when there is none of that name inside the folder; raises no error for odd names."""
        if "\0" in path or ".." in path.split("/"):
            return None
        try:
            target = (self.folder / path).resolve()
            stat = target.stat()
        except (OSError, RuntimeError):
            return None
        if not target.is_relative_to(self.folder) or not target.is_file():
            return None
        state = (stat.st_mtime_ns, stat.st_size)
        key = str(target)
        if (kept := self._kept.get(key)) and kept[0] == state:
            return kept[1]
        file = _read(target)
        self._kept[key] = (state, file)
        return file


def _read(path: Path) -> BuiltFile:
    body = path.read_bytes()
    media_type = _KNOWN.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    worth = len(body) >= _SMALL and media_type.startswith(_COMPRESSED)
    gzipped = gzip.compress(body, 9, mtime=0) if worth else b""
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return BuiltFile(media_type, body, gzipped, hashlib.blake2b(body, digest_size=12).hexdigest())
