"""What other catalogues harvest: DCAT-AP 3, proven by shapes, and DCAT-US."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyshacl import validate
from rdflib import DCAT, DCTERMS, FOAF, RDF, Graph, Literal, URIRef
from rdflib.compare import isomorphic

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SHAPES = Path(__file__).parent / "dcat_shapes.ttl"


def read_graph(client: TestClient, address: str, kind: str) -> Graph:
    answer = client.get(address)
    assert answer.status_code == 200
    return Graph().parse(data=answer.text, format=kind)


@pytest.fixture(scope="module")
def graph(client: TestClient) -> Graph:
    return read_graph(client, "/catalog.ttl", "turtle")


def list_shapes() -> list[Path]:
    """Ours, and the official ones where `GEOSERVER_DCAT_SHAPES` names their folder: they come from elsewhere."""
    official = os.environ.get("GEOSERVER_DCAT_SHAPES")
    return [SHAPES, *(sorted(Path(official).glob("*.ttl")) if official else [])]


@pytest.mark.parametrize("shapes", list_shapes(), ids=lambda path: path.name)
def test_the_catalogue_fits_the_shapes_of_dcat_ap(graph: Graph, shapes: Path) -> None:
    fits, _, report = validate(graph, shacl_graph=Graph().parse(shapes), inference="none")
    assert fits, report


def test_the_shapes_find_what_is_missing(graph: Graph) -> None:
    broken = Graph() + graph
    broken.remove((None, DCAT.accessURL, None))
    fits, _, report = validate(broken, shacl_graph=Graph().parse(SHAPES), inference="none")
    assert not fits
    assert "accessURL" in report


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own, in its reader
def test_turtle_and_json_say_the_same(client: TestClient, graph: Graph) -> None:
    assert isomorphic(graph, read_graph(client, "/catalog.jsonld", "json-ld"))


def test_every_dataset_is_in_it_with_its_ways_in_and_none_of_the_basemap(client: TestClient, graph: Graph) -> None:
    listed = [layer for layer in client.get("/api/layers").json()["layers"] if not layer["basemap"]]
    found = {str(item) for item in graph.objects(None, DCTERMS.identifier)}
    assert found == {layer["id"] for layer in listed}
    for dataset in graph.subjects(RDF.type, DCAT.Dataset):
        ways = list(graph.objects(dataset, DCAT.distribution))
        assert ways
        for way in ways:
            address = str(graph.value(way, DCAT.accessURL)).removeprefix("http://127.0.0.1")
            assert client.head(address).status_code == 200


def test_titles_are_there_in_every_language_that_the_layer_file_has(graph: Graph) -> None:
    crime = next(graph.subjects(DCTERMS.identifier, Literal("crime")))
    titles = {title.language for title in graph.objects(crime, DCTERMS.title) if isinstance(title, Literal)}
    assert {"en", "fr"} <= titles
    (catalog,) = graph.subjects(RDF.type, DCAT.Catalog)
    assert set(graph.objects(catalog, DCTERMS.title))
    languages = {str(one).rpartition("/")[2] for one in graph.objects(catalog, DCTERMS.language)}
    assert {"ENG", "DEU", "FRA"} <= languages
    assert graph.value(catalog, FOAF.homepage) == URIRef("http://127.0.0.1/")


def test_the_catalogue_is_made_once_for_the_same_data(client: TestClient) -> None:
    first = client.get("/catalog.jsonld")
    assert first.headers["content-type"] == "application/ld+json"
    again = client.get("/catalog.jsonld", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert "_:" not in client.get("/catalog.ttl").text, "a blank node is called otherwise each time"


def test_dcat_us_has_what_its_schema_demands(client: TestClient) -> None:
    found: dict[str, Any] = client.get("/data.json").json()
    assert found["conformsTo"] == "https://project-open-data.cio.gov/v1.1/schema"
    needed = {"title", "description", "keyword", "modified", "publisher", "contactPoint", "identifier", "accessLevel"}
    for dataset in found["dataset"]:
        assert needed <= dataset.keys()
        assert all(dataset[name] for name in needed)
        assert all(
            re.fullmatch(r"[-\w]+/[-\w]+(\.[-\w]+)*(\+[-\w]+)?", way["mediaType"]) for way in dataset["distribution"]
        )
        assert all(("downloadURL" in way) != ("accessURL" in way) for way in dataset["distribution"])


def test_dcat_us_is_in_the_readers_language(client: TestClient) -> None:
    def title(lang: str) -> str:
        found = json.loads(client.get("/data.json", params={"lang": lang}).text)["dataset"]
        return str(next(one["title"] for one in found if one["identifier"].endswith("/crime")))

    assert title("fr") != title("en")
