"""A frozen folder answers the page as the server does that made it: the same documents, or a refusal in words."""

from __future__ import annotations

import base64
import json
import math
import os
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from frozen_folders import freeze, open_server
from mapbox_vector_tile import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi.testclient import TestClient

ASK = Path(__file__).parents[2] / "web" / "scripts" / "ask-frozen.mjs"
LAYERS = ("crime", "bike-paths", "trees", "districts", "sewage-sampling")
QUESTIONS = 150
LIVE = {"version", "links", "timeStamp", "layer"}  # what only the living server tells

type Answer = tuple[int, Any]


class Folder:
    """The page's side of a frozen map, run by node over a folder."""

    def __init__(self, folder: Path) -> None:
        command = ["node", "--disable-warning=ExperimentalWarning", "--conditions=browser", str(ASK), str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ASK.parent, env=dict(os.environ)
        )
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.details: dict[str, dict[str, Any]] = self.manifest["languages"]["en"]["details"]

    def _say(self, line: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, address: str) -> Answer:
        answer = self._say(address)
        return answer["status"], answer["body"]

    def tile(self, layer: str, place: str, query: str = "") -> dict[str, Any]:
        body = base64.b64decode(self._say(f"frozen://x/{layer}/{place}{query}")["tile"])
        return decode(body, default_options={"y_coord_down": True}) if body else {}

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout
        self._process.stdout.close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frozen-answers")


@pytest.fixture(scope="module")
def server(workspace: Path, city_database: str) -> Iterator[TestClient]:
    with open_server(workspace, city_database) as running:
        yield running


@pytest.fixture(scope="module")
def folder(server: TestClient, workspace: Path) -> Iterator[Folder]:
    opened = Folder(freeze(server, workspace, f"?layers={','.join(LAYERS)}", "All of it"))
    yield opened
    opened.close()


