"""A city of 277 small layers, as one that publishes everything has them: layer files over a few small tables.

`python -m benchmarks.many FOLDER` writes it as a workspace to look at: `geoserver demo --workspace FOLDER`.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from benchmarks.data import CENTRE, CITY

__all__ = ["NUMBER", "list_titles", "write_workspace"]

NUMBER = 277
_SEED = 8
_TABLES = 8
_ROWS = 240
_KINDS = ("open", "closed", "planned", "under repair")
# A theme, what its layers are called, and how many there are of them; those without a theme come last.
_THEMES = (
    ("Boundaries", "District {}", 26),
    ("Mobility", "Bus line {}", 42),
    ("Mobility", "Bicycle counts {}", 12),
    ("Safety", "Fire district {}", 18),
    ("Environment", "Árvores notáveis, zona {}", 20),
    ("Environment", "Noise map {}", 14),
    ("Education", "School catchment {}", 24),
    ("Health", "Pharmacies on duty {}", 16),
    ("Culture", "Walking tour {}", 15),
    ("Housing", "Building permits {}", 20),
    ("Economy", "Market stalls {}", 12),
    ("Energy", "Solar roofs {}", 12),
    ("Sport", "Sports grounds {}", 14),
    ("Water", "Flood level {}", 12),
    ("Administration", "Polling place {}", 10),
    ("", "Survey {}", 10),
)
_LAYER_FILE = """\
title = "{title}"
description = "{title}: generated for measuring, not real. Where they are, since when, and in which state."
{theme}keywords = ["{word}", "number {number}"]
license = "CC-BY-4.0"
attribution = "City of Antillia (fictional)"
source = "data/table-{table}.csv"
key = "code"
kind = "points"
label = "{{name}}"
time = "since"
noun = "place"
nouns = "places"

[fields.code]
type = "text"

[fields.name]
title = "Name"
type = "text"
filter = "search"

[fields.state]
title = "State"
description = "What it is like today."
type = "text"
filter = "choice"

[fields.since]
title = "Since"
type = "date"
filter = "range"

[fields.size]
title = "Size"
type = "number"
unit = "m²"
filter = "range"
"""


def list_titles() -> list[tuple[str, str]]:
    """Theme and title of each layer, in the order in which people count."""
    found = [(theme, title.format(number)) for theme, title, many in _THEMES for number in range(1, many + 1)]
    assert len(found) == NUMBER
    return found


def write_workspace(folder: Path) -> Path:
    """Layer files `layer-0.toml` to `layer-276.toml` over tables of 240 rows; what is there already stays."""
    for part in ("layers", "data"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(_SEED)
    for table in range(_TABLES):
        _write_table(folder / "data" / f"table-{table}.csv", random)
    for number, (theme, title) in enumerate(list_titles()):
        text = _LAYER_FILE.format(
            title=title,
            theme=f'theme = "{theme}"\n' if theme else "",
            word=title.split()[0].lower(),
            number=title.split()[-1],
            table=number % _TABLES,
        )
        path = folder / "layers" / f"layer-{number}.toml"
        if not path.is_file():
            path.write_text(text, encoding="utf-8")
    return folder


def _write_table(path: Path, random: np.random.Generator) -> None:
    places = random.normal(CENTRE, CITY, (_ROWS, 2)) * 1.0
    states = random.choice(_KINDS, _ROWS, p=(0.5, 0.25, 0.15, 0.1))
    days = np.datetime64("2015-01-01") + random.integers(0, 3_900, _ROWS)
    sizes = random.lognormal(4, 1, _ROWS).round(1)
    if path.is_file():
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "name", "state", "since", "size", "lon", "lat"])
        for number in range(_ROWS):
            lon, lat = places[number].round(6)
            writer.writerow(
                [f"C{number:04d}", f"Place {number + 1}", states[number], days[number], sizes[number], lon, lat]
            )


if __name__ == "__main__":
    print(write_workspace(Path(sys.argv[1])))
