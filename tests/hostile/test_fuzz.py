"""Random hostile filters in both languages through every door: each is answered or refused, and the process lives.

`GEOSERVER_FUZZ_CASES` is how many cases of each kind the slow variant draws.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hostile_filters import CRS, NAMES, SPATIAL, Drawn, call, geometries, numbers, odd, questions, times
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

# The connection pools draw random numbers in threads of their own, which hypothesis takes for the strategies' doing.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
CASES = int(os.environ.get("GEOSERVER_FUZZ_CASES", "2000"))
CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=CHECKS)
LONG = settings(max_examples=CASES, deadline=None, suppress_health_check=CHECKS)

LAYERS = ["spots", "grid", "areas"]
DOORS = [
    "/api/layers/{layer}/summary?fields=",
    "/api/layers/{layer}/summary",
    "/api/layers/{layer}/aggregate?group=seen,in:areas",
    "/tiles/{layer}.json",
    "/tiles/{layer}/6/26/22.mvt",
    "/tiles/{layer}/14/6890/5880.mvt",
    "/tiles/{layer},spots/12/1722/1470.mvt",
    "/ogc/collections/{layer}/items?limit=3",
    "/ogc/collections/{layer}/items?limit=2&f=html&crs=http://www.opengis.net/def/crs/EPSG/0/3857",
]
doors = st.builds(lambda door, layer: door.format(layer=layer), st.sampled_from(DOORS), st.sampled_from(LAYERS))


LONGEST = 65_000  # characters of a query that the client takes


def ask(client: TestClient, path: str, **params: str | None) -> int:
    given_ = {name.replace("_", "-"): value for name, value in params.items() if value is not None}
    try:
        "".join(given_.values()).encode()
    except UnicodeEncodeError:
        return 0  # no address can say it
    for part in path.partition("?")[2].split("&"):
        if part:
            name, _, value = part.partition("=")
            given_[name] = value
    if len(urlencode(given_)) > LONGEST:
        return 0  # the client itself refuses it
    answer = client.get(path.partition("?")[0], params=given_)
    assert answer.status_code in (200, 204, 400, 503), (answer.status_code, path, given_, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == 400 or "took longer" in answer.text, answer.text
    event(f"answered {answer.status_code}")
    return answer.status_code


@settings(QUICK)
@given(door=doors, question=questions())
@pytest.mark.slow
def test_hostile_filters_are_answered_or_refused(hostile: TestClient, door: str, question: Any) -> None:
    ask(hostile, door, **question)


@settings(QUICK)
@given(name=st.sampled_from(SPATIAL), shape=geometries, crs=st.sampled_from(CRS), door=doors)
@pytest.mark.slow
def test_hostile_shapes_are_answered_or_refused(
    hostile: TestClient, name: str, shape: Drawn, crs: str | None, door: str
) -> None:
    filter_ = call(name, ("geometry", '{"property":"geometry"}'), shape)
    for language, written in zip(("cql2-text", "cql2-json"), filter_, strict=True):
        ask(hostile, door, filter=written, filter_lang=language, filter_crs=crs)


@settings(QUICK)
@given(
    name=st.sampled_from(NAMES[:-2]),
    value=st.one_of(odd, times, numbers.map(repr)),
    layer=st.sampled_from(LAYERS),
)
def test_any_value_of_a_field_is_answered_or_refused(hostile: TestClient, name: str, value: str, layer: str) -> None:
    for door in (f"/api/layers/{layer}/summary", f"/ogc/collections/{layer}/items"):
        ask(hostile, door, **{name: value})


HEADERS = ["accept", "accept-encoding", "accept-language", "if-none-match", "range", "content-type", "origin", "cookie",
           "if-modified-since", "forwarded", "x-forwarded-host", "authorization", "referer", "te"]  # fmt: skip
PIECES = ["*", "*/*", "text/html", "application/json", "gzip", "br", "zstd", "identity", ";q=", "0", "1", "nan",
          "1e999", "-1", ",", ";", "=", '"', 'W/"', "bytes=0-", " ", "\t", "http://", "\xe9", "x" * 5_000]  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(HEADERS), st.lists(st.sampled_from(PIECES), max_size=8).map("".join).map(str.strip), max_size=4
)


@settings(QUICK)
@given(door=doors, headers=headers)
def test_any_headers_are_answered_or_refused(hostile: TestClient, door: str, headers: dict[str, str]) -> None:
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = hostile.get(door, headers=sent)  # type: ignore[arg-type]  # as bytes: not all of it is ASCII
    # What looks like a key and is none is refused as one.
    refused = 401 if "authorization" in {name.lower() for name in headers} else 400
    assert answer.status_code in (200, 204, 304, 400, refused), (headers, answer.text[:500])


@pytest.mark.slow
@settings(LONG)
@given(door=doors, question=questions())
def test_thousands_of_hostile_filters(hostile: TestClient, door: str, question: Any) -> None:
    ask(hostile, door, **question)


@pytest.mark.slow
@settings(LONG)
@given(name=st.sampled_from(SPATIAL), shape=geometries, crs=st.sampled_from(CRS), door=doors)
def test_thousands_of_hostile_shapes(hostile: TestClient, name: str, shape: Drawn, crs: str | None, door: str) -> None:
    filter_ = call(name, ("geometry", '{"property":"geometry"}'), shape)
    for language, written in zip(("cql2-text", "cql2-json"), filter_, strict=True):
        ask(hostile, door, filter=written, filter_lang=language, filter_crs=crs)
