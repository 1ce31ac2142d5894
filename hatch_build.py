"""Puts layers, recipes, styles, samples and the built viewer into the wheel; an editable install reads the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = {
    "layers": "layers",
    "tiles": "tiles",
    "styles": "styles",
    "data-samples": "data-samples",
    "city.toml": "city.toml",
    "web/dist": "web",
    "web/src/messages": "messages",
    "web/src/dress": "dress",
}


class AssetsHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # a copy would grow stale, and the viewer may not have been built yet
        for source, kind in ASSETS.items():
            if not (Path(self.root) / source).exists():
                raise RuntimeError(f"{source} is missing" + ("; run `make web` first" if kind == "web" else ""))
            build_data["force_include"][source] = f"geoserver/_assets/{kind}"
