"""Parts of the files of a frozen map, as they are asked for oddly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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
@pytest.mark.parametrize("name", ["{}/data/tiles.pmtiles"])
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
