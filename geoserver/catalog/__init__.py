"""The catalogue: `layers/*.toml` -> `Layer`, with the styles and recipes that they name, and `city.toml` -> `City`.

A broken file never takes the others down: what can be read is served, and every problem says file, key and expectation.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from geoserver import assets
from geoserver.catalog.access_file import check_access, find_access, name_grant, read_access
from geoserver.catalog.city_file import check_city, find_city, list_city_files, read_city
from geoserver.catalog.closing import close_broken
from geoserver.catalog.files import list_files, read_signature, sign
from geoserver.catalog.labels import list_fields
from geoserver.catalog.layer_file import read_layer
from geoserver.catalog.names import natural_key, near
from geoserver.catalog.rowless import read_kinds
from geoserver.catalog.schemas import FOLDER, Schema, read_schemas
from geoserver.catalog.styles import find_geometry, find_misread, keep_meant_styles, read_recipes, read_styles
from geoserver.errors import CatalogError, NotFoundError
from geoserver.model import ANY, BINS, City, Grant, Layer
from geoserver.settings import Settings

__all__ = [
    "Catalog",
    "LiveCatalog",
    "find_access",
    "find_city",
    "find_geometry",
    "layer_folders",
    "list_city_files",
    "name_grant",
    "read_catalog",
    "read_layer",
    "read_recipes",
    "read_signature",
    "source_path",
    "styled_fields",
]

log = logging.getLogger("geoserver")

_NOBODY = City()


@dataclass(frozen=True, slots=True)
class Catalog:
    """One consistent state of all files. `layers` is in display order; `styles` are MapLibre fragments by name."""

    layers: Mapping[str, Layer] = field(default_factory=dict)
    styles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    problems: tuple[CatalogError, ...] = ()
    city: City = field(default_factory=City)
    groups: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)  # of people who sign in; see access.toml
    access_file: Path | None = None

    def layer(self, layer_id: str) -> Layer:
        """The layer of that id; raises NotFoundError that lists the ones there are."""
        if (layer := self.layers.get(layer_id)) is None:
            raise NotFoundError(
                "layer", layer_id, f"one of {', '.join(self.layers)}{near(layer_id, list(self.layers))}"
            )
        return layer

    def grants_of(self, groups: Collection[str]) -> tuple[Grant, ...]:
        """What people in these groups may do, and what everybody may who has signed in (`*`)."""
        return tuple(grant for name, grants in self.groups.items() if name in groups or name == ANY for grant in grants)

    def datasets(self) -> list[Layer]:
        """The layers that people are shown as data: all but the basemap's."""
        return [layer for layer in self.layers.values() if not layer.basemap]


