"""Files that try to make their reader look elsewhere: at other files, or over the network."""

from __future__ import annotations

import http.server
import io
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoserver.errors import LoadError
from geoserver.sources import Request, open_source, read_suffixes

SECRET = "lon,lat,name\n13.4,52.5,secret-value\n"
ENDINGS = [  # one of each reader and driver
    *(".geojson", ".geojsonl", ".geojson.gz", ".fgb", ".gpkg", ".sqlite", ".shp", ".mif", ".kml", ".kmz", ".gpx"),
    *(".gml", ".osm", ".pbf", ".dxf", ".csv", ".csv.gz", ".parquet", ".xlsx", ".zip"),
]


class Calls(http.server.BaseHTTPRequestHandler):
    """Counts who calls, and would give what is asked for."""

    seen: list[str] = []  # noqa: RUF012 - one for all

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(SECRET.encode())

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names that the library calls

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Calls) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "secret.csv"
    path.write_text(SECRET)
    return path


def documents(url: str, secret: Path) -> dict[str, str]:
    """Texts that drivers of GDAL take for descriptions of a source that lies elsewhere."""
    layer = (
        '<OGRVRTLayer name="secret"><SrcDataSource>{}</SrcDataSource><GeometryType>wkbNone</GeometryType></OGRVRTLayer>'
    )
    return {
        "vrt": f"<OGRVRTDataSource>{layer.format(secret)}</OGRVRTDataSource>",
        "vrt-web": f"<OGRVRTDataSource>{layer.format('/vsicurl/' + url + '/a.csv')}</OGRVRTDataSource>",
        "wfs": f"<OGRWFSDataSource><URL>{url}/wfs?</URL></OGRWFSDataSource>",
        "oapif": f"<OGROAPIFDataSource><URL>{url}/ogc</URL></OGROAPIFDataSource>",
        "csw": f"<OGRCSWDataSource><URL>{url}/csw</URL></OGRCSWDataSource>",
        "wms": f'<GDAL_WMS><Service name="WMS"><ServerUrl>{url}/wms?</ServerUrl></Service></GDAL_WMS>',
        "gml-schema": '<?xml version="1.0"?><a:FeatureCollection xmlns:a="http://www.opengis.net/wfs"'
        ' xmlns:gml="http://www.opengis.net/gml" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="http://x {url}/a.xsd http://y {secret}"><gml:featureMember><a:f><a:n>1</a:n>'
        '<gml:Point xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' xlink:href="{url}/p#1"/></a:f></gml:featureMember></a:FeatureCollection>',
        "entity": f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}">'
        f'<!ENTITY % p SYSTEM "{url}/e.dtd"> %p;]>'
        "<kml><Document><Placemark><name>&e;</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
        "</Document></kml>",
        "network-link": '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><NetworkLink><Link>'
        f"<href>{url}/more.kml</href></Link></NetworkLink></Document></kml>",
        "gpx-entity": f'<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY e SYSTEM "{secret}">]><gpx version="1.1">'
        '<wpt lat="1" lon="2"><name>&e;</name></wpt></gpx>',
        "esri": f'{{"type":"FeatureCollection","url":"{url}/q","features":[{{"type":"Feature","properties":{{}},'
        f'"geometry":{{"type":"Point","coordinates":[1,2],"href":"/vsicurl/{url}/x"}}}}],"next":"{url}/page2",'
        f'"links":[{{"rel":"next","href":"{url}/page3"}}],"crs":{{"type":"link","properties":{{"href":"{url}/crs",'
        '"type":"proj4"}}}',
        "gdalg": f'{{"type":"gdal_streamed_alg","command_line":"gdal vector pipeline ! read {secret}"}}',
        "pipe": f"/vsicurl/{url}/a.geojson",
        "path": str(secret),
        "mapml": f'<mapml- ><map-head><map-link href="{url}/x"/></map-head></mapml->',
        "topojson": f'{{"type":"Topology","objects":{{}},"arcs":[],"href":"{url}/t"}}',
    }


def read(path: Path, layer: str = "") -> str:
    """All that can be got out of a file, as text: its columns and all their values, or the error."""
    out = []
    try:
        opened = open_source(Request(path.name, path, (), positions=False, layer=layer))
        names = opened.columns
        out += [str(names), str(opened.samples), str(opened.crs)]
        opened = open_source(Request(path.name, path, names, positions=False, layer=layer))
        out += [str(column.to_pylist()) for batch in opened.batches for column in batch.columns.values()]
    except LoadError as error:
        out.append(str(error))
    return "\n".join(out)


