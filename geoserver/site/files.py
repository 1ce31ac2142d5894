"""The built viewer's files, read once and kept in memory; compressed as well as can be."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import mimetypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import brotli

from geoserver import assets
from geoserver.encodings import IDENTITY, compress, decompress

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BuiltFile", "BuiltFiles", "find_built"]

_COMPRESSED = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/x-protobuf")
_KNOWN = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".pbf": "application/x-protobuf",
    ".map": "text/plain",
    ".woff2": "font/woff2",
}
_SMALL = 600  # bytes below which compressing gains nothing
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="compress files")  # one at a time: who asks second finds it done


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file: its media type, its bytes, whether it is worth to be compressed, their digest, and where it lies."""

    media_type: str
    body: bytes
    shrinks: bool
    digest: str
    path: Path
    _packed: dict[str, bytes] = field(default_factory=dict)

    def tag(self, encoding: str) -> str:
        """A strong ETag of its bytes in an encoding."""
        return f'"{self.digest}"' if encoding == IDENTITY or not self.shrinks else f'"{self.digest}-{encoding}"'

    async def encode(self, encoding: str) -> bytes:
        """Its bytes in an encoding: made once, and kept."""
        if encoding == IDENTITY or not self.shrinks:
            return self.body
        if (packed := self._packed.get(encoding)) is not None:
            return packed
        return await asyncio.get_running_loop().run_in_executor(_THREAD, self._pack, encoding)

    def _pack(self, encoding: str) -> bytes:
        if encoding not in self._packed:
            self._packed[encoding] = self._read_packed(encoding) or compress(self.body, encoding, best=True)
        return self._packed[encoding]

    def _read_packed(self, encoding: str) -> bytes | None:
        """What the build has laid beside the file (`index.js.br`), if that is still of the same bytes."""
        try:
            packed = self.path.with_name(f"{self.path.name}.{encoding}").read_bytes()
            return packed if decompress(packed, encoding) == self.body else None
        except (OSError, ValueError, brotli.error):
            return None


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
        except (OSError, RuntimeError, ValueError):
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
    shrinks = len(body) >= _SMALL and media_type.startswith(_COMPRESSED)
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return BuiltFile(media_type, body, shrinks, hashlib.blake2b(body, digest_size=12).hexdigest(), path)


@functools.cache
def find_built() -> BuiltFiles:
    """The viewer's."""
    return BuiltFiles(assets.root("web"))
