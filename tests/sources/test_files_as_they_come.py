"""Files as people and programs write them: what is above the header, how lines end, what is packed in what."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from workbooks import write_sheets

from geoserver.errors import LoadError
from geoserver.model import CsvOptions
from geoserver.sources import Batch, Request, open_source
from geoserver.sources.positions import find_positions

PLAIN = "name,lon,lat\na,1.5,2.5\nb,3.5,4.5\n"
ROWS = [("a", 1.5, 2.5), ("b", 3.5, 4.5)]
FEATURE = '{"type":"Feature","id":ID,"properties":{"name":"a"},"geometry":{"type":"Point","coordinates":[1.5,2.5]}}'
ONE = FEATURE.replace("ID", "7")
COLLECTION = f'{{"type":"FeatureCollection","features":[{ONE}]}}'
KML = (
    '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark id="p7"><name>a</name>'
    "<Point><coordinates>1.5,2.5</coordinates></Point></Placemark></Document></kml>"
)


class Folder:
    """Writes a file and reads it: name, x and y of its rows, and their lines."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[int] = []

    def read(self, name: str, data: str | bytes, *columns: str, **more: Any) -> list[tuple[Any, ...]]:
        (self.root / name).write_bytes(data.encode() if isinstance(data, str) else data)
        csv = CsvOptions(**more.pop("csv", {}))
        rows: list[tuple[Any, ...]] = []
        self.lines = []
        for batch in open_source(Request(name, self.root / name, columns or ("name",), csv=csv, **more)).batches:
            self.lines += batch.lines.tolist()
            if batch.points:
                places = [axis.tolist() for axis in batch.points]
            else:
                assert batch.wkb is not None
                places = [axis.tolist() for axis in shapely.get_coordinates(shapely.from_wkb(batch.wkb.to_pylist())).T]
            rows += zip(*(column.to_pylist() for column in batch.columns.values()), *places, strict=True)
        return rows


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (PLAIN.replace("\n", "\r"), 2),
        (PLAIN.replace("\n", "\r\n"), 2),
        ("name,lon,lat\r\na,1.5,2.5\nb,3.5,4.5\r", 2),
        ("Trees of the city\n\n" + PLAIN, 4),
        ("Trees of the city,,\nas of 2024,,\n" + PLAIN, 4),
        ("Trees, all districts\n" + PLAIN, 3),
        ("\n\n" + PLAIN, 4),
        ("sep=;\nname;lon;lat\na;1,5;2,5\nb;3,5;4,5\n", 3),
        ("sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"), 3),
        ("# source: x, y\n# licence\n" + PLAIN + "# end, of, it\n", 4),
        ("#name,lon,lat\na,1.5,2.5\nb,3.5,4.5\n", 2),
        ("# about\n#name,lon,lat\na,1.5,2.5\nb,3.5,4.5\n", 3),
        ("\ufeff" + PLAIN, 2),
        ("\ufeff# about\n" + PLAIN, 3),
        (PLAIN.replace(",", "\t"), 2),
        (PLAIN.replace("\n", ",\n"), 2),
        ("name,lon,lat\na,1.5,2.5,\nb,3.5,4.5,\n", 2),
        (PLAIN.replace("name", '" name "'), 2),
        ("name,name,lon,lat\na,x,1.5,2.5\nb,y,3.5,4.5\n", 2),
        ("name,lon,lat,more" + ", and so on" * 20 + "\na,1.5,2.5,\0x\nb,3.5,4.5,\n", 2),
    ],
)
def test_a_table_is_read_however_it_begins_and_its_lines_end(folder: Folder, text: str, first: int) -> None:
    assert folder.read("a.csv", text) == ROWS
    assert folder.lines == [first, first + 1]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("utf-16"),
        codecs.BOM_UTF16_BE + ("Title\n" + PLAIN).encode("utf-16-be"),
        ("# about\n" + PLAIN + "# end\n").encode("utf-16"),
        PLAIN.encode("utf-16-le"),
    ],
)
def test_utf_16_may_have_titles_and_comments_too(folder: Folder, data: bytes) -> None:
    assert folder.read("a.csv", data) == ROWS


