"""Expressions that a schema says are proved as MapLibre would: the same operators, the same verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from geoserver import styling
from geoserver.catalog import read_catalog
from geoserver.settings import Settings
from geoserver.styling.valid import OPERATORS, find_faults

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT / "web/node_modules/@maplibre/maplibre-gl-style-spec/src/reference/v8.json"
built = pytest.mark.skipif(
    not SPECIFICATION.is_file(), reason="the viewer's packages are not there: npm --prefix web ci"
)

GOOD: list[Any] = [
    ["get", "class"],
    ["match", ["get", "class"], ["a", "b"], "x", "c", "y", "z"],
    ["match", ["get", "n"], 1, "x", [2, 3], "y", "z"],
    ["case", ["has", "a"], 1, ["!=", ["get", "b"], "c"], 2, 3],
    ["step", ["zoom"], 1, 14.5, 2, 16, 3],
    ["interpolate", ["exponential", 1.6], ["zoom"], 9, 0.5, 12, ["match", ["get", "a"], "b", 1, 2]],
    ["coalesce", ["get", "a"], ["literal", ["x", "y"]]],
    ["-", 18, ["to-number", ["get", "a"]]],
    ["in", "a", ["get", "b"]],
    ["any", ["==", ["geometry-type"], "Point"], [">", ["get", "n"], 3]],
    ["format", ["get", "a"], {}, "\n", {}, ["get", "b"], {"font-scale": 0.8}],
    ["let", "x", ["get", "a"], ["concat", ["var", "x"], "!"]],
]
BAD: list[tuple[Any, str]] = [
    (["gte", ["get", "a"]], "operator"),
    (["mach", ["get", "a"], "b", 1, 2], "did you mean 'match'"),
    (["get"], "1 to 2 behind 'get'; got 0"),
    (["match", ["get", "a"], "b", 1], "at least 4, and more in pairs behind 'match'"),
    (["match", ["get", "a"], "b", 1, "c", 2], "in pairs"),
    (["match", ["get", "a"], ["b", "b"], 1, 2], "each label"),
    (["match", ["get", "a"], ["b", 3], 1, 2], "all texts or all numbers"),
    (["match", ["get", "a"], True, 1, 2], "texts or whole numbers"),
    (["match", ["get", "a"], "b", ["nonsense", 1], 2], "operator"),
    (["case", ["has", "a"], 1], "at least 3"),
    (["step", ["zoom"], 1, 14, 2, 13, 3], "rise"),
    (["interpolate", ["linear"], ["zoom"], 9, 1, 9, 2], "rise"),
    (["interpolate", "linear", ["zoom"], 9, 1], "one of linear"),
    (["!", ["has", "a"], ["has", "b"]], "1 arguments behind '!'; got 2"),
    (["==", ["get", "a"]], "2 to 3"),
    (["rgb", 1, 2], "3 arguments"),
    (["all", ["has", ["gett", "x"]]], "operator"),
]
ASK = """
import { createExpression } from "@maplibre/maplibre-gl-style-spec";
const judge = (expression) => createExpression(["to-string", expression], "text-field").result === "error";
console.log(JSON.stringify(JSON.parse(process.argv.at(-1)).map(judge)));
"""


def count_arguments(overload: dict[str, Any]) -> tuple[int, int | None, int]:
    """As our table has it: fewest, most, and how many at a time."""
    names = overload["parameters"]
    if "..." in names:
        period = sum(name.rstrip("?").endswith("_1") for name in names[: names.index("...")])
        if names[0] == "input_1" and period == 2:
            return 1, None, 1  # `format`, whose second arguments may be left out
        return len(names) - 1 - period, None, period
    return sum(not name.endswith("?") for name in names), len(names), 1


@built
def test_the_table_of_operators_is_that_of_the_specification() -> None:
    found = {}
    for name, about in json.loads(SPECIFICATION.read_text())["expression_name"]["values"].items():
        counts = [count_arguments(overload) for overload in about["syntax"]["overloads"]]
        most = [count[1] for count in counts]
        found[name] = (min(c[0] for c in counts), None if None in most else max(m or 0 for m in most), counts[0][2])
    assert found == OPERATORS


@pytest.mark.parametrize("expression", GOOD, ids=str)
def test_an_expression_has_no_faults(expression: list[Any]) -> None:
    assert not list(find_faults(expression))


@pytest.mark.parametrize(("expression", "words"), BAD, ids=lambda item: str(item)[:40])
def test_what_is_none_is_told(expression: list[Any], words: str) -> None:
    faults = list(find_faults(expression))
    assert len(faults) == 1
    assert words in faults[0]


@built
def test_maplibre_judges_alike() -> None:
    everything = [*GOOD, *(expression for expression, _ in BAD)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", ASK, "--", json.dumps(everything)],
        cwd=ROOT / "web", env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [False] * len(GOOD) + [True] * len(BAD)


def test_our_schemas_are_good_and_a_bad_one_of_the_workspace_is_told(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path, database_url=None, samples=True)
    assert not [problem for problem in styling.check(read_catalog(settings)) if "schemas" in problem.file]
    (tmp_path / "styles" / "schemas").mkdir(parents=True)
    (tmp_path / "styles" / "schemas" / "mine.toml").write_text(
        'title = "Mine"\nlayers = ["a"]\n[[draw.streets]]\nlayer = "a"\nfilter = ["has", "a", "b", "c"]\n'
        'fields = { class = ["mach", ["get", "x"], 1, "primary", "path"], name = "Street" }\n'
    )
    told = [str(problem) for problem in styling.check(read_catalog(settings))]
    assert [line for line in told if "schemas/mine.toml" in line and "draw.streets.0.filter" in line]
    assert [line for line in told if "draw.streets.0.fields.class" in line and "did you mean 'match'" in line]
