"""What loading makes of files that cities and others published: read by the tests and shown in docs/loading.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from load_workspace import Columns, make_fields

from geoserver.model import Readings


@dataclass(frozen=True)
class Case:
    """One source and what is expected of it: rows and counts by reason, or words of the error."""

    path: str
    rows: int = 0
    kind: str = "points"
    rejected: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    fields: Columns = field(default_factory=dict)
    readings: int = 0
    layer: Mapping[str, Any] = field(default_factory=dict)  # more of the layer file

    @property
    def read(self) -> int:
        """Rows in the source of the features; where it holds readings too, their number."""
        return (self.readings or self.rows) + sum(self.rejected.values())

    @property
    def name(self) -> str:
        extra = self.layer.get("source_layer") or self.layer.get("crs") or ("x, y named" if "csv" in self.layer else "")
        return f"{self.path} ({extra})" if extra else self.path


def _readings(path: str, key: str, fields: Columns) -> Readings:
    return Readings(path, key, next(iter(fields)), make_fields(fields))


NOWHERE = "no position"
EMPTY = "empty geometry"
TURNED = "far from the other rows, but among them with a sign turned"
BROKEN = "geometry cannot be repaired"
UNREADABLE = "position cannot be read"
REPAIRED = "invalid geometry repaired"
NO_COLUMNS = "no columns with coordinates were found"
NO_LONLAT = "the coordinates are no longitude and latitude; set crs"
NO_CRS = "does not say its CRS; set crs in the layer file"
SEVERAL = "has several layers; set source_layer"
NO_GEOJSON = "is JSON, but neither GeoJSON nor TopoJSON nor Esri JSON with features"
_MIXED = "odd_formats/example_geometry-mixed-dimensions_geo.parquet"
_SENSOR = "air_quality/2025-10-15_sds011_sensor_82312.csv"
_MADRID = "air_quality/madrid-informacion_estaciones.csv"
_SCOTLAND = "wastewater/scotland-SARS-Cov2_RNA_monitoring_ww_full.csv"
_SITES = "wastewater/scotland-sepa-2022_02_14-Sites_coordinates.csv"
_CRIME: Columns = {"month": ("date", "Month"), "kind": ("text", "Crime type")}


def _mixed(kind: str, others: tuple[str, str], notes: Mapping[str, int]) -> Case:
    misfits = {f"is a {other}; the layer holds {kind}": 8 for other in others}
    return Case(_MIXED, 12, kind, misfits | {NOWHERE: 4, EMPTY: 4}, notes, layer={"crs": "OGC:CRS84"})


CASES = [
    Case("air_quality/aireas-eindhoven-2018-03-06.csv", error=NO_COLUMNS),
    Case(
        _SENSOR,
        1,
        readings=581,
        fields={"sensor": ("integer", "sensor_id")},
        layer={
            "key": "sensor",
            "readings": _readings(_SENSOR, "sensor_id", {"at": ("timestamp", "timestamp"), "p1": ("number", "P1")}),
        },
    ),
    Case("air_quality/madrid-ene_mo23.csv", error=NO_COLUMNS),
    Case(_MADRID, error=NO_LONLAT),
    Case(
        _MADRID,
        24,
        fields={"height": ("integer", "ALTITUD"), "since": ("date", "Fecha alta")},
        layer={"crs": "EPSG:25830"},
    ),
    Case("bike_paths/chicago-bikeroutes.geojson", 1061, "lines"),
    Case("bike_paths/dc-bike-trails.geojson", 91, "lines"),
    Case(
        "buildings/dc-2014-building-energy-and-water-performance-benchmarking.geojson",
        error="not one of 1840 rows can be stored: 1840 x no position",
    ),
    Case("buildings/nl-bag.gpkg", error=SEVERAL),
    Case("buildings/nl-bag.gpkg", 67, layer={"source_layer": "ligplaatsen"}),
    Case("buildings/nl-bag.gpkg", 1, layer={"source_layer": "standplaatsen"}),
    Case("buildings/nl-bag.gpkg", 1836, layer={"source_layer": "verblijfsobjecten"}),
    Case("buildings/nyc_subset_overture.parquet", 679, "polygons", fields={"names": "text", "height": "number"}),
    Case("buildings/prague-bubenec.gpkg", 144, "polygons", layer={"source_layer": "tessellation"}),
    Case("buildings/prague-bubenec.gpkg", 144, "polygons", layer={"source_layer": "buildings"}),
    Case("buildings/prague-bubenec.gpkg", 35, "lines", layer={"source_layer": "streets"}),
    Case("buildings/prague-bubenec.gpkg", 407, "polygons", layer={"source_layer": "plots"}),
    Case("counts/berlin-Verkehrsaufkommen-DTVw2019.csv", error=NO_COLUMNS),
    Case("counts/dc-bicycle-count-locations.geojson", 37),
    Case("counts/dc-permanent-traffic-count-stations.geojson", 30),
    Case("counts/idf-emplacement-des-gares.csv", 1173),
    Case("counts/montreal-bikes-2012.csv", error=NO_COLUMNS),
    Case("counts/paris-comptage-velo-donnees-compteurs.csv", 68, fields={"since": ("date", "Date d'installation")}),
    Case(
        "counts/paris-comptages-routiers-permanents.xlsx",
        492,
        rejected={NOWHERE: 1},
        fields={"count": ("integer", "Count")},
    ),
    Case("counts/seattle-bike_counts_page_1.json", error=NO_GEOJSON),
    Case("crime/2016-07-west-yorkshire-street.csv", 25829, rejected={NOWHERE: 1347}, fields=_CRIME),
    Case("crime/2018-07-west-yorkshire-street.csv", 30752, rejected={NOWHERE: 883}, fields=_CRIME),
    Case("crime/dc-crime-incidents-last-30-days.geojson", 2898, fields={"offense": ("text", "OFFENSE")}),
    Case("crime/geodanet-crimes.shp", 287),
    Case("crime/geodanet-streets.shp", 293, "lines"),
    Case(
        "derived/la-county-trees-merged.csv",
        180915,
        rejected={"position is 0, 0": 228, TURNED: 1},
        fields={"species": "text"},
    ),
    Case("neighbourhoods/berlin-bezirksgrenzen.shp", 12, "polygons", fields={"name": ("text", "Gemeinde_n")}),
    Case("neighbourhoods/berlin-geodata_berlin_plz.csv", 190, "polygons", fields={"plz": ("integer", "PLZ")}),
    Case("neighbourhoods/chicago77.shp", kind="polygons", error=NO_CRS),
    Case("neighbourhoods/chicago77.shp", 77, "polygons", layer={"crs": "ESRI:102671"}),
    Case("neighbourhoods/cth-kaiserslautern.geojson", 10, "polygons"),
    Case("neighbourhoods/cth-russia.geojson", 83, "polygons", notes={REPAIRED: 10}),
    Case("neighbourhoods/cth-zurich-city.geojson", 34, "polygons", notes={REPAIRED: 7}),
    Case("neighbourhoods/dc-ward-2012.geojson", 8, "polygons"),
    Case("neighbourhoods/paris_districts_utm.geojson", 80, "polygons"),
    Case("odd_formats/chukot.geojson", 1, "polygons"),
    Case("odd_formats/cod_conservation.zip", 50, "polygons", notes={REPAIRED: 1}),
    Case("odd_formats/countries_nocrs.fgb", kind="polygons", error=NO_CRS),
    Case("odd_formats/countries_nocrs.fgb", 179, "polygons", notes={REPAIRED: 2}, layer={"crs": "EPSG:4326"}),
    Case("odd_formats/empty.fgb", 0),
    Case(_MIXED, error=NO_CRS),
    _mixed("points", ("line", "polygon"), {"points taken out of a collection": 4}),
    _mixed("lines", ("point", "polygon"), {"lines taken out of a collection": 4}),
    _mixed("polygons", ("point", "line"), {"polygons taken out of a collection": 4, REPAIRED: 4}),
    Case("odd_formats/fmi_test.gml", 22),
    Case("odd_formats/gokoala-3d-geoms.gpkg", kind="lines", error=NO_CRS, layer={"source_layer": "foo"}),
    Case("odd_formats/gokoala-3d-geoms.gpkg", 3, layer={"source_layer": "bar"}),
    Case("odd_formats/gokoala-nongeo.gpkg", 10, "polygons"),
    Case(
        "odd_formats/gokoala-nongeo.gpkg",
        error="layer 'road_extras' has no geometry",
        layer={"source_layer": "road_extras"},
    ),
    Case(
        "odd_formats/gokoala-null-empty-geoms.gpkg",
        error="not one of 2 rows can be stored",
        layer={"source_layer": "ligplaatsen"},
    ),
    Case("odd_formats/heterogeneous.fgb", error=NO_CRS),
    Case(
        "odd_formats/heterogeneous.fgb",
        1,
        rejected={"is a line; the layer holds points": 1, "is a polygon; the layer holds points": 1},
        layer={"crs": "EPSG:4326"},
    ),
    Case("odd_formats/korita-zbevnica.gpx", error=SEVERAL),
    Case("odd_formats/korita-zbevnica.gpx", 2, layer={"source_layer": "waypoints"}),
    Case("odd_formats/korita-zbevnica.gpx", 3, "lines", {EMPTY: 1}, layer={"source_layer": "tracks"}),
    Case("odd_formats/korita-zbevnica.gpx", 871, fields={"time": "timestamp"}, layer={"source_layer": "track_points"}),
    Case("odd_formats/mexicojoin.shp", kind="polygons", error=NO_CRS),
    Case("odd_formats/mexicojoin.shp", 32, "polygons", layer={"crs": "EPSG:4326"}),
    Case("odd_formats/natural-earth_countries-geography_geo.parquet", 177, "polygons", notes={REPAIRED: 3}),
    Case("odd_formats/natural-earth_countries.fgb", 177, "polygons"),
    Case("odd_formats/olinda1.shp", 470, "polygons", fields={"name": ("text", "NM_BAIR")}),
    Case("odd_formats/pyogrio-curve.gpkg", 1, "lines", notes={"curves turned into straight segments": 1}),
    Case("odd_formats/pyogrio-line_zm.gpkg", 1, "lines"),
    Case("odd_formats/pyogrio-list_field_values_file.parquet", error=NO_CRS),
    Case(
        "odd_formats/pyogrio-list_field_values_file.parquet",
        5,
        fields={"numbers": ("text", "list_int")},
        layer={"crs": "EPSG:4326"},
    ),
    Case("odd_formats/pyogrio-test_gpkg_nulls.gpkg", 3, rejected={"position is 0, 0": 1}),
    Case("odd_formats/pyshp-blockgroups_multishapefile.zip", kind="polygons", error=SEVERAL),
    Case(
        "odd_formats/pyshp-blockgroups_multishapefile.zip",
        663,
        "polygons",
        layer={"source_layer": "blockgroups", "crs": "EPSG:4326"},
    ),
    Case("odd_formats/quadrangles_100k_geo.parquet", 1809, "polygons"),
    Case("odd_formats/station_list.csv", 79),
    Case("odd_formats/terria-airports.zip", 6045),
    Case(
        "odd_formats/terria-empty-geoms.geojson",
        1,
        "polygons",
        {"is a point; the layer holds polygons": 2, "is a line; the layer holds polygons": 1, EMPTY: 1, NOWHERE: 1},
    ),
    Case("odd_formats/tippecanoe-wraparound.json", 1, "polygons", notes={REPAIRED: 1}),
    Case("odd_formats/unicode_with_bom.gpx", 1),
    Case("odd_formats/vic_police.kml", 346),
    Case("odd_formats/vic_police.kmz", 346),
    Case("odd_formats/world_wkt.csv", 177, "polygons", notes={REPAIRED: 1}, fields={"code": ("text", "iso_a2")}),
    Case("osm/Helsinki.osm.pbf", error=SEVERAL),
    Case("osm/Helsinki.osm.pbf", 8045, fields={"name": "text"}, layer={"source_layer": "points", "key": "osm_id"}),
    Case("osm/Helsinki.osm.pbf", 3817, "lines", {BROKEN: 1}, layer={"source_layer": "lines"}),
    Case(
        "osm/Helsinki.osm.pbf",
        1068,
        "polygons",
        {BROKEN: 16, UNREADABLE: 11},
        {REPAIRED: 23},
        layer={"source_layer": "multipolygons"},
    ),
    Case("portals/arcgis-featureserver-layer.json", error=NO_GEOJSON),
    Case("portals/arcgis-featureserver-query.json", 2, "polygons", fields={"name": ("text", "lganame")}),
    Case("portals/ckan-package-search.json", error=NO_GEOJSON),
    Case("portals/ckan-package-show.json", error=NO_GEOJSON),
    Case("portals/ods-dataset-weather-station.json", error=NO_GEOJSON),
    Case("portals/ods-datasets.json", error=NO_GEOJSON),
    Case("portals/ods-records-weather-station.json", error=NO_GEOJSON),
    Case("portals/socrata-search.json", error=NO_GEOJSON),
    Case("transit/gbfs/ecobici-station_information.json", error=NO_GEOJSON),
    Case("transit/poa_trensurb.zip", error=SEVERAL),
    Case("transit/poa_trensurb.zip", 24, fields={"stop_name": "text"}, layer={"source_layer": "stops"}),
    Case("trees/la-county-shp-nodbf/lancaster-lancaster.shp", error=r"lancaster-lancaster\.dbf is missing"),
    Case("trees/la-county/duarte.geojson", 7967, rejected={TURNED: 1}),
    Case("trees/la-county/glendora.geojson", 12656),
    Case("trees/paris-les-arbres-subset.csv", 2948),
    Case("trees/toronto-street-tree-data-YO.csv", 10991),
    Case("wastewater/Welsh-Water-2020-EDM-EIR-702.xlsx", error=NO_COLUMNS),
    Case("wastewater/dc-combined-sewer-outfall-cso-sewer-shed.geojson", 1, "polygons", notes={REPAIRED: 1}),
    Case(
        _SCOTLAND,
        162,
        rejected={"reading of a time that was there before": 54},
        readings=10262,
        fields={"board": ("text", "Health_Board")},
        layer={
            "key": "Site",
            "readings": _readings(_SCOTLAND, "Site", {"at": ("date", "Date_collected"), "ph": ("number", "pH_value")}),
        },
    ),
    Case("wastewater/scotland-sampling_sites.csv", 162),
    Case("wastewater/scotland-sepa-2022_02_14-RNA_Monitoring_Project.csv", error=NO_COLUMNS),
    Case(_SITES, error=NO_LONLAT),
    Case(_SITES, 120, rejected={NOWHERE: 4}, layer={"crs": "EPSG:27700"}),
    Case("wastewater/scotland-sepa-2022_02_14-Sites_population.csv", error=NO_COLUMNS),
]


def build_table() -> str:
    """The cases as a Markdown table."""
    lines = [
        "| file | kind | read | loaded | rejected, repaired, or why it cannot be a layer |",
        "|---|---|---:|---:|---|",
    ]
    for case in CASES:
        if case.error:
            read, loaded, what = "", "", "fails: " + case.error.replace("\\", "")
        else:
            counts = [f"{count} rejected: {reason}" for reason, count in case.rejected.items()]
            counts += [f"{count} x {note}" for note, count in case.notes.items()]
            counts += [f"{case.readings:,} readings"] if case.readings else []
            read, loaded = f"{case.read:,}", f"{case.rows:,}"
            what = "; ".join(counts)
        lines.append(f"| `{case.name}` | {case.kind} | {read} | {loaded} | {what} |")
    return "\n".join(lines) + "\n"