def test_what_cannot_be_found_out_is_said(folder: Folder) -> None:
    assert folder.read("a.csv", "x,y,z\n1,2,3\n" + PLAIN, csv={"skip_lines": 2}) == ROWS
    assert folder.read("a.csv", PLAIN + "% off, 1, 2\n", csv={"comment": "%"}) == ROWS
    text = 'name,lon,lat\n"a,1.5,2.5\nb,3.5,4.5\n'
    assert folder.read("a.csv", text, csv={"quote": ""}) == [('"a', 1.5, 2.5), ("b", 3.5, 4.5)]
    named = {"header": False, "x": "column 2", "y": "column 3"}
    assert folder.read("a.csv", PLAIN.split("\n", 1)[1], "column 1", csv=named) == ROWS
    assert folder.lines == [1, 2]


def test_a_header_below_titles_is_found_by_the_names_that_the_layer_file_has(folder: Folder) -> None:
    text = "Department,of,trees,and,parks\nAs,of,June,of,2024\nname,lon,lat,c,d\na,1.5,2.5,,\nb,3.5,4.5,,\n"
    assert folder.read("a.csv", text) == ROWS


def test_a_table_without_a_header_says_what_to_set(folder: Folder) -> None:
    with pytest.raises(LoadError, match=r"there are a, 1\.5, 2\.5; its first line looks like data: set header = false"):
        folder.read("a.csv", PLAIN.split("\n", 1)[1])


def test_a_very_long_line_is_read(folder: Folder) -> None:
    rows = folder.read("a.csv", PLAIN + "c" * 3_000_000 + ",5,6\nd,7,8\n")
    assert [len(row[0]) for row in rows] == [1, 1, 3_000_000, 1]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("A.CSV", PLAIN.encode()),
        ("a.csv.gz", gzip.compress(PLAIN.encode(), mtime=0)),
        ("a.tsv.gz", gzip.compress(PLAIN.replace(",", "\t").encode(), mtime=0)),
        ("a.txt.gz", gzip.compress(PLAIN.encode(), mtime=0)),
    ],
)
def test_tables_may_be_packed(folder: Folder, name: str, data: bytes) -> None:
    assert folder.read(name, data) == ROWS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.geojson", COLLECTION),
        ("a.GeoJSON", "\ufeff" + COLLECTION),
        ("a.geojson", ONE),
        ("a.json", ONE + "\n" + ONE),
        ("a.geojsonl", ONE + "\n"),
        ("a.geojsons", f"\x1e{ONE}\n\x1e{ONE}\n"),
        ("a.geojson", f"\x1e{ONE}\n"),
        ("a.geojson.gz", COLLECTION),
        ("a.json.gz", COLLECTION),
        ("a.geojsonl.gz", ONE),
        ("a.ndjson.gz", ONE),
        ("a.kml.gz", KML),
        ("a.topojson", '{"type":"Topology","objects":{"o":{"type":"GeometryCollection","geometries":[{"type":"Point",'
         '"coordinates":[1.5,2.5],"properties":{"name":"a"}}]}},"arcs":[]}'),
        ("a.json", '{"geometryType":"esriGeometryPoint","spatialReference":{"wkid":4326},"fields":[{"name":"name",'
         '"type":"esriFieldTypeString"}],"features":[{"attributes":{"name":"a"},"geometry":{"x":1.5,"y":2.5}}]}'),
    ],
)  # fmt: skip
def test_every_way_to_write_json_and_to_pack_it_is_read(folder: Folder, name: str, text: str) -> None:
    column = "Name" if "kml" in name else "name"
    data = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    assert set(folder.read(name, data, column)) == {("a", 1.5, 2.5)}


def test_a_bare_geometry_is_a_layer_of_one(folder: Folder) -> None:
    path = folder.root / "a.geojson"
    path.write_text('{"type":"Point","coordinates":[1,2]}')
    assert [len(batch) for batch in open_source(Request("a.geojson", path, ())).batches] == [1]