class LiveCatalog:
    """The catalogue that a running server uses: reloaded when files change, never worse than the last good state."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._folders = layer_folders(settings)
        self._read: dict[Path, tuple[object, Layer]] = {}  # layers by file, with its state when it was read
        self.current = read_catalog(settings, self._folders, self._read_layer)

    def _read_layer(self, path: Path) -> Layer:
        """The file's layer; it is read again when it has changed. Raises CatalogError."""
        state = sign(path)
        known = self._read.get(path)
        if known is None or known[0] != state:
            known = self._read[path] = (state, read_layer(path))
        return known[1]

    def _find_parsed(self, path: Path) -> Layer | None:
        """The layer in a file as it is now, where it could be read and only does not fit the other files."""
        known = self._read.get(path)
        return known[1] if known is not None and known[0] == sign(path) else None

    def reload(self) -> Catalog:
        """Read the files again, and serve what they say."""
        self.current = self.read()
        return self.current

    def read(self) -> Catalog:
        """What the files say by now; a layer whose file broke keeps its last good state and its problem is listed.

        Whoever keeps what was made of `current` must hear of it before anyone asks again: a server puts it there.
        """
        with self._lock:
            # A folder that is gone for a moment is waited for, and no other one read in its place.
            waiting = not all(folder.is_dir() for folder in self._folders)
            self._folders = self._folders if waiting else layer_folders(self._settings)
            fresh = read_catalog(self._settings, self._folders, self._read_layer, self.current.city)
            broken = {problem.file for problem in fresh.problems}
            kept = {
                layer.id: close_broken(layer, self._find_parsed(layer.file))
                for layer in self.current.layers.values()
                if layer.id not in fresh.layers and not broken.isdisjoint((str(layer.file), str(layer.file.parent)))
            }
            used = {layer.style for layer in kept.values()} | {layer.style for layer in fresh.layers.values()}
            bad_styles, bad_recipes = ({Path(f).stem for f in broken if f.endswith(end)} for end in (".json", ".sql"))
            styles = {
                name: style
                for name, style in self.current.styles.items()
                if name in bad_styles or (name in used and name not in fresh.styles)
            }
            # A layer goes on as it was loaded, so a recipe that was there stays, too.
            recipes = {
                name: text
                for name, text in self.current.recipes.items()
                if name in bad_recipes or name not in fresh.recipes
            }
            layers = {**fresh.layers, **{layer.id: _belong(layer, fresh.city) for layer in kept.values()}}
            # Of a layer that stayed the same the very object is kept, and with it what was made from it.
            known = self.current.layers
            layers = {key: known[key] if known.get(key) == layer else layer for key, layer in layers.items()}
            # So it is of what all layers share: what was made from it stays where only a layer's file is another.
            before, schemas = self.current, self._keep_schemas(broken)
            return replace(
                fresh,
                layers=_in_order(layers),
                styles=_same(before.styles, {**fresh.styles, **styles}),
                recipes=_same(before.recipes, {**fresh.recipes, **recipes}),
                schemas=_same(before.schemas, {**fresh.schemas, **schemas}),
                city=_same(before.city, fresh.city),
            )

    def _keep_schemas(self, broken: set[str]) -> dict[str, Schema]:
        """The last good state of schemas whose files broke."""
        names = {path.stem for path in map(Path, broken) if path.parent.name == FOLDER}
        return {name: schema for name, schema in self.current.schemas.items() if name in names}


def _same[T](before: T, now: T) -> T:
    """The object that there was, where the new one says the same."""
    return before if before == now else now


def layer_folders(settings: Settings) -> list[Path]:
    """Folders with layer files: the workspace's own; the sample city's when asked for or when there is no other."""
    own = (settings.workspace / "layers").resolve()
    samples = assets.root("layers").resolve()
    folders = [own] if own.is_dir() else []
    if (settings.samples or not folders) and samples not in folders:
        folders.append(samples)
    return folders


def read_catalog(
    settings: Settings,
    folders: Sequence[Path] | None = None,
    read: Callable[[Path], Layer] = read_layer,
    last_city: City = _NOBODY,
) -> Catalog:
    """Read all layer files, styles and recipes, and the city's file; what is broken lands in `problems`.

    `read` reads a layer file; `last_city` stays where the city's file is broken.
    """
    problems: list[CatalogError] = []
    styles = read_styles(settings.workspace, problems)
    recipes = read_recipes(settings.workspace, problems)
    schemas = read_schemas(settings.workspace, problems)
    city_path = find_city(settings)
    city = _read_city(city_path, last_city, problems) if city_path else City()
    layers: dict[str, Layer] = {}
    seen: set[str] = set()
    for folder in layer_folders(settings) if folders is None else folders:
        for path in list_files(folder, ".toml", problems):
            if path.stem in seen:
                continue  # the workspace's own file comes first, even when it is broken
            seen.add(path.stem)
            try:
                layers[path.stem] = _join(read(path), styles, recipes, problems)
            except CatalogError as error:
                problems.append(error)
            except Exception as error:  # no file may take the others down, whatever is in it
                log.exception("%s cannot be read", path)
                problems.append(CatalogError(str(path), "", f"a layer file that can be read: {error}"))
    if city_path:
        problems += check_city(city_path, city, layers.keys(), seen.__contains__)
    access_path = find_access(settings)
    groups = _read_access(access_path, problems) if access_path else {}
    if access_path:
        problems += check_access(access_path, groups, layers, seen.__contains__)
    problems += _find_unknown_schemas(layers, schemas)
    layers = {layer.id: _belong(layer, city) for layer in layers.values()}
    ordered = _in_order(layers)
    styles = keep_meant_styles(styles, {layer.style for layer in layers.values()})
    return Catalog(ordered, styles, recipes, schemas, tuple(problems), city, groups, access_path)


