"""The work file of a tile build: finished tiles beside the archive to be, so that a build that was killed goes on.

An SQLite database, because it survives being killed at any moment, keeps equal tiles once, and gives them back in the
order of their ids with little memory. Only `finish` makes the archive, under another name, and then renames it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pmtiles.tile import Compression, Entry, TileType, serialize_directory, serialize_header

from geoserver.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from geoserver.model import Bounds

__all__ = ["Frame", "WorkFile"]

HEADER = 127  # bytes
ROOT = 16_384 - HEADER  # bytes that the root directory may take, so that one read gives both
_LEAF = 4_096  # entries of a directory below the root, while the root has room for all of them
_EMPTY, _BARREN = 0, -1  # in the place of a content: no bytes; no bytes, and none in any tile below it
_CREATE = """
CREATE TABLE plan (text TEXT NOT NULL);
CREATE TABLE contents (number INTEGER PRIMARY KEY, digest BLOB UNIQUE NOT NULL, data BLOB NOT NULL);
CREATE TABLE tiles (id INTEGER PRIMARY KEY, content INTEGER NOT NULL);
"""
# Where each content lies in the archive: in the order of the first tile that has it.
_PLACE = """
CREATE TEMP TABLE placed AS
SELECT content, size, sum(size) OVER (ORDER BY first ROWS UNBOUNDED PRECEDING) - size AS start
  FROM (SELECT content, min(id) AS first,
               (SELECT length(data) FROM contents WHERE number = content) AS size
          FROM tiles WHERE content > 0 GROUP BY content);
