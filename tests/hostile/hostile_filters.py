"""Strategies for hypothesis: hostile values, geometries and filters, each as CQL2 text and as CQL2 JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

NAMES = ["name", "kind", "n", "x", "y", "lit", "day", "seen", "left", "geometry", "geom"]
SPATIAL = ["s_intersects", "s_disjoint", "s_within", "s_contains"]
SPATIAL += ["s_crosses", "s_equals", "s_overlaps", "s_touches"]
TEMPORAL = ["t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedBy", "t_finishes"]
TEMPORAL += ["t_intersects", "t_meets", "t_metBy", "t_overlappedBy", "t_overlaps", "t_startedBy", "t_starts"]
COMPARISONS = ["=", "<>", "<", ">", "<=", ">="]
CRS = [*[None] * 6, "EPSG:3035", "EPSG:3857", "EPSG:32626", "EPSG:4326", "EPSG:4258", "EPSG:2154", "EPSG:3031",
       "EPSG:3995", "EPSG:27700", "EPSG:4979", "EPSG:4978", "EPSG:5773", "EPSG:0000", "EPSG:999999",
       "http://www.opengis.net/def/crs/EPSG/0/32626", "http://www.opengis.net/def/crs/OGC/0/CRS84h", ""]  # fmt: skip

# -- values ---------------------------------------------------------------------------------------------------------

whole = st.one_of(st.integers(-10, 10), st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30]))
real = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e308, -1e308, 5e-324, -0.0, 0.1, 1e-300, 1.7976931348623157e308, 690.0, 0.5]),
)
numbers = st.one_of(whole, real)
odd = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "%",
            "_",
            "\\",
            "\\\\",
            "a\\",
            "%\\%",
            "\\%",
            "\u0301",
            "a\\\u0301",
            "\u1e9b\u0323",
            "\U0001f600",
            "(",
            "[a-",
            "*",
        ]
    ),
)
dates = st.one_of(
    st.dates().map(str),
    st.sampled_from(["0001-01-01", "9998-12-31", "9999-12-31", "2024-02-30", "0000-01-01", "2024", "2024-13", "24"]),
)
moments = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "0001-01-01T12:00:00Z", "0001-01-01T00:00:00.000001Z",
                     "9998-12-31T23:59:59.999999-14:00", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z", "x"]),
)  # fmt: skip
times = st.one_of(dates, moments, st.just(".."))

# -- geometry -------------------------------------------------------------------------------------------------------

ordinate = st.one_of(
    st.integers(-200, 200),
    st.sampled_from([-28.6, 45.2, 374000, 5006000, 375000, 5007000, 180, -180, 90, -90, 89.9999, 0, -0.0]),
    st.sampled_from([1e-9, 5e-324, 1e11, -9.9e11, 1e12, 1e300, 179.99999999, 20037508.342789244]),
    st.floats(-180, 180),
)
position = st.one_of(
    st.tuples(ordinate, ordinate),
    st.tuples(st.floats(-28.7, -28.4), st.floats(45.1, 45.3)),
    st.tuples(st.floats(373000, 380000), st.floats(5005000, 5008000)),
    st.lists(ordinate, max_size=5).map(tuple),
)
line = st.one_of(
    st.lists(position, max_size=6),
    st.builds(lambda at, n: [at] * n, position, st.integers(0, 4)),
    st.lists(position, min_size=2, max_size=4),
)


def close(positions: list[Any]) -> list[Any]:
    return [*positions, positions[0]] if positions else positions


ring = st.one_of(line, st.lists(position, min_size=3, max_size=6).map(close))
polygon = st.lists(ring, max_size=3)
plain = st.one_of(
    st.tuples(st.just("Point"), position),
    st.tuples(st.just("LineString"), line),
    st.tuples(st.just("Polygon"), polygon),
    st.tuples(st.just("MultiPoint"), line),
    st.tuples(st.just("MultiLineString"), st.lists(line, max_size=3)),
    st.tuples(st.just("MultiPolygon"), st.lists(polygon, max_size=3)),
)
shapes = st.recursive(
    plain, lambda inner: st.tuples(st.just("GeometryCollection"), st.lists(inner, max_size=3)), max_leaves=4
)


def deepen(shape: Any, levels: int) -> Any:
    for _ in range(levels):
        shape = ("GeometryCollection", [shape])
    return shape


hostile_shapes = st.one_of(
    plain, shapes, st.builds(deepen, shapes, st.sampled_from([1, 2, 7, 8, 9, 30, 60, 150, 199, 210, 255, 400]))
)


def show_number(number: Any) -> str:
    return repr(number)


def wkt(shape: Any) -> str:
    opening, levels = "", 0
    while shape[0] == "GeometryCollection" and len(shape[1]) == 1:
        opening, levels, shape = opening + "GEOMETRYCOLLECTION(", levels + 1, shape[1][0]
    kind, parts = shape
    if kind == "GeometryCollection":
        body = "(" + ",".join(map(wkt, parts)) + ")" if parts else " EMPTY"
    else:
        body = wkt_list(parts, kind == "Point")
    return opening + kind.upper() + body + ")" * levels


def wkt_list(node: Any, single: bool = False) -> str:
    if isinstance(node, tuple):
        written = " ".join(map(show_number, node))
        return f"({written})" if single else written
    return "(" + ",".join(map(wkt_list, node)) + ")" if node else " EMPTY"


def geojson(shape: Any) -> str:
    opening, levels = "", 0
    while shape[0] == "GeometryCollection" and len(shape[1]) == 1:
        opening, levels, shape = opening + '{"type":"GeometryCollection","geometries":[', levels + 1, shape[1][0]
    kind, parts = shape
    if kind == "GeometryCollection":
        body = '{"type":"GeometryCollection","geometries":[' + ",".join(map(geojson, parts)) + "]}"
    else:
        body = json.dumps({"type": kind, "coordinates": parts})
    return opening + body + "]}" * levels


# -- conditions, each as text and as JSON ---------------------------------------------------------------------------

type Drawn = tuple[str, str]


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def call(name: str, *args: Drawn) -> Drawn:
    return f"{name}({', '.join(text for text, _ in args)})", operator(name, *args)


def operator(name: str, *args: Drawn) -> str:
    return '{"op":' + json.dumps(name) + ',"args":[' + ",".join(written for _, written in args) + "]}"


def infix(sign: str, left: Drawn, right: Drawn) -> Drawn:
    return f"({left[0]} {sign} {right[0]})", operator(sign.lower(), left, right)


def properties_of(*names: str) -> st.SearchStrategy[Drawn]:
    return st.sampled_from(names).map(lambda name: (name, json.dumps({"property": name})))


properties = properties_of(*NAMES)
number_literals = numbers.map(lambda number: (show_number(number), json.dumps(number)))
text_literals = odd.map(lambda text: (quote(text), json.dumps(text)))
time_literals = st.one_of(
    dates.map(lambda text: (f"DATE({quote(text)})", json.dumps({"date": text}))),
    moments.map(lambda text: (f"TIMESTAMP({quote(text)})", json.dumps({"timestamp": text}))),
)
truths = st.booleans().map(lambda truth: (str(truth).upper(), json.dumps(truth)))
literals = st.one_of(number_literals, text_literals, truths, time_literals)
text_times = times.map(lambda text: (quote(text), json.dumps(text)))
time_fields = properties_of("day", "seen", "left")
intervals = st.tuples(
    st.one_of(text_times, properties),
    st.one_of(text_times, properties),
).map(lambda ends: (f"INTERVAL({ends[0][0]},{ends[1][0]})", f'{{"interval":[{ends[0][1]},{ends[1][1]}]}}'))
boxes = st.lists(ordinate, min_size=3, max_size=6).map(
    lambda numbers: (f"BBOX({','.join(map(show_number, numbers))})", json.dumps({"bbox": numbers}))
)
areas = st.one_of(
    st.lists(number_literals, min_size=2, max_size=4).map(lambda numbers: call("circle", *numbers)),
    st.tuples(st.one_of(text_literals, properties), number_literals).map(lambda pair: call("feature", *pair)),
)
geometries = st.one_of(hostile_shapes.map(lambda shape: (wkt(shape), geojson(shape))), boxes, areas)
values = st.recursive(
    st.one_of(properties, literals),
    lambda inner: st.one_of(
        st.builds(infix, st.sampled_from(["+", "-", "*", "/", "%", "div", "^"]), inner, inner),
        st.builds(call, st.sampled_from(["casei", "accenti"]), inner),
    ),
    max_leaves=4,
)


@st.composite
def some_value(draw: st.DrawFn) -> Drawn:
    """`values` by a short name: hypothesis writes out what a strategy is made of, however long."""
    return draw(values)


@st.composite
def some_number(draw: st.DrawFn) -> Drawn:
    return draw(
        st.recursive(
            st.one_of(properties_of("n", "x", "y"), number_literals),
            lambda inner: st.builds(infix, st.sampled_from(["+", "-", "*", "/", "%", "div", "^"]), inner, inner),
            max_leaves=4,
        )
    )


@st.composite
def some_text(draw: st.DrawFn) -> Drawn:
    found = draw(st.one_of(properties_of("name", "kind"), text_literals))
    for name in draw(st.lists(st.sampled_from(["casei", "accenti"]), max_size=2)):
        found = call(name, found)
    return found


@st.composite
def some_time(draw: st.DrawFn) -> Drawn:
    return draw(st.one_of(time_fields, time_literals, text_times))


GEOMETRY = ("geometry", '{"property":"geometry"}')
place = st.one_of(st.just(GEOMETRY), geometries)
near = st.one_of(
    st.tuples(st.floats(-28.7, -28.4), st.floats(45.1, 45.3)), st.tuples(st.floats(-180, 180), st.floats(-90, 90))
)
sound_geometries = st.one_of(
    st.tuples(st.just("Point"), near),
    st.tuples(st.just("LineString"), st.lists(near, min_size=2, max_size=4)),
    st.tuples(st.just("MultiPoint"), st.lists(near, min_size=1, max_size=4)),
    st.tuples(st.just("Polygon"), st.lists(st.lists(near, min_size=3, max_size=3).map(close), min_size=1, max_size=1)),
).map(lambda shape: (wkt(shape), geojson(shape)))


@st.composite
def some_interval(draw: st.DrawFn) -> Drawn:
    ends = [draw(st.one_of(time_fields, st.sampled_from([(quote(".."), '".."')]), text_times)) for _ in range(2)]
    return f"INTERVAL({ends[0][0]},{ends[1][0]})", f'{{"interval":[{ends[0][1]},{ends[1][1]}]}}'


sound = st.one_of(
    st.builds(infix, st.sampled_from(COMPARISONS), some_number(), some_number()),
    st.builds(infix, st.sampled_from(COMPARISONS), some_number(), some_number()),
    st.builds(infix, st.sampled_from([*COMPARISONS, "LIKE", "LIKE"]), some_text(), some_text()),
    st.builds(infix, st.sampled_from(COMPARISONS), time_fields, some_time()),
    st.builds(
        call,
        st.sampled_from(TEMPORAL),
        st.one_of(time_fields, some_interval()),
        st.one_of(some_time(), some_interval()),
    ),
    st.builds(call, st.sampled_from(SPATIAL), st.just(GEOMETRY), sound_geometries),
)
simple = st.one_of(
    st.builds(infix, st.sampled_from(COMPARISONS), some_value(), some_value()),
    st.builds(infix, st.just("LIKE"), some_value(), some_value()),
    st.builds(lambda value: (f"{value[0]} IS NULL", operator("isNull", value)), some_value()),
    st.builds(
        lambda value, items: (
            f"{value[0]} IN ({','.join(text for text, _ in items)})",
            operator("in", value, ("", "[" + ",".join(written for _, written in items) + "]")),
        ),
        some_value(),
        st.lists(some_value(), min_size=1, max_size=4),
    ),
    st.builds(
        lambda a, b, c: (f"{a[0]} BETWEEN {b[0]} AND {c[0]}", operator("between", a, b, c)),
        some_value(),
        some_value(),
        some_value(),
    ),
    st.builds(
        call,
        st.sampled_from(TEMPORAL),
        st.one_of(properties, literals, intervals),
        st.one_of(properties, literals, intervals),
    ),
    st.builds(call, st.sampled_from(SPATIAL), place, geometries),
    st.builds(call, st.sampled_from(SPATIAL), place, place),
)


@st.composite
def some_condition(draw: st.DrawFn) -> Drawn:
    return draw(st.one_of(sound, sound, sound, simple))


conditions = st.recursive(
    some_condition(),
    lambda inner: st.one_of(
        st.builds(infix, st.sampled_from(["AND", "OR"]), inner, inner),
        inner.map(lambda one: (f"NOT ({one[0]})", operator("not", one))),
    ),
    max_leaves=4,
)


def mutilate(text: str, at: int, size: int, other: str) -> str:
    at %= len(text) + 1
    return text[:at] + other + text[at + size :]


filters = st.one_of(
    conditions,
    conditions,
    st.builds(
        lambda drawn, at, size, other: tuple(mutilate(text, at, size, other) for text in drawn),
        conditions,
        st.integers(0, 400),
        st.integers(0, 3),
        st.one_of(st.text(max_size=3), st.sampled_from(["(" * 60, "[" * 300, "NOT " * 60, "EMPTY", "\x00", "1e999"])),
    ),
)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, str | None]:
    text, written = draw(filters)
    language = draw(st.sampled_from(["cql2-text", "cql2-json", "cql-text"]))
    found: dict[str, str | None] = {"filter": written if language == "cql2-json" else text, "filter_lang": language}
    found["filter_crs"] = draw(st.sampled_from(CRS))
    if draw(st.integers(0, 9)) == 0:
        found["bbox"] = ",".join(map(show_number, draw(st.lists(ordinate, min_size=4, max_size=6))))
        found["bbox_crs"] = draw(st.sampled_from(CRS))
    if draw(st.integers(0, 9)) == 0:
        found["datetime"] = "/".join(draw(st.lists(times, min_size=1, max_size=2)))
    return found