def zipped(**members: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_zip_may_hold_tables_and_source_layer_tells_them_apart(folder: Folder) -> None:
    assert folder.read("a.zip", zipped(**{"x/a.csv": PLAIN, "x/readme.md": "x"})) == ROWS
    both = zipped(**{"x/a.csv": PLAIN, "x/b.csv": PLAIN.replace("a,", "c,")})
    assert folder.read("a.zip", both, layer="b")[0] == ("c", 1.5, 2.5)
    with pytest.raises(LoadError, match="has several layers; set source_layer to one of 'a', 'b'"):
        folder.read("a.zip", both)
    with pytest.raises(LoadError, match="has no layer 'B'; did you mean 'b'"):
        folder.read("a.zip", both, layer="B")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.geojson", "", "is empty"),
        ("a.zip", "", "is empty"),
        ("a.csv", " \r\n\n", "is empty"),
        ("a.csv", "<!DOCTYPE html><html><title>404 Not Found</title></html>", r'is a web page \("404 Not Found"\)'),
        ("a.csv.gz", gzip.compress(b"<html><title>Busy</title>", mtime=0), r'is a web page \("Busy"\)'),
        ("a.geojson", "\n<html><body><h1>Service Unavailable</h1>", r'web page \("Service Unavailable"\)'),
        ("a.zip", "<html><title>Log in</title></html>", r'web page \("Log in"\)'),
        ("a.xlsx", "<html><title>Log in</title></html>", r'web page \("Log in"\)'),
        ("a.gml", '<?xml version="1.0"?><ows:ExceptionReport><ows:ExceptionText>No layer</ows:ExceptionText>'
         "</ows:ExceptionReport>", r'is an error message of the server that it came from \("No layer"\)'),
        ("a.csv", '<Error><Code>AccessDenied</Code></Error>', r'error message .* \("AccessDenied"\)'),
        ("a.csv", '{"error":{"code":400,"message":"Invalid URL"}}', r'error message .* \("Invalid URL"\)'),
        ("a.geojson", '{"message":"Not found","status":404}', r'error message .* \("Not found"\)'),
        ("a.json", '{"stations":[{"lat":1,"lon":2}]}', "is JSON, but neither GeoJSON nor TopoJSON"),
        ("a.csv", "Name,lon,lat\na,1,2\n", "has no column 'name'; did you mean 'Name'"),
        ("a.csv", "N a_me,lon,lat\na,1,2\n", "has no column 'name'; did you mean 'N a_me'"),
        ("a.csv", "nom,lon,lat\na,1,2\n", "has no column 'name'; there are nom, lon, lat"),
        ("a.geojson", COLLECTION.replace('"name"', '"NAME"'), "has no field 'name'; did you mean 'NAME'"),
        ("a.pdf", "%PDF", "no reader for this kind of file"),
    ],
)  # fmt: skip
def test_what_is_no_data_says_what_it_is(folder: Folder, name: str, data: str | bytes, message: str) -> None:
    with pytest.raises(LoadError, match=f"^{name}: .*{message}"):
        folder.read(name, data)


OSM = '<osm version="0.6"><node id="7" lat="2.5" lon="1.5"><tag k="name" v="a"/></node></osm>'
GPX = '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="2.5" lon="1.5"><name>a</name></wpt></gpx>'
GML = (
    '<g:FeatureCollection xmlns:g="http://www.opengis.net/gml" xmlns:o="http://o"><g:featureMember><o:x g:id="a">'
    "<o:name>a</o:name><o:at><g:Point><g:pos>1.5 2.5</g:pos></g:Point></o:at></o:x></g:featureMember>"
    "</g:FeatureCollection>"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.osm", OSM),
        ("a.gpx", GPX),
        ("a.gml", GML),
        ("a.ndjson", f"{ONE}\n{ONE}"),
        ("a.geojsonl.gz", f"{ONE}\n{ONE}\n"),
    ],
)
def test_a_file_of_which_half_came_is_refused_and_a_whole_one_read(folder: Folder, name: str, text: str) -> None:
    def pack(content: str) -> bytes:
        return gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()

    layer = {"a.osm": "points", "a.gpx": "waypoints"}.get(name, "")
    whole = text if "json" in name else f"<?xml version='1.0'?>\n<!-- <a> -->{text}\n<!-- end -->\n\0"
    assert ("a", 1.5, 2.5) in folder.read(name, pack(whole.rstrip("\0")), layer=layer)
    for half in (text[: len(text) * 2 // 3], text.rstrip()[:-1]):
        with pytest.raises(LoadError, match=r"ends too early|not recognized"):
            folder.read(name, pack(half), layer=layer)


def test_only_a_header_is_a_table_without_rows(folder: Folder) -> None:
    assert folder.read("a.csv", "name,lon,lat\n") == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.geojson", COLLECTION, 7),
        ("a.geojson", COLLECTION.replace(":7", ':"t-7"'), "t-7"),
        ("a.geojsonl", ONE, 7),
        ("a.kml", KML, "p7"),
    ],
)
def test_the_id_of_a_feature_can_be_asked_for_like_a_column(
    folder: Folder, name: str, text: str, expected: int | str
) -> None:
    assert folder.read(name, text, "@id") == [(expected, 1.5, 2.5)]


