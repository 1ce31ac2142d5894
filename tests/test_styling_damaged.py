"""Styles with a part that is not as it should be: they are refused by name, or drawn, and cost nobody an answer."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from geoserver import styling
from geoserver.catalog import read_catalog
from geoserver.catalog.styles import read_styles
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geoserver.catalog import Catalog

JUNK: list[Any] = [
    *(None, True, 0, -1, 1e308, "", "get", [], {}, [[]], ["get"], ["get", 3], ["match"], ["step"], ["case"], ["zoom"]),
    *(["interpolate"], ["interpolate", ["linear"], ["zoom"]], {"stops": []}, ["literal"], [None]),
    *(["==", ["get", "x"]], ["step", ["zoom"]], ["step", ["get", "count"], "#fff", 1]),
]


def test_a_style_that_is_wrong_anywhere_is_refused_or_drawn(city_settings: Settings, tmp_path: Path) -> None:
    catalog, draw = read_catalog(city_settings), random.Random(7)
    layers = [layer for layer in catalog.datasets() if layer.style]
    (tmp_path / "styles").mkdir()
    drawn = 0
    for _ in range(120):
        layer = draw.choice(layers)
        (tmp_path / "styles" / f"{layer.style}.json").write_text(json.dumps(damage(draw, catalog, layer.style)))
        problems: list[Any] = []
        styles = read_styles(tmp_path, problems)
        if not problems:
            drawn += 1
            draw_everything(replace(catalog, styles=styles), layer.id)
        (tmp_path / "styles" / f"{layer.style}.json").unlink()
    assert drawn > 50


def draw_everything(catalog: Catalog, layer_id: str) -> None:
    layer = catalog.layer(layer_id)
    for name in (layer.style, "light", "dark"):
        orjson.dumps(
            styling.build_style(catalog, {}, name, "http://127.0.0.1", [] if name == layer.style else [layer_id])
        )
    orjson.dumps(styling.build_legend(catalog, layer))
    list(styling.check(catalog))


def damage(draw: random.Random, catalog: Catalog, name: str) -> Any:
    style = copy.deepcopy(catalog.styles[name])
    for _ in range(draw.randint(1, 3)):
        path = draw.choice([path for path in list_paths(style) if path])
        place: Any = style
        for key in path[:-1]:
            place = place[key]
        if draw.random() < 0.2:
            del place[path[-1]]
        else:
            place[path[-1]] = copy.deepcopy(draw.choice(JUNK))
    return style


def list_paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, part in inside:
        yield from list_paths(part, (*path, key))
