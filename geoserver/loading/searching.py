"""What makes rows quick to be found by their text: one index over the searched fields of a layer, and their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Identifier

from geoserver.catalog.searched import list_searched

if TYPE_CHECKING:
    import psycopg

    from geoserver.model import Layer

__all__ = ["build_search_index", "write_words"]

_MOST_FIELDS = 32  # columns of an index, as PostgreSQL is built
_MOST_TEXTS = 100_000  # different texts of a layer of which words are taken
_LONGEST = 40  # letters of a word
_FIND_TRIGRAMS = """
    SELECT nspname FROM pg_opclass JOIN pg_namespace AS n ON n.oid = opcnamespace WHERE opcname = 'gin_trgm_ops' LIMIT 1
"""


def build_search_index(connection: psycopg.Connection, layer: Layer, table: str) -> None:
    """Trigrams of each searched field, folded; without `pg_trgm` there is none, and all rows are looked through."""
    names = list_searched(layer)[:_MOST_FIELDS]
    found = connection.execute(_FIND_TRIGRAMS).fetchone()
    if not names or found is None:
        return
    columns: list[Composable] = [
        SQL("geoserver.fold({}) {}").format(Identifier(name), Identifier(str(found[0]), "gin_trgm_ops"))
        for name in names
    ]
    # Nobody writes while it is made, and what is written later should not make the next search slow.
    connection.execute(
        SQL("CREATE INDEX {} ON {} USING gin ({}) WITH (fastupdate = off)").format(
            Identifier(f"{table}__search"), Identifier("layers", table), SQL(", ").join(columns)
        )
    )


def write_words(connection: psycopg.Connection, layer: Layer, table: str) -> None:
    """Keep the words of the searched fields, to know what a mistyped one may have been. Nobody is ever shown them."""
    connection.execute("DELETE FROM geoserver.words WHERE layer = %s", [layer.id])
    names = list_searched(layer)
    if not names:
        return
    texts = [
        SQL("SELECT DISTINCT {name} AS text FROM {table} WHERE {name} ~ '[^\\x01-\\x40]{{4}}'").format(
            name=Identifier(name), table=Identifier("layers", table)
        )
        for name in names
    ]
    connection.execute(
        SQL(
            "INSERT INTO geoserver.words (layer, word) SELECT DISTINCT {layer}, word FROM ({texts} LIMIT {most}) AS t,"
            " regexp_split_to_table(geoserver.fold(text) COLLATE \"und-x-icu\", '[^[:alpha:]]+') AS word"
            " WHERE length(word) BETWEEN 4 AND {longest}"
        ).format(layer=layer.id, texts=SQL(" UNION ").join(texts), most=_MOST_TEXTS, longest=_LONGEST)
    )