def test_ids_of_databases_are_theirs_and_of_other_files_there_are_none(folder: Folder) -> None:
    frame = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[shapely.Point(1.5, 2.5)], crs=4326)
    for ending in (".gpkg", ".fgb"):
        frame.to_file(folder.root / f"a{ending}")
    data = (folder.root / "a.gpkg").read_bytes()
    assert folder.read("a.gpkg", data, "@id", "name") == [(1, "a", 1.5, 2.5)]
    with pytest.raises(LoadError, match="its features have no ids of their own"):
        folder.read("a.fgb", (folder.root / "a.fgb").read_bytes(), "@id")
    with pytest.raises(LoadError, match="has no column '@id'"):
        folder.read("a.csv", PLAIN, "@id")


@pytest.mark.parametrize(("ending", "driver"), [("sqlite", "SQLite"), ("tab", "MapInfo File"), ("mif", "MapInfo File")])
def test_more_formats_come_through_gdal(folder: Folder, ending: str, driver: str) -> None:
    frame = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[shapely.Point(1.5, 2.5)], crs=4326)
    frame.to_file(folder.root / f"a.{ending}", driver=driver)
    data = (folder.root / f"a.{ending}").read_bytes()
    assert folder.read(f"a.{ending}", data) == [("a", 1.5, 2.5)]


def test_openstreetmap_has_layers_to_choose_from(folder: Folder) -> None:
    text = (
        '<?xml version="1.0"?><osm version="0.6"><node id="5" lat="2.5" lon="1.5" version="1"><tag k="name" v="a"/>'
        '</node><node id="6" lat="2" lon="1" version="1"/></osm>'
    )
    with pytest.raises(LoadError, match="has several layers; set source_layer to one of 'points', 'lines'"):
        folder.read("a.osm", text)
    assert folder.read("a.osm", text, "name", "@id", layer="points") == [("a", "5", 1.5, 2.5)]
    assert folder.read("a.osm.gz", gzip.compress(text.encode()), layer="points") == [("a", 1.5, 2.5)]


def test_axes_that_the_source_swaps_are_put_right(folder: Folder) -> None:
    assert folder.read("a.csv", PLAIN, swap_axes=True) == [("a", 2.5, 1.5), ("b", 4.5, 3.5)]
    assert folder.read("a.geojson", COLLECTION, swap_axes=True) == [("a", 2.5, 1.5)]
    assert folder.read("a.zip", zipped(**{"a.geojson": COLLECTION}), swap_axes=True) == [("a", 2.5, 1.5)]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("stop_id stop_lat stop_lon", "stop_lon stop_lat"),
        ("Latitude_WGS84 Longitude_WGS84", "Longitude_WGS84 Latitude_WGS84"),
        ("LocationX LocationY", "LocationX LocationY"),
        ("pos_x pos_y", "pos_x pos_y"),
        ("xcoord ycoord", "xcoord ycoord"),
        ("geo_lat geo_lng", "geo_lng geo_lat"),
        ("intptlat intptlong", "intptlong intptlat"),
        ("X_COORD Y_COORD", "X_COORD Y_COORD"),
        ("lat_dd lon_dd", "lon_dd lat_dd"),
        ("BLOCKXCOORD BLOCKYCOORD", "BLOCKXCOORD BLOCKYCOORD"),
        ("COORDENADA_X_ETRS89 COORDENADA_Y_ETRS89", "COORDENADA_X_ETRS89 COORDENADA_Y_ETRS89"),
        ("pickup_latitude pickup_longitude", "pickup_longitude pickup_latitude"),
        ("decimalLatitude decimalLongitude", "decimalLongitude decimalLatitude"),
        ("UTM_Easting UTM_Northing", "UTM_Easting UTM_Northing"),
        ("Breitengrad Längengrad", "Längengrad Breitengrad"),
        ("x y lon lat", "lon lat"),
        ("speed_x speed_y lat lon", "lon lat"),
        ("start_lat start_lon lat lon", "lon lat"),
        ("size_x size_y", ""),
        ("max_x max_y", ""),
        ("tax tay", ""),
        ("index indey", ""),
        ("plate elongation", ""),
        ("Länge Breite", ""),
        ("start_lat start_lon end_lat end_lon", ""),
    ],
)
def test_columns_for_the_position_are_known_by_a_rule(columns: str, found: str) -> None:
    request = Request("a.csv", Path("a.csv"), ())
    if not found:
        with pytest.raises(LoadError, match="columns with coordinates"):
            find_positions(request, columns.split(), {})
        return
    assert " ".join(find_positions(request, columns.split(), {}).names) == found