class Draw:
    """Filters and questions drawn at random, each time the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def condition(self, detail: dict[str, Any], depth: int = 0) -> str:
        draw = self._random.random()
        if depth > 2 or draw < 0.5:
            return self.clause(detail)
        one, other = (self.condition(detail, depth + 1) for _ in "12")
        return f"{one} AND {other}" if draw < 0.75 else f"({one} OR {other})" if draw < 0.9 else f"NOT ({one})"

    def clause(self, detail: dict[str, Any]) -> str:
        field = self._random.choice(detail["fields"])
        draw = self._random.random()
        if draw < 0.08:
            return f"{field['name']} IS {self._random.choice(['', 'NOT '])}NULL"
        if draw < 0.2:
            return f"S_INTERSECTS(geometry,{self.area(detail['bounds'])})"
        kinds: dict[str, Callable[[dict[str, Any]], str]] = {"text": self.text, "integer": self.number}
        kinds |= {"number": self.number, "boolean": self.truth, "date": self.time, "timestamp": self.time}
        return kinds[field["type"]](field)

    def text(self, field: dict[str, Any]) -> str:
        name, pick = field["name"], self._random.choice
        known = [choice["value"] for choice in field.get("choices", []) if choice["value"] is not None]
        if known and self._random.random() < 0.6:
            some = self._random.sample(known, min(len(known), 3))
            listed = ",".join("'" + value.replace("'", "''") + "'" for value in some)
            return f"({name} {pick(['', 'NOT '])}IN ({listed}) OR {name} IS NULL)"
        word, fold = pick(["a", "Á", "sé", "0001", "%", "é e", "STREET", "ße", "2021-00", "\\%"]), pick(["CASEI", ""])
        pattern = pick([f"%{word}%", f"{word}%", f"%{word}", f"_%{word}_%"])
        if fold:
            return f"{fold}({name}) LIKE {fold}('{pattern}')"
        return pick([f"{name} LIKE '{pattern}'", f"{name} >= '{word}'", f"{name} <> '{word}'"])

    def number(self, field: dict[str, Any]) -> str:
        name, low, high = field["name"], field.get("min") or 0, field.get("max") or 100
        value = round(self._random.uniform(low, high), 1)
        value = int(value) if field["type"] == "integer" else value
        forms = [">= {v}", "< {v}", "BETWEEN {v} AND {w}", "IN ({v},{w})", "= {v}", "<> {v}", "<= {w}"]
        return f"{name} " + self._random.choice(forms).format(v=value, w=value + 10)

    def truth(self, field: dict[str, Any]) -> str:
        return self._random.choice(["{n} = TRUE", "{n}", "NOT {n}", "{n} IN (TRUE,FALSE)"]).format(n=field["name"])

    def time(self, field: dict[str, Any]) -> str:
        day = f"{self._random.randint(1995, 2026)}-{self._random.randint(1, 12):02d}-{self._random.randint(1, 28):02d}"
        forms = [
            f"DATE('{day}')",
            f"TIMESTAMP('{day}T00:00:00Z')",
            f"TIMESTAMP('{day}T12:00:00+02:00')",
            f"'{day[:7]}'",
        ]
        return f"{field['name']} {self._random.choice(['>=', '<', '<=', '>', '=', '<>'])} {self._random.choice(forms)}"

    def area(self, bounds: list[float]) -> str:
        west, south, east, north = bounds
        places = [
            (round(self._random.uniform(west, east), 6), round(self._random.uniform(south, north), 6)) for _ in "12"
        ]
        (x, y), (u, v) = places
        draw = self._random.random()
        if draw < 0.3:
            return f"BBOX({min(x, u)},{min(y, v)},{max(x, u)},{max(y, v)})"
        if draw < 0.6:
            return f"CIRCLE({x},{y},{self._random.choice([100, 1234.5, 20_000])})"
        angles = sorted(self._random.uniform(0, 2 * math.pi) for _ in range(self._random.randint(3, 9)))
        reach = [self._random.uniform(0.005, 0.04) for _ in angles]
        ring = [
            f"{x + far * math.cos(angle):.6f} {y + far * math.sin(angle):.6f}"
            for far, angle in zip(reach, angles, strict=True)
        ]
        return f"POLYGON(({','.join([*ring, ring[0]])}))"

    def group(self, field: dict[str, Any]) -> str:
        times = ["", ":auto", ":month", ":year", ":week", ":day", ":quarter", ":weekday", ":month-of-year", ":decade"]
        numbers = ["", ":7", ":auto", ":1", ":100"]
        ways = {"date": times, "timestamp": times, "integer": numbers, "number": numbers}
        return field["name"] + self._random.choice(ways.get(field["type"], [""]))

    def question(self, layer: str, detail: dict[str, Any]) -> str:
        fields, pick = detail["fields"], self._random.choice
        asked = f"filter={quote(self.condition(detail), safe='')}&" if self._random.random() < 0.95 else ""
        some = self._random.sample(fields, self._random.randint(1, min(3, len(fields))))
        sort = ",".join(pick(["", "-"]) + field["name"] for field in some)
        draw = self._random.random()
        if draw < 0.4:
            return f"api/layers/{layer}/summary?{asked}fields={','.join(field['name'] for field in some)}"
        if draw < 0.75:
            numbers = [field["name"] for field in fields if field["type"] in ("integer", "number")]
            measure = f"{pick(['sum', 'avg', 'min', 'max', 'median'])}:{pick(numbers)}" if numbers else "count"
            groups = ",".join(self.group(field) for field in some[:2])
            return f"api/layers/{layer}/aggregate?{asked}group={quote(groups)}&measure={measure}&lang=en&limit=7"
        if draw < 0.95:
            more = f"sortby={sort}&offset={pick([0, 7, 1000])}"
            return f"ogc/collections/{layer}/items?f=json&limit=20&skipGeometry=true&{asked}{more}"
        return f"api/layers/{layer}/rows/{self._random.randint(1, 99)}?{asked}sortby={sort}"


def strip(body: Any) -> Any:
    """Without what only the living server tells."""
    if isinstance(body, list):
        return [strip(part) for part in body]
    if isinstance(body, dict):
        return {name: strip(part) for name, part in body.items() if name not in LIVE}
    return body


def agree(one: Any, other: Any) -> bool:
    """Sums of parts of numbers depend on the order in which they are added, in the last digits."""
    if isinstance(one, bool) or isinstance(other, bool) or isinstance(one, str):
        return bool(one == other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(agree(one[name], other[name]) for name in one)
    return bool(one == other)


@pytest.mark.slow
def test_questions_drawn_at_random_have_the_servers_answers(folder: Folder, server: TestClient) -> None:
    draw = Draw(7)
    answered = 0
    for number in range(QUESTIONS):
        layer = LAYERS[number % len(LAYERS)]
        address = draw.question(layer, folder.details[layer])
        (ours, body), theirs = folder.ask(address), server.get(f"/{address}")
        assert ours == theirs.status_code, (address, body, theirs.text[:500])
        if ours == 200:
            answered += 1
            assert agree(strip(body), strip(theirs.json())), (address, body, theirs.json())
    assert answered > QUESTIONS * 0.9


@pytest.mark.parametrize(
    "condition",
    [
        "category = 'theft' AND value * 2 > 3",
        "T_DURING(reported_at,INTERVAL('2024-01-01','2024-02-01'))",
        "S_WITHIN(geometry,BBOX(-29,45,-28,46))",
        "S_INTERSECTS(geometry,FEATURE('buildings',1))",
        "S_INTERSECTS(geometry,POLYGON((-28.6 45.2,-28.5 45.3,-28.5 45.2,-28.6 45.3,-28.6 45.2)))",
        "nothing = 1",
        "category = 'theft",
        "category",
    ],
)
def test_what_cannot_be_looked_up_is_refused_in_words(folder: Folder, condition: str) -> None:
    status, problem = folder.ask(f"api/layers/crime/summary?filter={quote(condition, safe='')}&fields=")
    assert status == 400
    assert problem["parameter"] == "filter"
    assert len(problem["detail"]) > 30


def test_an_area_that_is_a_feature_of_the_folder_is_looked_into(folder: Folder, server: TestClient) -> None:
    for fid in (1, 7, 20):
        asked = f"filter={quote(f"S_INTERSECTS(geometry,FEATURE('districts',{fid}))", safe='')}&fields="
        for layer in ("crime", "bike-paths", "districts"):
            address = f"api/layers/{layer}/summary?{asked}"
            assert folder.ask(address)[1]["count"] == server.get(f"/{address}").json()["count"], (layer, fid)


def test_tiles_of_what_a_filter_leaves_are_those_of_the_server(folder: Folder, server: TestClient) -> None:
    few, many = "category='robbery' AND district='Ansodi'", "reported_at >= DATE('2022-01-01')"
    drawn: set[str] = set()
    for condition in (few, many):
        asked = f"?filter={quote(condition, safe='')}"
        mine, theirs = (folder.ask(f"tiles/crime.json{asked}")[1], server.get(f"/tiles/crime.json{asked}").json())
        start, plan = mine["features_from"], theirs["features_from"]
        assert (start == 0) == (plan == 0)
        for place in ("9/215/183", "11/861/735", "12/1722/1470"):
            own = folder.tile("crime", place, f"{asked}&features-from={start}")
            answer = server.get(f"/tiles/crime/{place}.mvt{asked}&features-from={plan}")
            other = decode(answer.content, default_options={"y_coord_down": True}) if answer.content else {}
            assert own.keys() == other.keys(), (condition, place)
            drawn |= set(own)
            for name, part in own.items():
                assert part["extent"] == other[name]["extent"]
                assert sorted(map(describe, part["features"])) == sorted(map(describe, other[name]["features"]))
    assert drawn == {"crime", "crime:bins"}


def describe(feature: dict[str, Any]) -> str:
    """What it says and where it is, to a step of the tile's grid, whichever corner a ring begins with."""
    places = json.dumps(feature["geometry"]["coordinates"])
    numbers = [round(float(part)) for part in "".join(c if c in "-.0123456789" else " " for c in places).split()]
    middle = [min(numbers[0::2]), max(numbers[0::2]), min(numbers[1::2]), max(numbers[1::2])]
    steps = middle if "count" in feature["properties"] else [value // 4 for value in middle]
    return json.dumps([feature.get("id", 0), sorted(feature["properties"].items()), steps])
