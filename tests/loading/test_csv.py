"""CSV as cities write it: what is found out, what the layer file says, and what is rejected."""

from __future__ import annotations

import gzip
import json

import pytest
from load_workspace import Workspace

from geoserver.errors import LoadError
from geoserver.model import CsvOptions

XY = "ST_X(geom), ST_Y(geom)"


@pytest.mark.parametrize(
    "header",
    ["lon,lat", "Longitude,Latitude", "x,y", "LONGITUD,LATITUD", "Longitude_dd,Latitude_dd", "Längengrad,Breitengrad"],
)
def test_coordinate_columns_are_found_by_their_names(workspace: Workspace, header: str) -> None:
    workspace.load(workspace.write("a.csv", f"name,{header}\na,13.4,52.5\n"))
    assert workspace.rows(XY) == [(13.4, 52.5)]


def test_columns_named_in_the_layer_file_are_taken(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat,real_e,real_n\n1,2,13.4,52.5\n")
    workspace.load(source, csv=CsvOptions(x="real_e", y="real_n"))
    assert workspace.rows(XY) == [(13.4, 52.5)]


def test_a_column_named_for_the_position_that_is_not_there_is_an_error(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat\n1,2\n")
    with pytest.raises(LoadError, match=r"a\.csv: has no column 'east' for the position; there are lon, lat"):
        workspace.load(source, csv=CsvOptions(x="east", y="lat"))


def test_a_declared_column_that_is_not_there_is_an_error(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat,kind\n1,2,a\n")
    with pytest.raises(LoadError, match=r"a\.csv: has no column 'sort'; there are lon, lat, kind"):
        workspace.load(source, fields={"sort": "text"})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_out(workspace: Workspace, separator: str) -> None:
    text = "name,lon,lat\na,13.4,52.5\nb,13.5,52.6\n".replace(",", separator)
    workspace.load(workspace.write("a.csv", text), fields={"name": "text"})
    assert workspace.rows("name") == [("a",), ("b",)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_encoding_is_found_out(workspace: Workspace, encoding: str) -> None:
    names = ["Straße", "Köln", "Neukölln", "Tempelhof-Schöneberg", "Müller", "Größe", "Bäckerei", "Übergang"]
    text = "name;lon;lat\n" + "".join(f"{name};13.4;52.5\n" for name in names)
    workspace.load(workspace.write("a.csv", text.encode(encoding)), fields={"name": "text"})
    assert [name for (name,) in workspace.rows("name")] == names


@pytest.mark.slow
def test_a_foreign_letter_late_in_the_file_counts_for_the_encoding(workspace: Workspace) -> None:
    text = "name,lon,lat\n" + "plain,13.4,52.5\n" * 100_000 + "Neukölln,13.4,52.5\n"
    workspace.load(workspace.write("a.csv", text.encode("cp1252")), fields={"name": "text"})
    assert workspace.rows("name")[-1] == ("Neukölln",)


def test_a_gzipped_file_is_read(workspace: Workspace) -> None:
    workspace.load(workspace.write("a.csv.gz", gzip.compress(b"lon,lat\n13.4,52.5\n")))
    assert workspace.rows(XY) == [(13.4, 52.5)]


def test_a_truncated_gzip_is_an_error_that_names_the_file(workspace: Workspace) -> None:
    whole = gzip.compress(("lon,lat\n" + "13.4,52.5\n" * 10_000).encode())
    source = workspace.write("a.csv.gz", whole[: len(whole) // 2])
    with pytest.raises(LoadError, match=r"a\.csv\.gz: cannot be read"):
        workspace.load(source)


def test_a_decimal_comma_is_found_out(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "x;y;height\n13,4;52,5;1.234,5\n")
    workspace.load(source, fields={"height": "number"})
    assert workspace.rows(f"{XY}, height") == [(13.4, 52.5, 1234.5)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("geo_point_2d", '"52.5, 13.4"'),
        ("Coordonnees", '"52.5,13.4"'),
        ("location", '"(52.5, 13.4)"'),
        ("lon_lat", '"13.4, 52.5"'),
        ("WKT", "POINT (13.4 52.5)"),
        ("geometry", '"{""type"": ""Point"", ""coordinates"": [13.4, 52.5]}"'),
    ],
)
def test_a_position_in_one_column_is_read(workspace: Workspace, name: str, value: str) -> None:
    options = CsvOptions(point=name) if name == "lon_lat" else CsvOptions()
    workspace.load(workspace.write("a.csv", f"name,{name}\na,{value}\n"), csv=options)
    assert workspace.rows(XY) == [(13.4, 52.5)]


def test_short_rows_are_filled_long_ones_of_blanks_cut_and_others_rejected(workspace: Workspace) -> None:
    text = "lon,lat,name,note\n1,2,a\n3,4,b,x,,\n5,6,c,x,y\n7,8,d,z\n"
    report = workspace.load(workspace.write("a.csv", text), fields={"name": "text", "note": "text"})
    assert sorted(workspace.rows("ST_X(geom), name, note")) == [(1, "a", None), (3, "b", "x"), (7, "d", "z")]
    assert report.reasons == {"5 values where the header has 4": 1}
    assert workspace.rejects() == [(4, "5 values where the header has 4")]


def test_a_rejected_row_is_kept_with_its_line_reason_and_declared_values(workspace: Workspace) -> None:
    text = "lon,lat,name\n1,2,a\n,,b\nfar,4,c\n0,0,d\n5,6,e\n"
    report = workspace.load(workspace.write("a.csv", text), fields={"name": "text"})
    assert (report.rows, report.rejected) == (2, 3)
    assert workspace.query("SELECT line, reason, fields FROM geoserver.rejects ORDER BY line") == [
        (3, "no position", {"name": "b"}),
        (4, "position cannot be read", {"name": "c"}),
        (5, "position is 0, 0", {"name": "d"}),
    ]


def test_values_may_hold_line_breaks_tabs_and_backslashes(workspace: Workspace) -> None:
    value = 'one\ntwo\tthree\\four "five" \\N ü'
    quoted = value.replace('"', '""')
    source = workspace.write("a.csv", f'lon,lat,name\n1,2,"{quoted}"\n3,4,plain\n')
    workspace.load(source, fields={"name": "text"})
    assert workspace.rows("name") == [(value,), ("plain",)]


@pytest.mark.parametrize("blank", ["", "NA", "None", "NULL", "null", "NaN", "N/A"])
def test_a_blank_is_null_and_no_mistake(workspace: Workspace, blank: str) -> None:
    source = workspace.write("a.csv", f"lon,lat,name,height\n1,2,a,3\n1,2,{blank},{blank}\n")
    report = workspace.load(source, fields={"name": "text", "height": "number"})
    assert workspace.rows("name, height") == [("a", 3.0), (None, None)]
    assert report.notes == {}


def test_na_among_country_codes_is_a_code(workspace: Workspace) -> None:
    codes = ["DE", "FR", "NA", "ZA", "IT", "ES", "PL"]
    source = workspace.write("a.csv", "lon,lat,code\n" + "".join(f"1,2,{code}\n" for code in codes))
    workspace.load(source, fields={"code": "text"})
    assert [code for (code,) in workspace.rows("code")] == codes


def test_a_value_that_does_not_parse_is_null_and_counted(workspace: Workspace) -> None:
    source = workspace.write("a.csv", 'lon,lat,height\n1,2," 70,814 "\n1,2,tall\n1,2,6.0\n1,2,<5\n')
    report = workspace.load(source, fields={"height": "integer"})
    assert workspace.rows("height") == [(70814,), (None,), (6,), (None,)]
    assert report.notes == {"height: no integer, left empty": 1, "height: suppressed, left empty": 1}
    assert report.rejected == 0


def test_a_time_that_does_not_parse_rejects_its_row(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat,at\n1,2,2024-01-01\n1,2,31/02/2023 25:61\n1,2,\n")
    report = workspace.load(source, fields={"at": "timestamp"}, time="at")
    assert workspace.rows("at::text") == [("2024-01-01 00:00:00+00",), (None,)]
    assert report.reasons == {"at is no timestamp": 1}


def test_coordinates_out_of_range_without_a_crs_ask_for_one(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "x,y\n441000,5820000\n441100,5820100\n")
    with pytest.raises(LoadError, match="no longitude and latitude; set crs"):
        workspace.load(source)
    workspace.load(source, crs="EPSG:25832")
    assert workspace.query("SELECT srid FROM geoserver.layers") == [(25832,)]


@pytest.mark.parametrize("content", ["", "\n\n", "lon,lat\n"])
def test_an_empty_file_is_an_error_and_a_bare_header_an_empty_layer(workspace: Workspace, content: str) -> None:
    source = workspace.write("a.csv", content)
    if content.strip():
        assert workspace.load(source).rows == 0
        assert workspace.count() == 0
    else:
        with pytest.raises(LoadError, match=r"a\.csv: is empty"):
            workspace.load(source)


def test_a_file_that_is_no_text_is_an_error(workspace: Workspace) -> None:
    source = workspace.write("a.csv", bytes(range(256)) * 40)
    with pytest.raises(LoadError, match=r"a\.csv: "):
        workspace.load(source)


def test_a_file_that_is_missing_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(LoadError, match=r"nowhere\.csv: there is no such file"):
        workspace.load("nowhere.csv")


def test_an_unknown_kind_of_file_lists_the_known_ones(workspace: Workspace) -> None:
    with pytest.raises(LoadError, match=r"no reader for this kind of file; expected one of .*\.csv"):
        workspace.load(workspace.write("a.docx", "x"))


def test_an_address_is_refused(workspace: Workspace) -> None:
    with pytest.raises(LoadError, match="sources are files and tables"):
        workspace.load("https://example.org/a.csv")


def test_lines_count_the_header_and_not_the_empty_ones(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat\n1,2\n\n,\n1,2,3\n\n3,4\n,\n")
    report = workspace.load(source)
    assert report.rows == 2
    assert workspace.rejects() == [
        (3, "no position"),
        (4, "3 values where the header has 2"),
        (6, "no position"),
    ]


@pytest.mark.parametrize(
    "header",
    [
        "Stra\u00dfe f\u00fcr B\u00e4ume",
        "Stra\u00dfe fu\u0308r Ba\u0308ume",
        "Stra\u00dfe\u00a0f\u00fcr\u202fB\u00e4ume ",
        "\ufeffStra\u00dfe  f\u00fcr B\u00e4ume\u200b",
    ],
)
@pytest.mark.parametrize("declared", ["Stra\u00dfe f\u00fcr B\u00e4ume", "Stra\u00dfe fu\u0308r Ba\u0308ume"])
@pytest.mark.parametrize("ending", [".csv", ".geojson"])
def test_names_that_look_the_same_are_the_same(workspace: Workspace, header: str, declared: str, ending: str) -> None:
    feature = {"type": "Feature", "properties": {header: "u\u0308"}}
    texts = {
        ".csv": f"{header},la\u0308nge,breite\nu\u0308,13.4,52.5\n",
        ".geojson": json.dumps(feature | {"geometry": {"type": "Point", "coordinates": [13.4, 52.5]}}),
    }
    options = CsvOptions(x="l\u00e4nge", y="breite") if ending == ".csv" else CsvOptions()
    source = workspace.write(f"a{ending}", texts[ending])
    workspace.load(source, fields={"name": ("text", declared)}, csv=options)
    assert workspace.rows("name") == [("u\u0308",)], "a value stays as it is"


def test_a_guess_of_the_encoding_is_told_with_an_example(workspace: Workspace) -> None:
    text = "name,lon,lat\nMüller,13.4,52.5\nMaier,13.4,52.5\n"
    fields = {"name": "text"}
    report = workspace.load(workspace.write("a.csv", text.encode("mac_roman")), fields=fields)
    ((note, count),) = report.notes.items()
    assert (note.split(", ")[1], count) == ("a guess; if letters are wrong", 1)
    assert [note.example for note in report.changed] == list(workspace.rows("name")[0])
    said = CsvOptions(encoding="mac_roman")
    assert not workspace.load("a.csv", fields=fields, csv=said, force=True).notes
    assert workspace.rows("name") == [("Müller",), ("Maier",)]
    assert not workspace.load(workspace.write("b.csv", text), fields=fields).notes