def _read_city(path: Path, last: City, problems: list[CatalogError]) -> City:
    """The city; where its file is broken the last good one."""
    try:
        return read_city(path, problems)
    except CatalogError as error:
        problems.append(error)
    except Exception as error:  # as with layer files
        log.exception("%s cannot be read", path)
        problems.append(CatalogError(str(path), "", f"a file that can be read: {error}"))
    return last


def _read_access(path: Path, problems: list[CatalogError]) -> Mapping[str, tuple[Grant, ...]]:
    """What groups may do; nothing where the file is broken, for it may have been changed to close something."""
    try:
        return read_access(path)
    except CatalogError as error:
        problems.append(error)
    except Exception as error:  # as with layer files
        log.exception("%s cannot be read", path)
        problems.append(CatalogError(str(path), "", f"a file that can be read: {error}"))
    return {}


def _belong(layer: Layer, city: City) -> Layer:
    """The layer with the city's settings: its publisher where the file names none, and whether it starts visible."""
    visible = layer.visible if city.layers is None else layer.id in city.layers
    attribution = layer.attribution or city.publisher
    same = visible == layer.visible and attribution == layer.attribution
    return layer if same else replace(layer, visible=visible, attribution=attribution)


def _find_unknown_schemas(layers: Mapping[str, Layer], schemas: Mapping[str, Schema]) -> list[CatalogError]:
    """Schemas that layer files name and that are not there; such a layer is drawn as the schema that it looks like."""
    names = sorted(schemas)
    return [
        CatalogError(
            str(layer.file),
            "basemap",
            f"true, or a schema in styles/schemas/: {', '.join(names)}; got {layer.schema!r}"
            + near(layer.schema, names),
        )
        for layer in layers.values()
        if layer.schema and layer.schema not in schemas
    ]


def source_path(layer: Layer, source: str | None = None) -> Path:
    """Where the layer's (or its readings') file lies: paths are relative to the folder that holds `layers/`."""
    return Path(os.path.realpath(layer.file.parent.parent / (source or layer.source)))  # no error for links in a circle


