"""Make the sample city: `python data-samples/make.py [FOLDER]` writes every file, with the same bytes each time.

Antillia is fictional: it lies on the phantom island of old sea charts, in the open Atlantic.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow
import pyogrio
import pyproj
import shapely
from antillia.air import write_air
from antillia.basemap import basemap_layers, district_frame
from antillia.city import build_city
from antillia.crime import write_crime
from antillia.cycling import write_bike_paths
from antillia.sewage import write_sewage
from antillia.trees import write_trees
from antillia.writing import NOTICE, write_geopackage, write_zipped_shapefile


def make(folder: Path) -> None:
    """Write all files of the sample city into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    city = build_city()
    write_geopackage(folder / "base.gpkg", basemap_layers(city))
    write_zipped_shapefile(folder / "districts.zip", district_frame(city), NOTICE + "\r\n")
    write_crime(folder / "crime.csv.gz", city)
    write_trees(folder / "trees.parquet", city)
    write_bike_paths(folder / "bike-paths.geojson", city)
    write_sewage(folder / "sewage-sites.csv", folder / "sewage-readings.csv.gz", city)
    write_air(folder / "air-sensors.csv", folder / "air-readings.csv.gz", city)
    write_manifest(folder)


FILES = [
    "air-readings.csv.gz", "air-sensors.csv", "base.gpkg", "bike-paths.geojson", "crime.csv.gz", "districts.zip",
    "sewage-readings.csv.gz", "sewage-sites.csv", "trees.parquet",
]  # fmt: skip


def write_manifest(folder: Path) -> None:
    """Name the versions that may change the bytes, and every file's size and SHA-256."""
    files = {name: (folder / name).read_bytes() for name in FILES}
    manifest = {
        "notice": NOTICE,
        "made_with": made_with(),
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8", newline="\n")


def made_with() -> dict[str, str]:
    """Versions of what shapes, draws and packs the data; other versions may give other bytes."""
    return {
        "gdal": pyogrio.__gdal_version_string__,
        "geos": shapely.geos_version_string,
        "numpy": np.__version__,
        "proj": pyproj.proj_version_str,
        "pyarrow": pyarrow.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
