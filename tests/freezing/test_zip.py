"""A frozen map as one zip: whole by every reader of zips, in parts too, and served by any web server."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import urllib.request
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from frozen_maps import freeze

from geoserver.freezing.zips import Entry, Zip, entry_of

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.fixture(scope="module")
def packed(anyone: TestClient, frozen: str) -> bytes:
    answer = anyone.get(f"/frozen/{frozen}.zip")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.content


def test_the_zip_holds_what_the_manifest_says(packed: bytes, frozen: str, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        assert found.testzip() is None
        names = {name.removeprefix(f"{frozen}/") for name in found.namelist()}
        assert {"index.html", "README.txt", "LICENSE.txt", "manifest.json", "sprites/icons@2x.png"} <= names
        manifest = json.loads(found.read(f"{frozen}/manifest.json"))
        for name, told in manifest["files"].items():
            body = found.read(f"{frozen}/{name}")
            assert (len(body), hashlib.sha256(body).hexdigest()) == (told["size"], told["sha256"])
        assert found.read(f"{frozen}/data/crime.parquet") == (folder / "data" / "crime.parquet").read_bytes()
        assert "data-live" not in found.read(f"{frozen}/index.html").decode()
        assert "Burglaries of a winter" in found.read(f"{frozen}/README.txt").decode()
        licences = found.read(f"{frozen}/LICENSE.txt").decode()
        assert "https://creativecommons.org/licenses/by/4.0/" in licences
        assert "MIT" in licences


def test_a_download_that_broke_off_goes_on(anyone: TestClient, frozen: str, packed: bytes) -> None:
    address = f"/frozen/{frozen}.zip"
    tag = anyone.head(address).headers["etag"]
    half = len(packed) // 2
    rest = anyone.get(address, headers={"Range": f"bytes={half}-", "If-Range": tag})
    assert (rest.status_code, rest.content) == (206, packed[half:])
    assert rest.headers["content-range"] == f"bytes {half}-{len(packed) - 1}/{len(packed)}"
    assert anyone.get(address, headers={"Range": f"bytes={half}-", "If-Range": '"other"'}).status_code == 200
    assert anyone.get(address, headers={"Range": f"bytes={len(packed)}-"}).status_code == 416
    assert anyone.get(address, headers={"If-None-Match": tag}).status_code == 304


def test_the_folder_is_served_by_a_server_that_knows_no_ranges(packed: bytes, frozen: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        found.extractall(tmp_path)
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        command, cwd=tmp_path / frozen, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout
            port = process.stdout.readline().split("port ")[1].split()[0]

            def get(path: str) -> bytes:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
                    return bytes(answer.read())

            manifest = json.loads(get("manifest.json"))
            assert b"Burglaries of a winter" in get("")
            for name, told in manifest["files"].items():
                assert hashlib.sha256(get(name)).hexdigest() == told["sha256"]
        finally:
            process.kill()


def test_sizes_beyond_32_bits_are_told_as_zip64(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(5 << 30)  # holes, which take no room
    entries = [Entry("large", 5 << 30, 0, large), entry_of("after é", b"small")]
    made = Zip(entries, datetime(2026, 4, 3, 12, 30, 20, tzinfo=UTC))
    found = zipfile.ZipFile(_Seekable(made))
    assert [(one.filename, one.file_size) for one in found.infolist()] == [("large", 5 << 30), ("after é", 5)]
    assert found.read("after é") == b"small"
    assert found.getinfo("large").date_time == (2026, 4, 3, 12, 30, 20)


class _Seekable(io.RawIOBase):
    """The zip as a file that is read where it is asked."""

    def __init__(self, made: Zip) -> None:
        self._made, self._at = made, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._made.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        body = b"".join(self._made.blocks(self._at, min(self._at + len(buffer), self._made.size)))
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)


@pytest.mark.slow
def test_the_folder_tells_in_the_language_of_the_map_how_it_is_opened(anyone: TestClient) -> None:
    told = freeze(anyone, "?layers=bike-paths&lang=de")
    with zipfile.ZipFile(io.BytesIO(anyone.get(f"/frozen/{told['id']}.zip").content)) as found:
        text = found.read(f"{told['id']}/README.txt").decode()
    assert "Zum Ansehen diesen Ordner" in text
    assert "    python -m http.server\n" in text
    assert not [word for word in ("folder", "browser.", "PMTiles; ") if word in text]
