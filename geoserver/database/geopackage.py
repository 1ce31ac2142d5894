"""What stands beside the rows in a GeoPackage: what its fields mean, words about it, and a style for QGIS.

It is SQLite's SQL, in a file that GDAL has made. Tables are as the standard (OGC 12-128r18) and QGIS have them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Described", "write_beside"]

type Described = tuple[str, str, str, Mapping[str, str]]  # a field's name, title, description and labels

_TABLES = """
    CREATE TABLE IF NOT EXISTS gpkg_extensions (
        table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
        CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
    CREATE TABLE IF NOT EXISTS gpkg_data_columns (
        table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT,
        constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
        CONSTRAINT gdc_tn UNIQUE (table_name, name));
    CREATE TABLE IF NOT EXISTS gpkg_data_column_constraints (
        constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN,
        max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
        CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
    CREATE TABLE IF NOT EXISTS gpkg_metadata (
        id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, md_scope TEXT NOT NULL DEFAULT 'dataset',
        md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
    CREATE TABLE IF NOT EXISTS gpkg_metadata_reference (
        reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
        timestamp DATETIME NOT NULL, md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
        CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id));
"""
_EXTENSIONS = {
    "gpkg_data_columns": ("gpkg_schema", "http://www.geopackage.org/spec121/#extension_schema"),
    "gpkg_data_column_constraints": ("gpkg_schema", "http://www.geopackage.org/spec121/#extension_schema"),
    "gpkg_metadata": ("gpkg_metadata", "http://www.geopackage.org/spec121/#extension_metadata"),
    "gpkg_metadata_reference": ("gpkg_metadata", "http://www.geopackage.org/spec121/#extension_metadata"),
}
_STYLES = """
    CREATE TABLE layer_styles (
        id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
        f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
        useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)
"""


def write_beside(
    path: Path,
    table: str,
    geometry: str,
    *,
    fields: Iterable[Described],
    readme: str,
    moment: str,
    style: str = "",
) -> None:
    """Write names, titles, descriptions and labels of fields, the README, and a style in QML where there is one.

    `moment` is the time of the data, as RFC 3339 has it, so that the same rows make the same file.
    """
    with closing(sqlite3.connect(path)) as file:
        file.executescript(_TABLES)
        for name, (extension, definition) in _EXTENSIONS.items():
            row = (name, extension, definition)
            file.execute("INSERT OR IGNORE INTO gpkg_extensions VALUES (?, NULL, ?, ?, 'read-write')", row)
        for field in fields:
            _write_field(file, table, field)
        about = file.execute(
            "INSERT INTO gpkg_metadata (md_standard_uri, mime_type, metadata)"
            " VALUES ('https://www.rfc-editor.org/rfc/rfc2046', 'text/plain', ?)",
            (readme,),
        )
        file.execute(
            "INSERT INTO gpkg_metadata_reference VALUES ('table', ?, NULL, NULL, ?, ?, NULL)",
            (table, moment, about.lastrowid),
        )
        if style:
            file.execute(_STYLES)
            file.execute(
                "INSERT INTO layer_styles VALUES (1, '', '', ?, ?, ?, ?, '', 1, '', '', NULL, ?)",
                (table, geometry, table[:30], style, moment),
            )
            file.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)"
                " VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
                (moment,),
            )
        file.commit()


def _write_field(file: sqlite3.Connection, table: str, field: Described) -> None:
    name, title, description, labels = field
    constraint = f"{table}_{name}" if labels else None
    file.execute(
        "INSERT OR REPLACE INTO gpkg_data_columns VALUES (?, ?, ?, ?, ?, NULL, ?)",
        (table, name, name, title, description or None, constraint),
    )
    for value, label in labels.items():
        file.execute(
            "INSERT OR IGNORE INTO gpkg_data_column_constraints VALUES (?, 'enum', ?, NULL, NULL, NULL, NULL, ?)",
            (constraint, value, label),
        )
