"""A forged cursor, and any other opaque or structured parameter, is refused with a 400 that names it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ITEMS = "/ogc/collections/spots/items"
FIELDS = ["name", "kind", "n", "x", "y", "lit", "day", "seen", "left"]
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the pools draw in their threads
IN_PROCESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def ask(client: TestClient, **params: str) -> int:
    answer = client.get(ITEMS, params={"limit": "2", **params})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["parameter"]
    return answer.status_code


def next_cursor(client: TestClient, path: str, **params: str) -> str:
    links = client.get(path, params={"limit": "2", **params}).json()["links"]
    (following,) = [link["href"] for link in links if link["rel"] == "next"]
    return str(following.rsplit("cursor=", 1)[1])


FORGED: list[Any] = [
    [True, "spots"],
    [1.5, "spots"],
    ["1", "spots"],
    [None, "spots"],
    [2**63, "spots"],
    [-(2**63) - 1, "spots"],
    [2**64 - 1, "spots"],
    [[1], "spots"],
    [1],
    [],
    {},
    {"a": 1, "b": 2},
    5,
    None,
    "spots",
    [1, "grid"],
    [1, ""],
    [1, None],
    [1, "spots", "x"],
    [1, "spots,+n"],
    [1, ["spots"]],
    [1, "nosuch"],
]


@pytest.mark.parametrize("content", FORGED, ids=str)
def test_a_forged_cursor_is_refused(hostile: TestClient, content: Any) -> None:
    assert ask(hostile, cursor=pack(json.dumps(content).encode())) == 400


RAW = ["", "=", "====", "!", "a", "é", "\ud7ff", "AAAA", "W10", "bnVsbA", "W10=", "W10 ", "%00", "[1]", pack(b"[1,"),
       pack(b"\xff\xfe"), pack(b"[" * 5000), pack(b'[1,"spots","\\ud800"]'), pack(b'[NaN,"spots"]'),
       "A" * 20_000]  # fmt: skip


@pytest.mark.parametrize("text", RAW, ids=[text[:12] for text in RAW])
def test_what_is_no_cursor_is_refused(hostile: TestClient, text: str) -> None:
    assert ask(hostile, cursor=text) == 400


WRONG = {
    "n": ["", "x", "1.5", "9223372036854775808", "1e5", "NaN", " 1", "٣", 1, None.__class__.__name__],
    "x": ["", "nan", "1e999", "0x10", "1_0", "inf", True],
    "lit": ["t", "TRUE", "", 1, True],
    "day": ["2024-02-30", "2024-1-1", "today", "now", "", "99999999-01-01", "2024-01-01T00:00:00"],
    "seen": ["2024-02-30 00:00:00+00", "now", "tomorrow", "2024-01-01 25:00:00+00", "2024-01-01 00:00:00+01", ""],
    "name": ["a\0b", 1, ["a"], {"a": 1}],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_cursor_with_a_value_that_the_field_cannot_have_is_refused(
    hostile: TestClient, field: str, value: Any
) -> None:
    content = json.dumps([1, f"spots,+{field}", value], separators=(",", ":"), ensure_ascii=False).encode()
    assert ask(hostile, sortby=field, cursor=pack(content)) == 400


def test_a_cursor_of_another_layer_or_order_is_refused(hostile: TestClient) -> None:
    own = next_cursor(hostile, ITEMS, sortby="n")
    assert ask(hostile, sortby="n", cursor=own) == 200
    assert ask(hostile, sortby="-n", cursor=own) == 400
    assert ask(hostile, sortby="n,x", cursor=own) == 400
    assert ask(hostile, cursor=own) == 400
    assert ask(hostile, sortby="n", cursor=own + "A") == 400
    assert ask(hostile, cursor=next_cursor(hostile, "/ogc/collections/grid/items")) == 400


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([f"spots,{sign}{name}" for sign in "+-" for name in FIELDS]),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "infinity", "true", "2024-01-01", "4713-01-01 BC", "1e+308"]),
)
contents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=8)


@settings(IN_PROCESS, max_examples=150)
@given(start=st.sampled_from([[1, "spots"], [1, "spots,+n"], [1, "spots,-x,+day"], []]), rest=contents, field=st.data())
def test_any_forged_cursor_is_answered_or_refused(hostile: TestClient, start: list[Any], rest: Any, field: Any) -> None:
    sortby = field.draw(st.sampled_from(["", "n", "-x,day", *FIELDS]))
    content = [*start, *(rest if isinstance(rest, list) else [rest])]
    try:
        packed = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        packed = json.dumps(content).encode()
    ask(hostile, cursor=pack(packed), **({"sortby": sortby} if sortby else {}))


NAMES = [*FIELDS, "f", "lang", "limit", "offset", "crs", "bbox", "bbox-crs", "filter-crs", "filter-lang", "properties",
         "sortby", "skipGeometry", "resulttype", "datetime", "cursor"]  # fmt: skip
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "0", "-1", "1e3", "9" * 30, "+n,-x", "n,n", "EPSG:4326", "json", "html", "*", ",", "true"]),
    st.lists(st.sampled_from([*FIELDS, "", "-", "nosuch"]), max_size=10).map(",".join),
)


@settings(IN_PROCESS, max_examples=200)
@given(
    name=st.sampled_from(NAMES),
    value=texts,
)
def test_any_structured_parameter_is_answered_or_refused(hostile: TestClient, name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return  # no address can say it
    ask(hostile, **{name: value})