def _join(
    layer: Layer,
    styles: Mapping[str, Mapping[str, Any]],
    recipes: Mapping[str, str],
    problems: list[CatalogError],
) -> Layer:
    """Prove the layer against recipes and styles, and note which fields its tiles need.

    A style that reads a field which is declared no more is a problem, but must not keep that field in service.
    """
    rowless = sorted(read_kinds())
    kinds = [*sorted(recipes.keys() - {BINS}), *rowless]
    if layer.kind not in kinds:
        words = ", ".join(f"`{word}`" for word in rowless[:-1]) + f" or `{rowless[-1]}`"
        expected = f"a recipe in tiles/, or {words}: {', '.join(kinds)}"
        raise CatalogError(str(layer.file), "kind", f"{expected}; got {layer.kind!r}{near(layer.kind, kinds)}")
    if layer.style and layer.style not in styles:
        raise CatalogError(
            str(layer.file), "style", f"a style in styles/: {layer.style}.json was not found or is broken"
        )
    if not layer.has_rows:
        return replace(layer, tile_fields=tuple(layer.fields))
    _check_recipes(layer, recipes)
    layer = replace(layer, geometry=find_geometry(layer.kind, recipes[layer.kind]))
    drawn_by = styles if layer.basemap else {layer.style} & styles.keys()  # basemaps name their layers themselves
    styled: dict[str, int] = {}
    for name in sorted(drawn_by):
        found = styled_fields(styles[name], layer.id)
        if missing := found.keys() - layer.fields.keys():
            problems.append(CatalogError(str(layer.file), "fields", f"{min(missing)!r}, which styles/{name}.json uses"))
        if closed := sorted(name for name in found.keys() & layer.fields.keys() if layer.fields[name].restricted):
            expected = f"no such key: styles/{name}.json draws by this field, and no restricted field is in any tile"
            problems.append(CatalogError(str(layer.file), f"fields.{closed[0]}.restricted", expected))
        styled |= {key: min(zoom, styled.get(key, zoom)) for key, zoom in found.items()}
    # Tiles are the same for all who may see the rows.
    carried = [name for name, item in layer.fields.items() if not item.restricted]
    if layer.basemap:  # nobody asks what it is: its tiles carry what is drawn, from where it is drawn
        if "name" in styled:  # labels are in the reader's language
            styled |= {name: styled["name"] for name in layer.fields if name.startswith("name_")}
        # The last tiles are drawn at all zooms beyond theirs.
        last = {name: min(zoom, layer.maxzoom) for name, zoom in styled.items()}
        zooms = {name: zoom for name, zoom in last.items() if zoom > layer.minzoom}
        return replace(layer, tile_fields=tuple(name for name in carried if name in styled), tile_zooms=zooms)
    filtered = {name for name, item in layer.fields.items() if item.filter in ("choice", "range")}
    labels = [layer.label, *(words.label for words in layer.languages.values())]
    wanted = styled.keys() | filtered | {name for label in labels for name in list_fields(label)}
    return replace(layer, tile_fields=tuple(name for name in carried if name in wanted))


def _check_recipes(layer: Layer, recipes: Mapping[str, str]) -> None:
    """A recipe is handed no restricted field, and must not read one by its name."""
    restricted = {name for name, item in layer.fields.items() if item.restricted}
    if restricted and (found := find_misread(layer.kind, recipes, restricted)):
        expected = f"no such key: tiles/{found[0]}.sql reads this field, and no restricted field is in any tile"
        raise CatalogError(str(layer.file), f"fields.{found[1]}.restricted", expected)


def styled_fields(style: Mapping[str, Any], layer_id: str) -> dict[str, int]:
    """Names that `["get", name]` or `["has", name]` reads in the style layers drawn from this layer, and from which
    tiles on.
    """
    found: dict[str, int] = {}

    def walk(node: Any, zoom: int) -> None:
        if isinstance(node, list):
            if len(node) >= 2 and node[0] in ("get", "has") and isinstance(node[1], str):  # noqa: PLR2004 - [op, name]
                found[node[1]] = min(zoom, found.get(node[1], zoom))
            for part in node:
                walk(part, zoom)
        elif isinstance(node, dict):
            for part in node.values():
                walk(part, zoom)

    for drawn in style.get("layers", []):
        if drawn.get("source-layer") == layer_id:
            first = drawn.get("minzoom", 0)
            zoom = math.floor(first) if isinstance(first, int | float) else 0
            walk({key: drawn.get(key) for key in ("filter", "paint", "layout")}, zoom)
    return found


def _in_order(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """Data before basemap; themes by the smallest `order` in them, layers in them by their own, then as people count.

    "District 2" comes before "District 10".
    """
    first: dict[str, int] = {}
    for layer in layers.values():
        first[layer.theme] = min(layer.order, first.get(layer.theme, layer.order))
    ordered = sorted(
        layers.values(),
        key=lambda layer: (layer.basemap, first[layer.theme], layer.theme, layer.order, natural_key(layer.title)),
    )
    return {layer.id: layer for layer in ordered}