def test_a_sheet_may_have_titles_above_its_header_and_other_sheets_hidden(folder: Folder) -> None:
    rows = [["Trees of the city", "", ""], [], ["name", "lon", "lat"], ["a", 1.5, 2.5], ["b", 3.5, 4.5], [None] * 3]
    data = write_sheets({"Data": rows, "Notes": [["x"]]}, hidden=("Notes",))
    assert folder.read("a.xlsx", data) == ROWS
    assert folder.lines == [4, 5]
    with pytest.raises(LoadError, match="has several layers; set source_layer to one of 'Data', 'Notes'"):
        folder.read("a.xlsx", write_sheets({"Data": rows, "Notes": [["x"]]}))
    assert folder.read("a.xlsx", write_sheets({"Data": rows, "Notes": [["x"]]}), layer="Data") == ROWS
    assert folder.read("a.zip", zipped(**{"a.xlsx": data})) == ROWS


def test_days_and_times_of_a_sheet_are_whole(folder: Folder) -> None:
    rows = [["name", "lon", "lat"], [45292.75, 1.5, 2.5], [45292, 1.5, 2.5]]
    data = write_sheets({"Data": rows}, dates=(0,))
    assert [row[0] for row in folder.read("a.xlsx", data)] == ["2024-01-01T18:00:00", "2024-01-01"]


@pytest.mark.parametrize("above", [0, 9000])  # in the first look at a file, and far below it
def test_a_quotation_mark_that_nothing_closes_swallows_no_rows(folder: Folder, above: int) -> None:
    before, after = "b,3.5,4.5\n" * above, "b,3.5,4.5\n" * 9
    for row, opened in ((f'a,1.5,"2.5\n{after}', 1), (f'"a,1.5,2.5\n{after}', 1), (f'"a,1.5,2.5\n{after}",1,2\n', 1)):
        with pytest.raises(LoadError, match=f"a quotation mark in line {above + 1 + opened:,} is not closed there"):
            folder.read("a.csv", "name,lon,lat\n" + before + row)
    assert (
        len(folder.read("a.csv", "name,lon,lat\n" + before + '"a,1.5,2.5\n' + after, "lat", csv={"quote": ""}))
        == above + 10
    )


def _open(folder: Folder, text: str) -> Iterator[Batch]:
    (folder.root / "a.csv").write_text(text)
    return open_source(Request("a.csv", folder.root / "a.csv", ("name",))).batches


def test_texts_of_several_lines_are_values(folder: Folder) -> None:
    text = "name,lon,lat\n" + '"Monday, 9\nTuesday, 9\n\nWednesday, Thursday, 9\nFriday",1.5,2.5\n' * 3000 + "\n\n\n"
    assert len(folder.read("a.csv", text)) == 3000
    hours = '"Mo, 9-12, 14-17\nTu, 9-12, 14-17\nWe, 9-12, 14-17\nTh, 9-12, 14-17\n",1.5,2.5\n'
    assert len(folder.read("a.csv", "name,lon,lat\n" + hours * 3000)) == 3000
    shape = '"{""type"":""LineString"",""coordinates"":[\n[1.5, 2, 0],\n[2.5, 3, 0],\n[2.5, 4, 0],\n[2.5, 5, 0]\n]}"'
    text = "id,name,kind,geometry\n" + "".join(f"{n},a,b,{shape}\n" for n in range(3000))
    assert sum(len(batch) for batch in _open(folder, text)) == 3000


def test_rows_wider_than_the_header_are_broken_and_move_no_value(folder: Folder) -> None:
    (folder.root / "a.csv").write_text("lon,lat,name\n" + "1,13.4,52.5,oak\n" * 5)
    (batch,) = open_source(Request("a.csv", folder.root / "a.csv", ("name",))).batches
    assert len(batch) == 0
    assert {broken.reason for broken in batch.broken} == {"4 values where the header has 3"}
    assert folder.read("a.csv", "name,lon,lat\na,1.5,2.5,\nb,3.5,4.5,\n") == ROWS  # blanks beyond it are nothing


