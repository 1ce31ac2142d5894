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
from typing import TYPE_CHECKING, Any

from pmtiles.tile import Compression, TileType
from pmtiles.writer import Writer

from geoserver.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from geoserver.model import Bounds

__all__ = ["Frame", "WorkFile"]

_EMPTY, _BARREN = 0, -1  # in the place of a content: no bytes; no bytes, and none in any tile below it
_CREATE = """
CREATE TABLE plan (text TEXT NOT NULL);
CREATE TABLE contents (number INTEGER PRIMARY KEY, digest BLOB UNIQUE NOT NULL, data BLOB NOT NULL);
CREATE TABLE tiles (id INTEGER PRIMARY KEY, content INTEGER NOT NULL);
"""
_TILES = "SELECT id, data FROM tiles JOIN contents ON number = content ORDER BY id"


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands in an archive beside its tiles."""

    metadata: Mapping[str, Any]
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
            self._connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )  # one thread after the other
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

        Takes some 230 bytes of memory a tile, for the directories are made at the end.

        Raises SetupError when no tile holds anything, or the disk is full.
        """
        tiles = self._count("SELECT count(*) FROM tiles WHERE content > 0")
        if not tiles:
            self._remove()
            raise SetupError("No tile holds anything, so there is nothing to write; look at --filter and --zoom.")
        whole, beside = (self.target.with_name(self.target.name + end) for end in (".tmp", ".data"))
        try:
            with _explained(whole):
                with whole.open("wb") as file, beside.open("w+b") as data:
                    writer = Writer(file)
                    writer.tile_f.close()
                    writer.tile_f = data  # it would lie in /tmp, which may be small, or in memory
                    for tile_id, body in self._connection.execute(_TILES):
                        writer.write_tile(tile_id, body)
                    writer.finalize(_build_header(frame), frame.metadata)
                    file.flush()
                    os.fsync(file.fileno())
                size = whole.stat().st_size
                whole.replace(self.target)
        finally:
            whole.unlink(missing_ok=True)
            beside.unlink(missing_ok=True)
        self._remove()
        return tiles, size

    def _remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
        self.path.with_name(self.path.name + "-journal").unlink(missing_ok=True)

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


def _build_header(frame: Frame) -> dict[str, Any]:
    """What the writer cannot find out by itself."""
    west, south, east, north = (round(edge * 1e7) for edge in frame.bounds.as_list())
    longitude, latitude, zoom = frame.centre
    return {
        "version": 3,
        "tile_compression": Compression.GZIP,
        "tile_type": TileType.MVT,
        "min_lon_e7": west,
        "min_lat_e7": south,
        "max_lon_e7": east,
        "max_lat_e7": north,
        "center_zoom": zoom,
        "center_lon_e7": round(longitude * 1e7),
        "center_lat_e7": round(latitude * 1e7),
    }


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
