"""Files of layers in part: none holds, in any format, what its reader may not see."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest
from gated import CANARY, NUMBER, City, open_city

from geoserver.formats import read_formats
from geoserver.gate.making import Wish, make
from geoserver.model import Grant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 10
# Owners, lost rows, amounts, and the titles of fields that are restricted.
HIDDEN = re.compile(rf"{CANARY} (\d|lost)|{NUMBER // 1000}\d\d\d|(Owner|Pay|Pulse) {CANARY}")


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[City]:
    folder, url = tmp_path_factory.mktemp("files") / "city", make_database(template=empty_template)
    with open_city(folder, url) as found:
        # Rows are theirs by a field that they do not see.
        grant = Grant(frozenset({"people"}), rows=f"zone = 'a' AND pay < {NUMBER + ROWS}")
        with psycopg.connect(url, autocommit=True) as connection:
            found.keys["payer"] = make(connection, Wish("payer", (grant,)), "test", "")[1]
        yield found


def read_all(name: str, content: bytes) -> str:
    """All that stands in a file, packed or not."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = b"\n".join(archive.read(member) for member in archive.namelist())
    if name == "parquet":
        table = pq.read_table(io.BytesIO(content))
        return f"{table.to_pydict()} {table.schema.metadata} {table.schema}"
    return content.decode("utf-8", "replace")


@pytest.mark.parametrize("name", list(read_formats()))
def test_no_format_holds_what_its_reader_may_not_see(city: City, name: str) -> None:
    def ask(caller: str, path: str) -> Any:
        return city.ask(caller, f"/download/{path}")

    assert HIDDEN.search(read_all(name, ask("full", f"people.{name}?lang=en").content)), "it would be found"
    for caller, layer in (("rows", "people"), ("payer", "people"), ("nobody", "homes")):
        answer = ask(caller, f"{layer}.{name}?lang=en")
        if answer.status_code == 404:
            assert "format" in answer.json()["detail"]
            continue
        assert answer.status_code == 200
        found = HIDDEN.search(read_all(name, answer.content))
        assert found is None, (caller, found)
        if layer == "people":
            assert answer.headers["cache-control"] == "private, no-store"
            assert "accept-ranges" not in ask(caller, f"{layer}.{name}?lang=en").headers
    for caller, layer, field in (("rows", "people", "pay"), ("payer", "people", "pay"), ("nobody", "homes", "owner")):
        for query in (f"filter={field} IS NOT NULL", f"sort={field}", f"fields={field}", f"{field}=1"):
            hidden = ask(caller, f"{layer}.{name}?{query}")
            missing = ask(caller, f"{layer}.{name}?{query.replace(field, 'xyz')}")
            assert hidden.status_code == missing.status_code == 400, query
            assert hidden.text.replace(field, "xyz") == missing.text
    assert ask("nobody", f"people.{name}").status_code == 404


def test_who_has_rows_by_a_hidden_field_gets_those_and_no_others(city: City) -> None:
    whole = city.ask("payer", "/download/people.csv").text.splitlines()
    assert len(whole) - 1 == ROWS
    assert "pay" not in whole[0]
    assert f"Rows: {ROWS}\n" in city.ask("payer", "/download/people.readme.txt").text
    assert len(city.ask("full", "/download/people.csv").text.splitlines()) - 1 > 200
