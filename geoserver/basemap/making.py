"""An extract of OpenStreetMap becomes the basemap of a workspace: read apart, loaded, and only then put in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geoserver import assets
from geoserver.basemap.afar import build_afar
from geoserver.basemap.apart import Reader
from geoserver.basemap.files import (
    DATA,
    Parquet,
    check_places,
    find_foreign,
    list_served,
    put_in_place,
    render_layer_file,
    staging_folder,
)
from geoserver.basemap.sheets import SHEETS
from geoserver.basemap.writing import GEOMETRY
from geoserver.catalog import read_layer
from geoserver.errors import LoadError
from geoserver.loading import load_together
from geoserver.sources import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from geoserver.loading import Loading, LoadReport
    from geoserver.model import Layer

__all__ = ["Made", "make_basemap"]

_CRS = "EPSG:3857"
_STAYS = "the basemap stays as it was"


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: rows per layer, what was repaired or left out, languages, and layers that are the city's own."""

    reports: list[LoadReport]
    notes: dict[str, int]
    languages: list[str]
    foreign: list[str]
    warnings: list[str] = field(default_factory=list)


type Reading = Callable[[str, int], None]


def make_basemap(
    extract: Path, workspace: Path, url: str, *, reading: Reading, loading: Loading, force: bool = False
) -> Made:
    """Make every layer of the basemap anew. Raises LoadError; the basemap that was there then stays in service."""
    if (workspace / "layers").resolve() == assets.root("layers").resolve():
        raise LoadError(
            f"{workspace}: the sample city lies here; make a folder of your own, and name it by --workspace FOLDER"
        )
    foreign = find_foreign(workspace)
    if len(foreign) == len(SHEETS):
        raise LoadError(
            f"{workspace / 'layers'}: every layer of a basemap is there, written by hand; none was replaced"
        )
    check_places(workspace)
    try:
        with (
            staging_folder(workspace) as staging,
            Reader(extract, staging / DATA, reading) as reader,
            Parquet(staging / DATA) as files,
        ):
            languages = reader.read_languages()
            layers = _write_layer_files(staging, extract, languages, foreign)
            batches = _iterate(reader, files, extract, {layer.id for layer in layers})
            try:
                made = load_together(
                    layers, batches, _CRS, url, loading=loading, force=force, served=list_served(workspace)
                )
            except LoadError as error:
                raise LoadError(_explain(error, extract)) from error
            except shapely.errors.ShapelyError as error:
                raise LoadError(f"{extract}: holds a shape that cannot be worked with ({error}); {_STAYS}") from error
            put_in_place(staging, workspace, [report.layer_id for report in made.reports])
    except OSError as error:  # a full disk, mostly; pyarrow's have no `strerror`
        raise LoadError(f"{workspace} cannot be written: {error.strerror or error}; {_STAYS}") from error
    return Made(made.reports, reader.notes, languages, foreign, made.warnings)


def _write_layer_files(staging: Path, extract: Path, languages: Sequence[str], foreign: Sequence[str]) -> list[Layer]:
    """Those of all layers but the city's own, in their order."""
    layers = []
    for name in SHEETS.keys() - set(foreign):
        file = staging / "layers" / f"{name}.toml"
        file.write_text(render_layer_file(SHEETS[name], extract.name, languages), encoding="utf-8")
        layers.append(read_layer(file))
    return sorted(layers, key=lambda layer: layer.order)


def _iterate(reader: Reader, files: Parquet, extract: Path, wanted: set[str]) -> Iterator[tuple[str, Batch] | None]:
    """Rows on their way into the database, and into the files that layers are loaded from the next time."""
    counts = dict.fromkeys(wanted, 0)
    for name, rows in reader.iterate():
        if name not in wanted:
            continue
        files.write(name, rows)
        yield name, _as_batch(rows, counts[name])
        counts[name] += len(rows)
    files.close()
    if "afar" in wanted:
        yield None  # the others are complete
        for rows in build_afar(files.folder, reader.reading):
            files.write("afar", rows)
            yield "afar", _as_batch(rows, counts["afar"])
            counts["afar"] += len(rows)
        files.close()
    if not {name for name, count in counts.items() if count} - {"beyond"}:
        raise LoadError(f"{extract}: holds nothing that a basemap draws")


def _as_batch(rows: pa.RecordBatch, before: int) -> Batch:
    """The rows as a source gives them, behind so many others."""
    lines = np.arange(before + 1, before + 1 + len(rows), dtype=np.int64)
    columns = {column: rows.column(column) for column in rows.schema.names if column != GEOMETRY}
    return Batch(lines, columns, wkb=rows.column(GEOMETRY))


def _explain(error: LoadError, extract: Path) -> str:
    """What of a load's error may mean another command, or another file."""
    why = str(error)
    if why.startswith(str(extract)):
        return why
    for name in SHEETS:
        why = why.replace(f"geoserver load {name} --force", "geoserver basemap EXTRACT --force")
    return f"{_STAYS.capitalize()}. {why}"
