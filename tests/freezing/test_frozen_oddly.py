"""Frozen maps asked for oddly: parts of files, titles with markup, twice at once, in another language."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from frozen_maps import BURGLARIES, freeze, wait_until_made

from geoserver.freezing.store import STOPPED

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.testclient import TestClient


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("bytes=-100", slice(-100, None)),
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-99999999999", slice(100, None)),
        ("bytes=-99999999999", slice(0, None)),
    ],
)
@pytest.mark.parametrize("name", ["{}/data/tiles.pmtiles", "{}.zip"])
def test_parts_are_given_as_browsers_and_downloads_ask_for_them(
    anyone: TestClient, frozen: str, name: str, asked: str, wanted: slice
) -> None:
    address = "/frozen/" + name.format(frozen)
    whole = anyone.get(address)
    plain = {"Accept-Encoding": "identity", "Range": asked}
    part = anyone.get(address, headers=plain)
    assert (part.status_code, part.content) == (206, whole.content[wanted])
    size = len(whole.content)
    first = wanted.start % size
    assert part.headers["content-range"] == f"bytes {first}-{first + len(part.content) - 1}/{size}"
    same = anyone.get(address, headers={**plain, "If-Range": whole.headers["etag"]})
    assert (same.status_code, same.content) == (206, part.content)
    other = anyone.get(address, headers={**plain, "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)


@pytest.mark.parametrize(
    "asked",
    ["bytes=", "bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=--5", "bytes=-", "bytes=-0", "x" * 9_000],
)
@pytest.mark.parametrize("name", ["{}/data/tiles.pmtiles", "{}.zip"])
def test_odd_ranges_are_refused_or_passed_over_and_never_a_fault(
    anyone: TestClient, frozen: str, name: str, asked: str
) -> None:
    answer = anyone.get("/frozen/" + name.format(frozen), headers={"Range": asked})
    assert answer.status_code in (200, 206, 400, 416), asked
    head = anyone.head("/frozen/" + name.format(frozen), headers={"Range": asked})
    assert head.status_code in (200, 206, 400, 416), asked
    assert head.content == b""


def test_a_title_is_text_wherever_it_stands(anyone: TestClient) -> None:
    title = "<script>alert('\"&amp;')</script>\u202e ]]>{title}\x00\x1b[31m\x9b"
    told = freeze(anyone, BURGLARIES, title)
    assert told["state"] == "done", told
    for address in (f"/frozen/{told['id']}/", f"/embed?frozen={told['id']}"):
        page = anyone.get(address).text
        assert "<script>alert" not in page
        assert not {"\x00", "\x1b", "\x9b"} & set(page)
        assert "&lt;script&gt;alert" in page
    with zipfile.ZipFile(io.BytesIO(anyone.get(f"/frozen/{told['id']}.zip").content)) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        readme = packed.read(f"{told['id']}/README.txt").decode()
    assert all(name.startswith(f"{told['id']}/") and ".." not in name and "\\" not in name for name in names)
    assert not {"\x00", "\x1b", "\x9b"} & set(readme)
    shared = anyone.get("/oembed", params={"url": f"http://127.0.0.1/frozen/{told['id']}/", "format": "xml"})
    assert shared.status_code == 200
    assert "<script>alert" not in shared.text


def test_two_who_freeze_the_same_at_once_have_one_map(anyone: TestClient) -> None:
    link = {"link": "?layers=crime&filter.crime=category = 'fraud'"}
    with ThreadPoolExecutor(6) as pool:
        answers = [*pool.map(lambda _: anyone.post("/frozen", json=link), range(6))]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert wait_until_made(anyone, answers[0].json())["state"] == "done"


def test_why_one_failed_is_said_in_the_readers_language(anyone: TestClient, workspace: Path, frozen: str) -> None:
    making = workspace / ".geoserver" / "frozen" / "making" / ("b" * 12)
    making.mkdir(parents=True)
    kept = workspace / ".geoserver" / "frozen" / "kept" / frozen / "private.json"
    (making / "private.json").write_bytes(kept.read_bytes())
    told = {"id": "b" * 12, "state": "failed", "done": 0, "total": 0, "error": STOPPED}
    (making / "status.json").write_text(json.dumps(told), encoding="utf-8")
    address = f"/frozen/{'b' * 12}/status.json"
    german = anyone.get(address, headers={"Accept-Language": "de"}).json()["error"]
    assert german.startswith("Der Server wurde")
    assert anyone.get(f"{address}?lang=fr").json()["error"].startswith("Le serveur")
    assert anyone.get(address).json()["error"] == STOPPED


def test_what_failed_a_day_ago_is_swept_when_the_next_one_is_frozen(anyone: TestClient, workspace: Path) -> None:
    making = workspace / ".geoserver" / "frozen" / "making"
    folders = [making / ("c" * 12), making / ("d" * 12)]
    for folder, hours in zip(folders, (25, 23), strict=True):
        folder.mkdir(parents=True)
        status = folder / "status.json"
        status.write_text(json.dumps({"id": folder.name, "state": "failed", "error": STOPPED}), encoding="utf-8")
        os.utime(status, (time.time() - hours * 3_600,) * 2)
    assert freeze(anyone, "?layers=districts", "After others")["state"] == "done"
    assert [folder.exists() for folder in folders] == [False, True]
