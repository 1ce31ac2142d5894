"""What can be proved without a database: layer files, licences, styles and sources against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver import assets
from geoserver.catalog import layer_folders, read_catalog, source_path, styled_fields
from geoserver.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from geoserver.catalog import Catalog
    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["check_files"]


def check_files(settings: Settings) -> list[CatalogError]:
    """Every problem in layers/, styles/ and sources; each names file, key and what was expected."""
    catalog = read_catalog(settings)
    found = list(catalog.problems)
    if not catalog.layers and not found:
        folders = " or ".join(str(folder) for folder in layer_folders(settings))
        found.append(CatalogError(folders, "", "at least one layer file (docs/add-a-layer.md)"))
    for layer in catalog.layers.values():
        found.extend(_check_sources(layer))
    for path in _style_files(settings):
        if (style := catalog.styles.get(path.stem)) is not None:
            found.extend(_check_style(path, style, catalog))
    return found


def _check_sources(layer: Layer) -> Iterator[CatalogError]:
    sources = {"source": layer.source} | ({"readings.source": layer.readings.source} if layer.readings else {})
    for key, source in sources.items():
        if _is_file(source) and not source_path(layer, source).is_file():
            yield CatalogError(str(layer.file), key, f"a file; there is none at {source_path(layer, source)}")


def _is_file(source: str) -> bool:
    """Not an address, and not a table `schema.table`, which has neither folder nor a known ending."""
    return "://" not in source and ("/" in source or source.count(".") != 1 or _has_ending(source))


def _has_ending(source: str) -> bool:
    return source.rpartition(".")[2].lower() in {
        "csv", "fgb", "geojson", "geojsonl", "geojsons", "gml", "gpkg", "gpx", "gz", "json", "jsonl", "kml", "kmz",
        "ndjson", "parquet", "shp", "tsv", "txt", "xlsx", "zip",
    }  # fmt: skip


def _style_files(settings: Settings) -> list[Path]:
    """Style files that go with the layers in service: the workspace's, and ours where our sample city is served."""
    folders = [settings.workspace / "styles"]
    if assets.root("layers").resolve() in layer_folders(settings):
        folders.append(assets.root("styles"))
    return list({path.resolve(): path for folder in folders for path in sorted(folder.glob("*.json"))}.values())


def _check_style(path: Path, style: Mapping[str, Any], catalog: Catalog) -> Iterator[CatalogError]:
    """A style draws layers that there are, from sources that it has, by fields that they declare."""
    for drawn in style["layers"]:
        key = f"layers.{drawn.get('id', '?')}"
        if drawn.get("type") == "background":
            continue
        if drawn.get("source") not in style.get("sources", {}):
            yield CatalogError(str(path), f"{key}.source", f"a source of this style; got {drawn.get('source')!r}")
        name = drawn.get("source-layer")
        if name is not None and name not in catalog.layers:
            yield CatalogError(str(path), f"{key}.source-layer", f"a layer in layers/; got {name!r}")
    names = {drawn.get("source-layer") for drawn in style["layers"]} & catalog.layers.keys()
    for name in sorted(names):
        for field in sorted(styled_fields(style, name) - catalog.layers[name].fields.keys()):
            yield CatalogError(str(path), "layers", f"fields that {name} declares; got {field!r}")
