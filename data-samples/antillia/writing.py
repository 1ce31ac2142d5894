"""Writers that give the same bytes for the same rows: no clock, no host, no version of pandas in the files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely

NOTICE = "Fictional: the city of Antillia does not exist, and every record here is invented."
_DAY = "2026-01-01T00:00:00.000Z"
_ZIP_TIME = (2026, 1, 1, 0, 0, 0)


def write_csv(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    encoding: str = "utf-8",
    separator: str = ",",
) -> None:
    """A CSV with CRLF as RFC 4180 has it; gzip when the name ends in .gz."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    content = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)


def write_geojson(path: Path, name: str, features: list[dict[str, object]]) -> None:
    """A FeatureCollection, one feature per line, so that a change of one shows as one."""
    head = json.dumps({"type": "FeatureCollection", "name": name, "notice": NOTICE}, ensure_ascii=False)
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)
    path.write_text(f'{head[:-1]}, "features": [\n{lines}\n]}}\n', encoding="utf-8", newline="\n")


def write_geoparquet(path: Path, table: pa.Table, points: np.ndarray) -> None:
    """GeoParquet 1.1 with WKB points in CRS84; the CRS is left out, which means OGC:CRS84."""
    table = table.append_column("geometry", pa.array(shapely.to_wkb(points, byte_order=1), pa.binary()))
    bounds = np.round(shapely.total_bounds(points), 7).tolist()
    column = {"encoding": "WKB", "geometry_types": ["Point"], "bbox": bounds}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = table.replace_schema_metadata({"geo": json.dumps(geo), "notice": NOTICE})
    pq.write_table(table, path, compression="zstd", compression_level=9, row_group_size=20_000)


def write_geopackage(path: Path, layers: dict[str, geopandas.GeoDataFrame]) -> None:
    """All layers into one new GeoPackage, whose only date is a fixed one."""
    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _DAY})
    try:
        for name, frame in layers.items():
            pyogrio.write_dataframe(
                frame, path, layer=name, driver="GPKG", append=path.exists(), layer_metadata={"notice": NOTICE},
                layer_options={"SPATIAL_INDEX": "NO", "GEOMETRY_NAME": "geom"},
            )  # fmt: skip
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_zipped_shapefile(path: Path, frame: geopandas.GeoDataFrame, readme: str) -> None:
    """A Shapefile in CP1252 inside a zip, with fixed dates in the dbf and in the zip."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{path.stem}.shp"
        pyogrio.write_dataframe(
            frame, target, driver="ESRI Shapefile", encoding="CP1252",
            layer_options={"DBF_DATE_LAST_UPDATE": "2026-01-01"},
        )  # fmt: skip
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for item in sorted(Path(folder).iterdir()):
                archive.writestr(_entry(item.name), item.read_bytes())
            archive.writestr(_entry("README.txt"), readme.encode("cp1252"))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def frame_of(geometries: object, crs: str, **columns: object) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(pd.DataFrame(columns), geometry=geometries, crs=crs)