CREATE UNIQUE INDEX temp.placed_content ON placed (content);
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands in an archive beside its tiles."""

    metadata: bytes  # JSON, compressed
    zooms: tuple[int, int]
    bounds: Bounds
    centre: tuple[float, float, int]  # longitude, latitude, zoom


class WorkFile:
    """Finished tiles of one build; a second process that opens it is refused with SetupError."""

    def __init__(self, target: Path, plan: Mapping[str, Any]) -> None:
        """Open the work file of the archive `target`; tiles of another plan are thrown away.

        `differs` names what is another now, `resumed` counts tiles that are done already. Raises SetupError.
        """
        self.target = target
        self.path = target.with_name(target.name + ".work")
        self.differs: list[str] = []
        with _explained(self.path):
            self._connection = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            try:
                self._open(plan)
            except BaseException:
                self._connection.close()
                raise
        self.resumed = self._count("SELECT count(*) FROM tiles")

    def _open(self, plan: Mapping[str, Any]) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = TRUNCATE")
        run("PRAGMA synchronous = NORMAL")
        run("BEGIN EXCLUSIVE")
        if run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            before = json.loads(run("SELECT text FROM plan").fetchone()[0])
            self.differs = [name for name in plan if before.get(name) != plan[name]]
            if not self.differs:
                return
            for table in ("plan", "contents", "tiles"):
                run(f"DROP TABLE {table}")
        for statement in _CREATE.strip().split(";\n"):
            run(statement)
        run("INSERT INTO plan VALUES (?)", [json.dumps(plan)])
        run("COMMIT")
        run("BEGIN")

    def find(self, tile_id: int) -> bool | None:
        """None when the tile is not done; else whether it or a tile below it may hold something."""
        row = self._connection.execute("SELECT content FROM tiles WHERE id = ?", [tile_id]).fetchone()
        return None if row is None else row[0] != _BARREN

    def add(self, tile_id: int, data: bytes, *, barren: bool = False) -> None:
        """Note a tile as done; `barren` says that no tile below it holds anything."""
        with _explained(self.path):
            content = self._store(data) if data else _BARREN if barren else _EMPTY
            self._connection.execute("INSERT OR REPLACE INTO tiles VALUES (?, ?)", [tile_id, content])

    def _store(self, data: bytes) -> int:
        digest = hashlib.blake2b(data, digest_size=20).digest()
        known = self._connection.execute("SELECT number FROM contents WHERE digest = ?", [digest]).fetchone()
        if known:
            return int(known[0])
        added = self._connection.execute("INSERT INTO contents (digest, data) VALUES (?, ?)", [digest, data])
        return int(added.lastrowid or 0)

    def save(self) -> None:
        """Let what is done so far outlast this process."""
        with _explained(self.path):
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("COMMIT")
        self._connection.close()

    def finish(self, frame: Frame) -> tuple[int, int]:
        """Write the archive, put it in its place and remove the work file; gives tiles and bytes.

        Raises SetupError when no tile holds anything, or the disk is full.
        """
        tiles = self._count("SELECT count(*) FROM tiles WHERE content > 0")
        if not tiles:
            self._remove()
            raise SetupError("No tile holds anything, so there is nothing to write; look at --filter and --zoom.")
        whole = self.target.with_name(self.target.name + ".tmp")
        try:
            with _explained(whole):
                self._connection.executescript(_PLACE)
                entries, root, leaves = self._build_directories()
                with whole.open("wb") as file:
                    file.write(self._build_header(frame, len(root), len(leaves), (tiles, entries)))
                    for part in (root, frame.metadata, leaves):
                        file.write(part)
                    self._write_data(file)
                    file.flush()
                    os.fsync(file.fileno())
                size = whole.stat().st_size
                whole.replace(self.target)
        finally:
            whole.unlink(missing_ok=True)
        self._remove()
        return tiles, size

    def _remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
        self.path.with_name(self.path.name + "-journal").unlink(missing_ok=True)

    def _entries(self) -> Iterator[Entry]:
        """In the order of tile ids; neighbours with one content are one entry."""
        rows = self._connection.execute(
            "SELECT id, start, size FROM tiles JOIN placed ON placed.content = tiles.content ORDER BY id"
        )
        last: Entry | None = None
        for tile_id, start, size in rows:
            if last and last.offset == start and last.tile_id + last.run_length == tile_id:
                last.run_length += 1
                continue
            if last:
                yield last
            last = Entry(tile_id, start, size, 1)
        if last:
            yield last

    def _build_directories(self) -> tuple[int, bytes, bytes]:
        """How many entries there are, the root directory, and those below it, if they do not all fit into the root."""
        first = list(islice(self._entries(), ROOT))  # an entry takes a byte at least
        if len(first) < ROOT and len(root := serialize_directory(first)) <= ROOT:
            return len(first), root, b""
        size = _LEAF
        while True:
            count, root, leaves = self._build_leaves(size)
            if len(root) <= ROOT:
                return count, root, leaves
            size *= 2

    def _build_leaves(self, size: int) -> tuple[int, bytes, bytes]:
        entries = self._entries()
        above: list[Entry] = []
        leaves = bytearray()
        count = 0
        while chunk := list(islice(entries, size)):
            packed = serialize_directory(chunk)
            above.append(Entry(chunk[0].tile_id, len(leaves), len(packed), 0))
            leaves += packed
            count += len(chunk)
        return count, serialize_directory(above), bytes(leaves)

    def _build_header(self, frame: Frame, root: int, leaves: int, counts: tuple[int, int]) -> bytes:
        """For directories of these lengths; `counts` are tiles and entries."""
        contents, data = self._connection.execute("SELECT count(*), sum(size) FROM placed").fetchone()
        west, south, east, north = (round(edge * 1e7) for edge in frame.bounds.as_list())
        below = HEADER + root + len(frame.metadata)
        header = serialize_header({
            "version": 3,
            "root_offset": HEADER,
            "root_length": root,
            "metadata_offset": HEADER + root,
            "metadata_length": len(frame.metadata),
            "leaf_directory_offset": below,
            "leaf_directory_length": leaves,
            "tile_data_offset": below + leaves,
            "tile_data_length": data,
            "addressed_tiles_count": counts[0],
            "tile_entries_count": counts[1],
            "tile_contents_count": contents,
            "clustered": True,
            "internal_compression": Compression.GZIP,
            "tile_compression": Compression.GZIP,
            "tile_type": TileType.MVT,
            "min_zoom": frame.zooms[0],
            "max_zoom": frame.zooms[1],
            "min_lon_e7": west,
            "min_lat_e7": south,
            "max_lon_e7": east,
            "max_lat_e7": north,
            "center_zoom": frame.centre[2],
            "center_lon_e7": round(frame.centre[0] * 1e7),
            "center_lat_e7": round(frame.centre[1] * 1e7),
        })  # fmt: skip
        return bytes(header)

    def _write_data(self, file: BinaryIO) -> None:
        for (number,) in self._connection.execute("SELECT content FROM placed ORDER BY start"):
            row = self._connection.execute("SELECT data FROM contents WHERE number = ?", [number]).fetchone()
            file.write(row[0])

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in one line what the disk or SQLite had against it."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise SetupError(f"{path}: another process builds this archive") from error
        if isinstance(error, sqlite3.OperationalError):
            raise SetupError(f"{path} cannot be written: {error}") from error
        raise SetupError(f"{path} is damaged ({error}); remove it and start again") from error
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error
