"""Pictures asked for in ways that nobody means: whatever stands in an address, it is drawn or refused by name."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from starlette.testclient import TestClient

MAP = ("light", "-28.6,45.205,15", "16x16", "png")
PARAMETERS = ("layers", "filter.crime", "time", "area", "pin", "lang", "marker", "legend", "attribution", "other")
CHART = ("crime", "600x400", "svg")
ASKED = ("filter", "filter.crime", "time", "area", "chart", "lang", "base", "other")
SCRAPS = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\r\n",
    b"'",
    b'"',
    b"%",
    b"\\",
    b"<",
    b"&",
    b"{",
    b"-1",
    b"1e999",
    b"nan",
    b"@",
)
SCRAPS += (b"\xe2\x80\xae", b"\xd9\x85", b"\xf0\x9f\x8f\xa0", b",", b":", b";", b"~", b"0" * 400)


def make_bytes(luck: random.Random) -> str:
    """Percent-encoded, never empty."""
    parts = [luck.choice(SCRAPS) if luck.random() < 0.6 else luck.randbytes(3) for _ in range(luck.randint(1, 5))]
    return quote(b"".join(parts), safe="").replace("%2F", "%2A")


def check(client: TestClient, address: str) -> None:
    answer = client.get(address)
    if answer.status_code == 503 and "libegl1" in answer.text:
        pytest.skip("the libraries that draw maps are missing")
    assert answer.status_code < 500, (address, answer.text)
    if answer.status_code >= 400:
        told = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", address
        assert {"parameter", "value", "expected"} <= told.keys(), (address, told)


@pytest.mark.parametrize("seed", range(40))
def test_any_bytes_in_any_part_of_an_address_are_refused_by_name(client: TestClient, seed: int) -> None:
    luck = random.Random(seed)
    for parts, at in ((MAP, seed % 4), (CHART, seed % 3)):
        torn = [make_bytes(luck) if at == number else part for number, part in enumerate(parts)]
        path = (
            f"/static/{torn[0]}/{torn[1]}/{torn[2]}.{torn[3]}"
            if parts is MAP
            else "/static/chart/{}/{}.{}".format(*torn)
        )
        check(client, f"{path}?layers=" if parts is MAP else path)
    name, text = PARAMETERS[seed % len(PARAMETERS)], make_bytes(luck)
    layers = "" if name == "layers" else "layers=crime&" if name == "filter.crime" else "layers=&"
    check(client, f"/static/light/{MAP[1]}/16x16.png?{layers}{name}={text}")
    check(client, f"/static/place.json?{layers}{name}={text}")
    check(client, f"/static/chart/crime/600x400.svg?{ASKED[seed % len(ASKED)]}={text}")


@pytest.mark.parametrize(
    "size",
    [
        "0x100",
        "-1x100",
        "1000000000x100",
        "NaNx100",
        "1e3x100",
        "100x100@9x",
        "100x100@0x",
        "x",
        "\u0663\u0660\u0660x100",
    ],
)
@pytest.mark.parametrize("place", ["light/auto", "chart/crime"])
def test_any_other_size_is_refused(client: TestClient, place: str, size: str) -> None:
    told = client.get(f"/static/{place}/{size}.png").json()
    assert (told["status"], told["parameter"], told["value"]) == (400, "size", size)
    assert "600x400" in told["expected"]


@pytest.mark.slow
def test_a_long_title_of_markup_and_turned_text_is_one_short_line(client: TestClient) -> None:
    title = "</text><image href='file:///etc/passwd'/>\u202e&#x202e;<![CDATA[" * 200
    assert len(title) > 10_000
    answer = client.get(f"/static/light/{MAP[1]}/120x90.png", params={"layers": "", "title": title})
    if answer.status_code == 503:
        pytest.skip("the libraries that draw maps are missing")
    assert answer.status_code == 200, answer.text
    assert len(answer.content) < 60_000


def test_a_hundred_layers_are_refused_and_one_named_a_hundred_times_is_one(client: TestClient) -> None:
    many = client.get("/static/light/auto/16x16.png?layers=" + ",".join(f"l{n}" for n in range(100)))
    assert (many.status_code, many.json()["parameter"]) == (400, "layers")
    place = client.get("/static/place.json?layers=" + ",".join(["crime"] * 100))
    assert place.content == client.get("/static/place.json?layers=crime").content


def test_thousands_of_groups_are_refused_without_being_read(client: TestClient) -> None:
    for address in ("/static/chart/crime/600x400.svg?chart=", "/api/layers/crime/aggregate?group="):
        answer = client.get(address + "x," * 3_000)
        assert answer.status_code == 400
        assert "at most 2 groups" in answer.json()["expected"]


def test_what_an_address_leaves_empty_is_as_if_it_were_not_said(client: TestClient) -> None:
    plain = client.get("/static/chart/crime/600x400.svg").content
    assert client.get("/static/chart/crime/600x400.svg?time=&area=&chart=&base=").content == plain
