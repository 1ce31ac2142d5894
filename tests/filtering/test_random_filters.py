"""Random filters, each drawn as CQL2 text, as CQL2 JSON and as a Python function: all three select the same rows."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from .conftest import Row, Zoo

SIGNS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
START = datetime(2024, 1, 1, tzinfo=UTC)
TEXTS = ["oak", "Oak", "it's", 'a"b', "straße", "élan", "50%", "a_b", "a\\b", "", "x'; --", "東京", "nothing like it"]
PATTERNS = ["%", "o%", "%a%", "_ak", "%\\%", "a\\_b", "a_b", "%'%", "", "é%", "東_"]


@dataclass(frozen=True)
class Drawn:
    """One condition in three languages; `test` gives True, False or None (unknown), as SQL does."""

    text: str
    json: Any
    test: Callable[[Row], bool | None]


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def op(name: str, *args: Any) -> dict[str, Any]:
    return {"op": name, "args": list(args)}


def prop(name: str) -> dict[str, str]:
    return {"property": name}


def known(name: str, test: Callable[[Any], bool]) -> Callable[[Row], bool | None]:
    """A test of one value that is unknown where the value is missing."""
    return lambda row: None if row[name] is None else test(row[name])


def instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


names = st.sampled_from(["name", '"name"'])
signs = st.sampled_from(sorted(SIGNS))
moments = st.integers(0, 20).map(lambda half_days: START + timedelta(hours=12 * half_days))
days = st.integers(-1, 11).map(lambda number: date(2024, 1, 1) + timedelta(days=number))


@st.composite
def text_comparisons(draw: st.DrawFn) -> Drawn:
    name, value, sign = draw(names), draw(st.sampled_from(TEXTS)), draw(st.sampled_from(["=", "<>"]))
    if draw(st.booleans()):
        test = known("name", lambda found: SIGNS[sign](found.casefold(), value.casefold()))
        return Drawn(
            f"CASEI({name}) {sign} casei({quote(value)})",
            op(sign, op("casei", prop("name")), op("casei", value)),
            test,
        )
    test = known("name", lambda found: SIGNS[sign](found, value))
    if draw(st.booleans()):
        return Drawn(f"{quote(value)} {sign} {name}", op(sign, value, prop("name")), test)
    return Drawn(f"{name} {sign} {quote(value)}", op(sign, prop("name"), value), test)


@st.composite
def number_comparisons(draw: st.DrawFn) -> Drawn:
    name, sign = draw(st.sampled_from(["n", "height"])), draw(signs)
    value = draw(st.sampled_from([-5, -1, 0, 1, 2.5, 0.1, 0.30000000000000004, 1000000000, 99999999999999999999]))
    written = "99999999999999999999" if value == 99999999999999999999 else repr(value)
    return Drawn(f"{name}{sign}{written}", op(sign, prop(name), value), known(name, lambda v: SIGNS[sign](v, value)))


@st.composite
def sums(draw: st.DrawFn) -> Drawn:
    sign, a, b = draw(signs), draw(st.integers(-3, 3)), draw(st.integers(-9, 9))
    tree = op(sign, op("+", op("*", prop("n"), a), 1), b)
    return Drawn(f"n * {a} + 1 {sign} {b}", tree, known("n", lambda n: SIGNS[sign](n * a + 1, b)))


@st.composite
def day_comparisons(draw: st.DrawFn) -> Drawn:
    """A whole day beside a moment: equal means within it, greater means after it."""
    name, sign, day = draw(st.sampled_from(["planted", "seen_at"])), draw(signs), draw(days)

    def test(value: date | datetime) -> bool:
        return SIGNS[sign](value.date() if isinstance(value, datetime) else value, day)

    return Drawn(f"{name} {sign} DATE('{day}')", op(sign, prop(name), {"date": str(day)}), known(name, test))


@st.composite
def time_comparisons(draw: st.DrawFn) -> Drawn:
    sign, moment = draw(signs), draw(moments)
    written = instant(moment)
    test = known("seen_at", lambda value: SIGNS[sign](value, moment))
    form = draw(st.sampled_from(["TIMESTAMP('{}')", "'{}'"]))
    return Drawn(f"seen_at {sign} {form.format(written)}", op(sign, prop("seen_at"), {"timestamp": written}), test)


@st.composite
def two_fields(draw: st.DrawFn) -> Drawn:
    sign = draw(signs)

    def test(row: Row) -> bool | None:
        seen, left = row["seen_at"], row["left_at"]
        return None if seen is None or left is None else SIGNS[sign](seen, left)

    return Drawn(f"seen_at {sign} left_at", op(sign, prop("seen_at"), prop("left_at")), test)


@st.composite
def temporal(draw: st.DrawFn) -> Drawn:
    low, high = sorted([draw(moments), draw(moments)])
    low_end, high_end = draw(st.sampled_from([low, None])), draw(st.sampled_from([high, None]))
    ends = [instant(end) if end else ".." for end in (low_end, high_end)]
    name = draw(st.sampled_from(["T_INTERSECTS", "t_during", "T_DISJOINT", "T_AFTER", "T_BEFORE"]))

    def test(value: datetime) -> bool:
        after = high_end is not None and value > high_end
        before = low_end is not None and value < low_end
        inside = (low_end is None or value > low_end) and (high_end is None or value < high_end)
        answers = {"t_intersects": not after and not before, "t_disjoint": after or before, "t_after": after}
        return (answers | {"t_before": before, "t_during": inside})[name.lower()]

    return Drawn(
        f"{name}(seen_at, INTERVAL('{ends[0]}', '{ends[1]}'))",
        op(name.lower(), prop("seen_at"), {"interval": ends}),
        known("seen_at", test),
    )


@st.composite
def betweens(draw: st.DrawFn) -> Drawn:
    low, high, negated = draw(st.integers(-5, 5)), draw(st.integers(-5, 5)), draw(st.booleans())
    tree = op("between", prop("n"), low, high)
    test = known("n", lambda n: (low <= n <= high) != negated)
    return Drawn(f"n {'NOT ' * negated}BETWEEN {low} AND {high}", op("not", tree) if negated else tree, test)


@st.composite
def memberships(draw: st.DrawFn) -> Drawn:
    name, pool = draw(st.sampled_from([("name", TEXTS), ("n", [-5, 0, 1, 2, 3]), ("height", [0.1, 2.5, 1])]))
    values = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))
    negated = draw(st.booleans())
    written = ", ".join(quote(value) if isinstance(value, str) else repr(value) for value in values)
    tree = op("in", prop(name), values)
    test = known(name, lambda value: (value in values) != negated)
    return Drawn(f"{name} {'not ' * negated}IN ({written})", op("not", tree) if negated else tree, test)


@st.composite
def likes(draw: st.DrawFn) -> Drawn:
    pattern, negated, folded = draw(st.sampled_from(PATTERNS)), draw(st.booleans()), draw(st.booleans())
    parts = re.findall(r"\\.|.", pattern.casefold() if folded else pattern)
    wild = {"%": ".*", "_": "."}
    regex = re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)
    target = str.casefold if folded else (lambda value: value)
    test = known("name", lambda value: bool(regex.fullmatch(target(value))) != negated)
    if folded:
        tree = op("like", op("casei", prop("name")), op("casei", pattern))
        text = f'casei("name") {"NOT " * negated}LIKE casei({quote(pattern)})'
    else:
        tree, text = op("like", prop("name"), pattern), f"name {'NOT ' * negated}like {quote(pattern)}"
    return Drawn(text, op("not", tree) if negated else tree, test)


@st.composite
def missing(draw: st.DrawFn) -> Drawn:
    name, negated = draw(st.sampled_from(["name", "n", "lit", "seen_at", "planted"])), draw(st.booleans())
    tree = op("isNull", prop(name))
    return Drawn(
        f"{name} IS {'NOT ' * negated}NULL",
        op("not", tree) if negated else tree,
        lambda row: (row[name] is None) != negated,
    )


@st.composite
def truths(draw: st.DrawFn) -> Drawn:
    if draw(st.booleans()):
        return Drawn("lit", prop("lit"), lambda row: row["lit"])
    value = draw(st.booleans())
    return Drawn(f"lit = {str(value).upper()}", op("=", prop("lit"), value), known("lit", lambda lit: lit == value))


@st.composite
def places(draw: st.DrawFn) -> Drawn:
    west, south = -28.7 + draw(st.integers(-2, 18)) / 100, 45.1 + draw(st.integers(-2, 18)) / 100
    east, north = west + draw(st.integers(1, 10)) / 100, south + draw(st.integers(1, 10)) / 100
    name = draw(st.sampled_from(["S_INTERSECTS", "s_within", "S_DISJOINT"]))
    kind = draw(st.sampled_from(["bbox", "triangle"]))
    shape = shapely.box(west, south, east, north)
    if kind == "triangle":
        shape = shapely.Polygon([(west, south), (east, south), (east, north), (west, south)])
    written = f"BBOX({west!r},{south!r},{east!r},{north!r})" if kind == "bbox" else shapely.to_wkt(shape, -1)
    value = {"bbox": [west, south, east, north]} if kind == "bbox" else json.loads(shapely.to_geojson(shape))
    compare = {"s_intersects": shapely.intersects, "s_within": shapely.within, "s_disjoint": shapely.disjoint}

    def test(row: Row) -> bool:
        return bool(compare[name.lower()](shapely.Point(row["x"], row["y"]), shape))

    geometry = draw(st.sampled_from(["geometry", "geom", '"geometry"']))
    return Drawn(f"{name}({geometry}, {written})", op(name.lower(), prop("geometry"), value), test)


def conjunction(answers: list[bool | None]) -> bool | None:
    return False if False in answers else None if None in answers else True


def joined(name: str, parts: list[Drawn]) -> Drawn:
    def test(row: Row) -> bool | None:
        answers = [part.test(row) for part in parts]
        if name == "and":
            return conjunction(answers)
        opposite = conjunction([None if answer is None else not answer for answer in answers])
        return None if opposite is None else not opposite

    # No more brackets than needed: the parser has to know that AND binds more strongly than OR.
    written = [
        f"({part.text})" if isinstance(part.json, dict) and part.json.get("op") == "or" else part.text for part in parts
    ]
    return Drawn(f" {name.upper()} ".join(written), op(name, *(part.json for part in parts)), test)


def negated(part: Drawn) -> Drawn:
    def test(row: Row) -> bool | None:
        answer = part.test(row)
        return None if answer is None else not answer

    return Drawn(f"NOT ({part.text})", op("not", part.json), test)


simple = st.one_of(
    text_comparisons(),
    number_comparisons(),
    sums(),
    day_comparisons(),
    time_comparisons(),
    two_fields(),
    temporal(),
    betweens(),
    memberships(),
    likes(),
    missing(),
    truths(),
    places(),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(negated),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=conditions)
def test_text_json_and_python_select_the_same_rows(zoo: Zoo, drawn: Drawn) -> None:
    expected = zoo.those(drawn.test)
    assert zoo.ids(filter=drawn.text) == expected
    assert zoo.ids(filter=json.dumps(drawn.json), filter_lang="cql2-json") == expected


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(simple, min_size=2, max_size=4), order=st.randoms(use_true_random=False))
def test_the_order_of_operands_and_spacing_leave_the_canonical_form_alone(
    zoo: Zoo, parts: list[Drawn], order: Any
) -> None:
    shuffled = parts[:]
    order.shuffle(shuffled)
    one = " AND ".join(f"({part.text})" for part in parts)
    other = "\n and ".join(f"( {part.text}\t)" for part in shuffled)
    first, second = zoo.build(filter=one), zoo.build(filter=other)
    assert first.canonical == second.canonical
    assert first.params == second.params
    assert first.sql == second.sql
