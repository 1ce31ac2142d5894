"""Frozen maps on disk: a folder each, whole or not there; several processes of one workspace use the same ones.

.geoserver/frozen/
  kept/ID/public/...      what is given out; the folder appears by one rename
  kept/ID/private.json    who may see it, and what it was made of
  making/ID/              the same while it is made, with `status.json`; locked by the process that makes it
  gone/ID.json            that there was one
  turn-0, turn-1          locked by those that are made just now
  begin                   locked while it is seen whether there is room for one more
  secret                  by which ids cannot be guessed
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

__all__ = ["AT_ONCE", "STOPPED", "Making", "Store", "digest_file"]

AT_ONCE = 2  # that are made at the same time, by all processes
_ID = re.compile(r"[a-z2-7]{12}")
_FORGOTTEN = 86_400  # seconds after which it is of no use to say why one failed
_BLOCK = 1 << 20
STOPPED = "The server was stopped while it was made; freeze the map once more."


@dataclass(slots=True)
class Making:
    """One that this process makes; `folder` becomes that of the frozen map."""

    id: str
    folder: Path
    _lock: int

    @property
    def public(self) -> Path:
        return self.folder / "public"

    def tell(self, **status: object) -> None:
        """Say how far it is, to whoever asks any process."""
        _write(self.folder / "status.json", {"id": self.id, **status})

    def close(self) -> None:
        os.close(self._lock)


class Store:
    """The frozen maps of a workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, content: bytes) -> str:
        """The id for what is made of this: always the same here, and not to be guessed elsewhere."""
        for number in range(1_000):
            digest = hmac.digest(self._secret(), b"%d\n%s" % (number, content), "sha256")
            found = base64.b32encode(digest)[:12].decode().lower()
            if not self._gone(found).is_file():  # who froze it and deleted it may freeze it once more
                return found
        raise RuntimeError("the same map was deleted a thousand times")

    def find(self, frozen_id: str) -> Path | None:
        """The folder of a frozen map."""
        folder = self.folder / "kept" / frozen_id
        return folder if _ID.fullmatch(frozen_id) and folder.is_dir() else None

    def read_private(self, frozen_id: str) -> dict[str, Any] | None:
        """What is known of one, whether it is made or not; None where there is none, or it cannot be read."""
        if not _ID.fullmatch(frozen_id):
            return None
        places = (self.folder / name / frozen_id for name in ("making", "kept"))  # it goes from the one to the other
        return next(filter(None, (_read(folder / "private.json") for folder in places)), None)

    def read_gone(self, frozen_id: str) -> dict[str, Any] | None:
        """What is left of one that was deleted."""
        return _read(self._gone(frozen_id)) if _ID.fullmatch(frozen_id) else None

    def list(self) -> list[str]:
        """Ids of those that are whole, the newest first."""
        found = []
        for path in _list(self.folder / "kept"):
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime_ns, path.name))
        return [name for _, name in sorted(found, reverse=True)]

    def status(self, frozen_id: str) -> dict[str, Any] | None:
        """How far one is that is being made, or why it failed."""
        folder = self.folder / "making" / frozen_id
        told = _read(folder / "status.json")
        if told is None or told["state"] == "failed":
            return told
        if (lock := _lock(folder / "lock")) is None:
            return told
        try:  # it is not locked: whoever made it is no more, unless it has just been put in its place
            return None if self.find(frozen_id) else {**told, "state": "failed", "error": STOPPED}
        finally:
            os.close(lock)

    def begin(self, frozen_id: str, private: dict[str, Any]) -> Making | None:
        """Begin to make one; None while another process, or another request, does. Raises OSError for a full disk."""
        folder = self.folder / "making" / frozen_id
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder / "lock")
        if lock is None:
            return None
        if self.find(frozen_id) is not None:  # another process has just put it there
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            return None
        making = Making(frozen_id, folder, lock)
        try:
            shutil.rmtree(making.public, ignore_errors=True)
            (making.public / "data").mkdir(parents=True)
            _write(folder / "private.json", private)
            making.tell(state="waiting", done=0, total=0)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            making.close()
            raise
        return making

    def finish(self, making: Making, private: dict[str, Any]) -> None:
        """Put a whole one in its place: from now on it is given out."""
        _write(making.folder / "private.json", private)
        for path in making.folder.rglob("*"):
            if path.is_file():
                _sync(path)
        kept = self.folder / "kept"
        kept.mkdir(exist_ok=True)
        making.folder.rename(kept / making.id)
        (kept / making.id / "status.json").unlink(missing_ok=True)
        _sync(kept)

    def fail(self, making: Making, error: str) -> None:
        """Leave word of what went wrong, and nothing else."""
        shutil.rmtree(making.public, ignore_errors=True)  # first: there may be no room for a word more
        with contextlib.suppress(OSError):  # it is told as failed then, too, for nobody makes it any more
            making.tell(state="failed", done=0, total=0, error=error)

    @staticmethod
    def remember(private: dict[str, Any], moment: datetime) -> dict[str, Any]:
        """What is left of one that is deleted at this moment."""
        kept = ("layers", "base", "title", "frozen", "begun", "client")
        return {**{name: private[name] for name in kept}, "deleted": moment.isoformat(timespec="seconds")}

    def delete(self, frozen_id: str, told: dict[str, Any]) -> bool:
        """Take one away, and leave word that there was one; whether there was."""
        folder = self.find(frozen_id)
        if folder is None:
            return False
        self._gone(frozen_id).parent.mkdir(exist_ok=True)
        _write(self._gone(frozen_id), told)
        trash = self.folder / "making" / f".gone-{frozen_id}"
        trash.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another request was first
            folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        return True

    def size(self, each: int) -> int:
        """Bytes of all that is kept, and of those that are being made as many as they may become, `each`."""
        made = (self.status(folder.name) for folder in _list(self.folder / "making"))
        total = sum(each for told in made if told and told["state"] != "failed")
        for path in (self.folder / "kept").rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
        return total

    def count_since(self, since: float, client: str = "") -> int:
        """How many were begun since then, of a client or of all; those that were deleted count, too."""
        count = 0
        for path in (*self.folder.glob("*/*/private.json"), *self.folder.glob("gone/*.json")):
            told = _read(path) or {}
            count += told.get("begun", 0) >= since and client in ("", told.get("client"))
        return count

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other thread or process begin to make one meanwhile; to be waited for in a thread."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = os.open(self.folder / "begin", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is one's turn to make one; to be asked again where it is not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(AT_ONCE):
            if (lock := _lock(self.folder / f"turn-{number}")) is not None:
                try:
                    yield True
                finally:
                    os.close(lock)
                return
        yield False

    def sweep(self) -> None:
        """Remove what processes left that were killed in the middle; why it failed is told for a day.
        Raises OSError for a full disk.
        """
        for folder in _list(self.folder / "making"):
            lock = _lock(folder / "lock")
            if lock is None:
                continue
            try:
                status = folder / "status.json"
                told = _read(status)
                if told is None or time.time() - status.stat().st_mtime > _FORGOTTEN:
                    shutil.rmtree(folder, ignore_errors=True)
                elif told["state"] != "failed":
                    shutil.rmtree(folder / "public", ignore_errors=True)
                    _write(status, {**told, "state": "failed", "error": STOPPED})
            finally:
                os.close(lock)

    def _gone(self, frozen_id: str) -> Path:
        return self.folder / "gone" / f"{frozen_id}.json"

    def _secret(self) -> bytes:
        path = self.folder / "secret"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            own = self.folder / f".secret-{secrets.token_hex(8)}"
            own.write_bytes(secrets.token_bytes(32))
            own.chmod(0o600)
            with contextlib.suppress(FileExistsError):  # another process was first
                path.hardlink_to(own)
            own.unlink()
        return path.read_bytes()


def digest_file(path: Path) -> tuple[str, int]:
    """SHA-256 in hexadecimal digits, and CRC-32."""
    digest, crc = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            crc = zlib.crc32(block, crc)
    return digest.hexdigest(), crc


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, or the process ends however it does; None if another has
    it.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # its folder has just been put in its place
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        partial.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
