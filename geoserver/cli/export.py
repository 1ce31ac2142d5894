"""`geoserver export`: rows of a layer as a file, through the same code as `/download`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from geoserver.cli.common import Workspace, console, database, find_layer, read_settings, say
from geoserver.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.formats import Extract, Format, Subject, apart
    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["export"]

_READINGS = ".readings"
_MEGABYTE = 1_000_000


def export(
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Id of a loaded layer.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The file to write. (default: LAYER.FORMAT)")
    ] = None,
    *,
    format_: Annotated[
        str, typer.Option("--format", help="csv, xlsx, geojson, ... (default: as the file ends, else csv)")
    ] = "",
    filter_: Annotated[str | None, typer.Option("--filter", metavar="CQL2", help="Only rows that fit.")] = None,
    bbox: Annotated[str | None, typer.Option("--bbox", help="west,south,east,north")] = None,
    datetime: Annotated[str | None, typer.Option("--datetime", help="An instant, or start/end.")] = None,
    fields: Annotated[str | None, typer.Option("--fields", help="Fields, with commas between. (default: all)")] = None,
    crs: Annotated[str | None, typer.Option("--crs", help="EPSG:25832, for example. (default: lon/lat)")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="Fields, each with + or - before it.")] = None,
    readings: Annotated[bool, typer.Option("--readings", help="The features' readings, not the features.")] = False,
    lang: Annotated[str | None, typer.Option("--lang", help="Language of titles and labels, and ways of CSV.")] = None,
    workspace: Workspace = None,
) -> None:
    """Write rows of a layer to a file: all of them, restricted ones too, or those that a filter leaves.

    The file appears when it is complete, in place of one of that name.
    """
    from geoserver.catalog import read_catalog

    settings = read_settings(workspace)
    catalog = read_catalog(settings)
    wanted = find_layer(catalog, layer)
    name = format_ or _format_of(file)
    target = file or Path(f"{layer}{_READINGS if readings else ''}.{name}")
    if not target.absolute().parent.is_dir() or target.is_dir():
        raise SetupError(f"FILE: {target} cannot be written: expected a file's name in a folder that there is")
    given = {"filter": filter_, "bbox": bbox, "datetime": datetime, "fields": fields, "crs": crs, "sort": sort}
    asked = {key: value for key, value in given.items() if value is not None}
    subject: Subject = "readings" if readings else "features"
    with database(settings) as url:
        rows = asyncio.run(_export(settings, url, catalog, _Wish(wanted, name, target, subject, asked, lang)))
    print(f"{target}: {rows:,} rows, {_say_size(target.stat().st_size)}")


def _say_size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= _MEGABYTE else f"{-(-size // 1000):,} kB"


def _format_of(file: Path | None) -> str:
    """The format whose name the file's name ends with; CSV where nothing says another."""
    from geoserver.formats import read_formats

    if file is None:
        return "csv"
    found = [name for name in read_formats() if file.name.lower().endswith(f".{name}")]
    if not found:
        raise SetupError(f"FILE: {file} ends as no format does; expected .{', .'.join(read_formats())}, or --format")
    return max(found, key=len)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be written, and where."""

    layer: Layer  # as its file declares it
    format: str
    target: Path
    subject: Subject
    asked: Mapping[str, str]
    lang: str | None


async def _export(settings: Settings, url: str, catalog: Catalog, wish: _Wish) -> int:
    from geoserver.cli.tiles import find_loaded
    from geoserver.database.pool import Database
    from geoserver.formats import apart, find_format

    pool = Database(url, settings)
    await pool.open()
    try:
        found, status = await find_loaded(pool, catalog, wish.layer)
    finally:
        await pool.close()
    chosen = find_format(found, status, wish.format, wish.subject)
    name = escape(wish.target.name)
    with console().status(f"{name} …") as shown:  # on a terminal alone
        exported = await apart.start(url, chosen, _build_extract(catalog, found, status, chosen, wish))
        try:
            await _write(exported, wish.target, lambda size: shown.update(f"{name}: {_say_size(size)}"))
        finally:
            exported.close()
    if not exported.rows:
        say(f"{found.id}: no row fits")
    return exported.rows or 0


async def _write(exported: apart.Export, target: Path, progress: Callable[[int], None]) -> None:
    from geoserver.formats.apart import BrokenOffError

    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("wb") as out:
            async for block in exported.blocks():
                out.write(block)
                progress(out.tell())
        partial.replace(target)
    except BrokenOffError as error:
        raise SetupError(f"{target}: not written: {error}") from error
    except OSError as error:
        raise SetupError(f"FILE: {target} cannot be written: {error.strerror}; expected a place with room") from error
    finally:
        partial.unlink(missing_ok=True)


def _build_extract(catalog: Catalog, found: Layer, status: LayerStatus, chosen: Format, wish: _Wish) -> Extract:
    from geoserver.catalog.languages import choose_languages, in_language, words_for
    from geoserver.filtering import build
    from geoserver.formats.asking import Asked, build_extract
    from geoserver.styling import build_qml

    languages, _ = choose_languages(wish.lang, [])
    layer, asked = in_language(found, languages), wish.asked
    words = words_for(layer, languages)
    times = asked.get("datetime")
    where = build(
        layer,
        status,
        filter=asked.get("filter"),
        bbox=asked.get("bbox"),
        datetime=times if wish.subject == "features" else None,
    )
    more = Asked(
        wish.subject,
        fields=asked.get("fields"),
        crs=asked.get("crs"),
        sort=asked.get("sort"),
        datetime=times,
        decimal=words.point if wish.lang else "",
        given=asked,
        language=words.code,
        style=build_qml(catalog, layer, words) if chosen.styled else "",
    )
    return build_extract(layer, status, chosen, where, more)
