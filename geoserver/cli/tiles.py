"""`geoserver tiles build`: a layer's tiles as one file, for a static host or for a layer of kind `tiles`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from geoserver.cli.common import Workspace, console, database, find_layer, read_settings, say
from geoserver.errors import BadParameterError, NotFoundError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.settings import Settings
    from geoserver.tiling import Built

__all__ = ["app", "find_loaded"]

app = typer.Typer(help="Tiles as files: a PMTiles archive of a layer.", no_args_is_help=True)

_QUERY_TIMEOUT = 3_600.0  # seconds: nobody waits for one tile here


@app.callback()
def _root() -> None:
    """Keeps `build` a command of its own while it is the only one."""


@app.command("build")
def build(
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Id of a loaded layer.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.pmtiles", help="The archive to write.")],
    zoom: Annotated[str, typer.Option("--zoom", help="Zooms, as A-B or one. (default: those of the layer)")] = "",
    filter_: Annotated[str, typer.Option("--filter", metavar="CQL2", help="Only features that fit.")] = "",
    workspace: Workspace = None,
) -> None:
    """Write a layer's tiles to a PMTiles archive, by the same recipes and filters as the server's.

    A build that was interrupted goes on where it was when it is started again; the archive appears when it is complete.
    """
    from geoserver.catalog import read_catalog

    settings = read_settings(workspace)
    catalog = read_catalog(settings)
    wanted = find_layer(catalog, layer)
    target = _check_target(file)
    if wanted.access != "public":
        say(f"{wanted.id} is {wanted.access}: whoever has the archive sees all its rows")
    with database(settings) as url:
        built = asyncio.run(_build(settings, url, catalog, wanted, target, zoom=zoom, query=filter_))
    print(f"{target}: {built.tiles:,} tiles, {built.size / 1e6:,.1f} MB")


def _check_target(file: Path) -> Path:
    """The archive's path; raises SetupError before anything takes time."""
    if file.suffix != ".pmtiles":
        raise SetupError(f"FILE.pmtiles: a name that ends in .pmtiles was expected; got {str(file)!r}")
    folder = file.absolute().parent
    if not folder.is_dir():
        raise SetupError(f"FILE.pmtiles: there is no folder {folder}")
    if not os.access(folder, os.W_OK) or file.is_dir():
        raise SetupError(f"FILE.pmtiles: {file} cannot be written")
    return file


def _parse_zooms(text: str, layer: Layer) -> tuple[int, int]:
    """First and last zoom; raises BadParameterError for what the layer does not have."""
    if not text:
        return layer.minzoom, layer.maxzoom
    found = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text, re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (-1, -1)
    if not layer.minzoom <= first <= last <= layer.maxzoom:
        raise BadParameterError(
            "--zoom", text, f"zooms from {layer.minzoom} to {layer.maxzoom}, such as {layer.minzoom}-{layer.maxzoom}"
        )
    return first, last


async def _build(
    settings: Settings, url: str, catalog: Catalog, wanted: Layer, target: Path, *, zoom: str, query: str
) -> Built:
    from geoserver import tiling
    from geoserver.database.pool import Database

    workers = min(settings.pool_size, 2 * (os.cpu_count() or 1))
    pool = Database(url, settings.model_copy(update={"statement_timeout": _QUERY_TIMEOUT, "pool_size": workers}))
    await pool.open()
    try:
        layer, status = await find_loaded(pool, catalog, wanted)
        zooms = _parse_zooms(zoom, layer)
        where = tiling.parse_question(layer, status, {"filter": query}, {})
        total = tiling.count_tiles(layer, status, zooms)
        with _progress(layer.id, total) as (advance, tell):
            built = await tiling.build_archive(
                pool,
                catalog,
                layer,
                status,
                target,
                zooms=zooms,
                where=where,
                workers=workers,
                advance=advance,
                tell=tell,
            )
        if layer.has_rows and (await find_loaded(pool, catalog, wanted))[1].version != status.version:
            say("Rows changed meanwhile, so some tiles are older than others; build again for one state.")
        return built
    finally:
        await pool.close()


async def find_loaded(pool: Database, catalog: Catalog, layer: Layer) -> tuple[Layer, LayerStatus]:
    """The layer as it is loaded, with its state, or that of its archive; raises NotFoundError."""
    from geoserver.database.fitting import fit
    from geoserver.database.status import read_statuses
    from geoserver.tiling import open_layer

    if not layer.has_rows:
        return open_layer(layer)
    if (status := (await read_statuses(pool)).get(layer.id)) is None:
        raise NotFoundError("layer", layer.id, f"a loaded layer; this one has no rows yet: geoserver load {layer.id}")
    fitted = fit(layer, status, catalog.recipes)
    for change in fitted.changes:
        say(f"{layer.id}: {change}; what is loaded is built (geoserver load {layer.id})")
    if fitted.layer is None:
        raise NotFoundError("layer", layer.id, f"a layer as it was loaded: geoserver load {layer.id}")
    return fitted.layer, fitted.status


@contextlib.contextmanager
def _progress(name: str, total: int) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A line with tiles, rate and time left; nothing where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} tiles"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    out = console()
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as shown:
        task = shown.add_task(name, total=total, rate="")

        def advance(count: int) -> None:
            speed = shown.tasks[0].speed
            shown.update(task, advance=count, rate=f"{speed:,.0f}/s" if speed else "")

        yield advance, lambda words: out.print(f"[dim]·[/] {escape(words)}", highlight=False)