def test_what_cannot_be_read_as_it_is_says_why(folder: Folder) -> None:
    with pytest.raises(LoadError, match="a pointer of Git LFS, not the data itself"):
        folder.read("a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(LoadError, match="is JSON in UTF-16; save it as UTF-8"):
        folder.read("a.geojson", COLLECTION.encode("utf-16"))
    with pytest.raises(LoadError, match=r"the columns 'lon' and 'lat' hold no plain numbers, .* but \"13°"):
        folder.read("a.csv", "name,lon,lat\na,13°24'E,52°30'N\n")


def test_areas_of_openstreetmap_have_ids_whether_ways_or_relations(folder: Folder) -> None:
    corners = "".join(f'<node id="{n}" lat="{n % 2}" lon="{n // 2}" version="1"/>' for n in range(1, 4))
    ring = "".join(f'<nd ref="{n}"/>' for n in (1, 2, 3, 1))
    ways = f'<way id="7" version="1">{ring}<tag k="building" v="yes"/></way><way id="8" version="1">{ring}</way>'
    relation = '<relation id="7" version="1"><member type="way" ref="8" role="outer"/><tag k="type" v="multipolygon"/>'
    text = (
        f'<?xml version="1.0"?><osm version="0.6">{corners}{ways}{relation}<tag k="building" v="yes"/></relation></osm>'
    )
    (folder.root / "a.osm").write_text(text)
    request = Request("a.osm", folder.root / "a.osm", ("@id",), layer="multipolygons")
    assert sorted(name for batch in open_source(request).batches for name in batch.columns["@id"].to_pylist()) == [
        "7",
        "way/7",
    ]


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.csv", b"%PDF-1.7\n", "is a PDF document"),
        ("a.geojson", b"\x89PNG\r\n\x1a\n" + bytes(99), "is a picture"),
        ("a.csv", zipped(**{"a.csv": PLAIN}), "is a zip archive or a workbook"),
        ("a.csv", gzip.compress(PLAIN.encode(), mtime=0), r"is packed by gzip; name it a\.csv\.gz"),
        ("a.gpkg", b"PAR1", "is a Parquet file"),
        ("a.csv", COLLECTION, "is JSON, whatever its ending says"),
        ("a.geojson", b"\0\0\x27\x0a" + bytes(996), "is not recognized"),  # the beginning of a Shapefile
    ],
)
def test_files_of_another_kind_than_their_ending_say_which(
    folder: Folder, name: str, data: str | bytes, what: str
) -> None:
    with pytest.raises(LoadError, match=what):
        folder.read(name, data)


def test_positions_may_have_grouped_thousands(folder: Folder) -> None:
    text = "name;x;y\na;389.123,5;5.820.123,5\nb;389.223,5;5.820.223,5\n"
    assert folder.read("a.csv", text) == [("a", 389123.5, 5820123.5), ("b", 389223.5, 5820223.5)]


def test_a_pbf_that_ends_too_early_is_refused(folder: Folder) -> None:
    block = b"\0\0\0\x0d" + b"\x0a\x07OSMData" + b"\x12\x00" + b"\x18\x05" + b"12345"
    for data, why in (
        (block + block[:-1], "ends too early"),
        (block + block[:9], "ends too early"),
        (block, "(?!ends)"),
    ):
        with pytest.raises(LoadError, match=f"^a.osm.pbf: {why}"):
            folder.read("a.osm.pbf", data, layer="points")


def test_files_that_end_too_early_are_refused(folder: Folder) -> None:
    frame = geopandas.GeoDataFrame({"name": ["a"] * 50}, geometry=[shapely.Point(1.5, 2.5)] * 50, crs=4326)
    for name, part in (("a.shp", "a.shp"), ("b.shp", "b.dbf"), ("a.gml", "a.gml"), ("a.gpx", "a.gpx")):
        frame.to_file(folder.root / name, **({"driver": "GPX"} if name == "a.gpx" else {}))
        whole = (folder.root / part).read_bytes()
        assert len(folder.read(name, (folder.root / name).read_bytes())) == 50
        (folder.root / part).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(LoadError, match=f"^{name}: ends too early"):
            folder.read(name, (folder.root / name).read_bytes())