def test_every_ending_that_is_tried_is_one_that_is_read() -> None:
    assert set(ENDINGS) <= set(read_suffixes())


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_ending_makes_a_description_of_another_source_be_followed(
    server: str, secret: Path, tmp_path: Path, ending: str
) -> None:
    Calls.seen.clear()
    folder = tmp_path / "data"
    folder.mkdir()
    for name, text in documents(server, secret).items():
        path = folder / f"{name}{ending}"
        path.write_text(text)
        assert "secret-value" not in read(path)
    assert Calls.seen == []


@pytest.mark.slow
def test_a_description_in_a_zip_or_beside_the_file_is_not_followed(server: str, secret: Path, tmp_path: Path) -> None:
    Calls.seen.clear()
    texts = documents(server, secret)
    for name, text in texts.items():
        for inner in ("x.geojson", "x.kml", "x.csv", "x.shp"):
            path = tmp_path / "x.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for suffix in ("dbf", "shx", "prj", "vrt"):
                    archive.writestr(f"x.{suffix}", text)
                archive.writestr(inner, text)
            assert "secret-value" not in read(path), (name, inner)
    for beside in ("x.vrt", "x.csvt", "x.prj", "x.aux.xml", "x.csv.vrt"):
        (tmp_path / beside).write_text(texts["vrt"])
    (tmp_path / "x.csv").write_text("lon,lat\n1,2\n")
    assert "['1']" in read(tmp_path / "x.csv")
    assert Calls.seen == []


def test_members_of_a_zip_with_links_or_paths_to_elsewhere_are_not_followed(secret: Path, tmp_path: Path) -> None:
    path = tmp_path / "links.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(secret))
    assert "no file in this zip" in read(path)
    for name in (f"../../{secret.name}", str(secret), "a/../../b.csv", "..\\b.csv"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "lon,lat,name\n1,2,inside\n")
        assert "inside" in read(path)
    assert secret.read_text() == SECRET


@pytest.mark.slow
def test_a_zip_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.csv", "w", force_zip64=True) as out,
    ):
        out.write(b"lon,lat\n")
        for _ in range(1100):
            out.write(b"\n" * (1 << 20))
    assert "times its size" in read(tmp_path / "bomb.zip")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", "lon,lat\n1,2\n")
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as archive:
        archive.writestr("a.zip", inner.getvalue())
    assert "no file in this zip is one of" in read(tmp_path / "nested.zip")


def test_a_database_file_runs_no_code_and_opens_no_other(server: str, secret: Path, tmp_path: Path) -> None:
    Calls.seen.clear()
    for ending in (".gpkg", ".sqlite", ".db"):
        path = tmp_path / f"a{ending}"
        connection = sqlite3.connect(path)
        connection.executescript(
            f"""
            PRAGMA application_id = 1196444487;
            CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
              organization_coordsys_id INTEGER, definition TEXT, description TEXT);
            CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, identifier TEXT, description TEXT,
              last_change TEXT, min_x REAL, min_y REAL, max_x REAL, max_y REAL, srs_id INTEGER);
            CREATE TABLE base (fid INTEGER PRIMARY KEY, a TEXT);
            INSERT INTO base VALUES (1, 'x');
            CREATE VIEW loaded AS SELECT 1 AS fid, load_extension('{secret}') AS a;
            CREATE VIEW opened AS SELECT 1 AS fid, ogr_datasource_load_layers('{secret}') AS a;
            CREATE VIEW asked AS SELECT 1 AS fid, gdal_get_layer_value('{secret}', 'x') AS a, readfile('{secret}') AS b;
            INSERT INTO gpkg_contents (table_name, data_type) VALUES ('loaded', 'attributes'), ('opened', 'attributes'),
              ('asked', 'attributes'), ('base', 'attributes'), ('far', 'attributes');
            PRAGMA writable_schema = ON;
            INSERT INTO sqlite_master VALUES ('table', 'far', 'far', 0,
              'CREATE VIRTUAL TABLE far USING VirtualOGR(''/vsicurl/{server}/a.csv'')');
            """
        )
        connection.commit()
        connection.close()
        for layer in ("loaded", "opened", "asked", "far", ""):
            assert "secret-value" not in read(path, layer)
    assert Calls.seen == []


def test_what_an_error_tells_of_a_file_is_short(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(
        "lon,lat," + "x" * 50_000_000 + "," + ",".join("y" * 10_000 + str(i) for i in range(60)) + "\n1,2,3\n"
    )
    with pytest.raises(LoadError, match="has no column 'name'") as caught:
        list(open_source(Request("long.csv", path, ("name",))).batches)
    assert len(str(caught.value)) < 10_000
