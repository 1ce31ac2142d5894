"""`geoserver export`: rows of a layer as a file, through the same code as `/download`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoserver.cli.common import Workspace, database, find_layer, read_settings, say
from geoserver.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.formats import Extract, Format, Subject
    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["export"]

_READINGS = ".readings"


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

    The file appears when it is complete.
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
    print(f"{target}: {rows:,} rows, {target.stat().st_size / 1e6:,.1f} MB")


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
    from geoserver.styling import build_qml

    pool = Database(url, settings)
    await pool.open()
    try:
        found, status = await find_loaded(pool, catalog, wish.layer)
    finally:
        await pool.close()
    chosen = find_format(found, status, wish.format, wish.subject)
    style = build_qml(catalog, found) if chosen.styled else ""
    exported = await apart.start(url, chosen, _build_extract(found, status, chosen, wish, style))
    target = wish.target
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("wb") as out:
            async for block in exported.blocks():
                out.write(block)
        partial.replace(target)
    except apart.BrokenOffError as error:
        raise SetupError(f"{target}: not written: {error}") from error
    finally:
        exported.close()
        partial.unlink(missing_ok=True)
    if not exported.rows:
        say(f"{found.id}: no row fits")
    return exported.rows or 0


def _build_extract(found: Layer, status: LayerStatus, chosen: Format, wish: _Wish, style: str) -> Extract:
    from geoserver.catalog.languages import choose_languages, in_language, words_for
    from geoserver.filtering import build
    from geoserver.formats.asking import Asked, build_extract

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
        style=style,
    )
    return build_extract(layer, status, chosen, where, more)
