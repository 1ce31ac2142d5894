"""The city's datasets as DCAT-AP 3 and as DCAT-US: one document each, as JSON that is linked data, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import langcodes
import pyoxigraph

from geoserver.catalog.city_words import offered_languages, speak
from geoserver.catalog.licences import find_licence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from geoserver.database.status import LayerStatus
    from geoserver.model import Bounds, City, Layer, Words

__all__ = ["Distribution", "build_data_json", "build_dcat", "render_turtle"]

_PREFIXES = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "dcatap": "http://data.europa.eu/r5r/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geosparql": "http://www.opengis.net/ont/geosparql#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_IN_LANGUAGES = {"@container": "@language"}
_LINK = {"@type": "@id"}
_CONTEXT: dict[str, Any] = {
    **_PREFIXES,
    "title": {"@id": "dct:title", **_IN_LANGUAGES},
    "description": {"@id": "dct:description", **_IN_LANGUAGES},
    "keyword": {"@id": "dcat:keyword", **_IN_LANGUAGES},
    "prefLabel": {"@id": "skos:prefLabel", **_IN_LANGUAGES},
    "modified": {"@id": "dct:modified", "@type": "xsd:dateTime"},
    "byteSize": {"@id": "dcat:byteSize", "@type": "xsd:nonNegativeInteger"},
    "bbox": {"@id": "dcat:bbox", "@type": "geosparql:wktLiteral"},
    "publisher": "dct:publisher",
    "spatial": "dct:spatial",
    "rights": "dct:rights",
    "contactPoint": "dcat:contactPoint",
    "identifier": "dct:identifier",
    "inScheme": {"@id": "skos:inScheme", **_LINK},
    **{name: {"@id": f"dct:{name}", **_LINK} for name in ("accessRights", "conformsTo", "language", "license")},
    **{
        name: {"@id": f"dcat:{name}", **_LINK}
        for name in ("accessURL", "downloadURL", "endpointDescription", "endpointURL", "landingPage", "mediaType")
    },
    **{name: f"dcat:{name}" for name in ("dataset", "distribution", "service", "themeTaxonomy")},
    **{name: {"@id": f"dcat:{name}", **_LINK} for name in ("theme", "accessService", "servesDataset")},
    "format": {"@id": "dct:format", **_LINK},
    "homepage": {"@id": "foaf:homepage", **_LINK},
}
_AUTHORITY = "http://publications.europa.eu/resource/authority"
_FILE_TYPES = {  # by media type the code in the European table, where that has one
    "application/geo+json": "GEOJSON",
    "application/geopackage+sqlite3": "GPKG",
    "application/gpx+xml": "GPX",
    "application/json": "JSON",
    "application/vnd.apache.parquet": "PARQUET",
    "application/vnd.google-earth.kml+xml": "KML",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "application/zip": "ZIP",
    "text/csv": "CSV",
    "text/plain": "TXT",
}
_RIGHTS = {"public": "PUBLIC", "restricted": "RESTRICTED", "draft": "NON_PUBLIC"}
_RIGHTS_LENGTH = 255  # characters that DCAT-US has room for
_FEATURES = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core"


class Distribution(NamedTuple):
    """One way to have a dataset: a file, or an address of a service."""

    title: str
    media_type: str
    address: str
    is_file: bool = True
    size: int | None = None  # bytes


type Found = tuple[Layer, LayerStatus, Sequence[Distribution]]


def build_dcat(city: City, found: Sequence[Found], site: str) -> dict[str, Any]:
    """JSON-LD of the catalogue, valid by the shapes of DCAT-AP 3: what is not known stays out."""
    said = _in_all_languages(city)
    publisher = _build_publisher(city, said, site)
    contact = city.links.get("contact", "")
    reached = {"@id": f"{site}/catalog#contact", "@type": "vcard:Kind", "vcard:fn": publisher["foaf:name"]}
    reached["vcard:hasEmail" if contact.startswith("mailto:") else "vcard:hasURL"] = {"@id": contact}
    common = {"publisher": {"@id": publisher["@id"]}} | ({"contactPoint": reached} if contact else {})
    themes = _build_themes([layer for layer, _, _ in found], site)
    datasets = [_build_dataset(*one, site, common) for one in found]
    service = {
        "@id": f"{site}/ogc",
        "@type": "dcat:DataService",
        "title": said["title"],
        "endpointURL": f"{site}/ogc",
        "endpointDescription": f"{site}/ogc/openapi",
        "conformsTo": {"@id": _FEATURES, "@type": "dct:Standard"},
        "servesDataset": [one["@id"] for one, (layer, _, _) in zip(datasets, found, strict=True) if layer.has_rows],
    }
    newest = max((status.changed_at for _, status, _ in found), default=None)
    return {
        "@context": _CONTEXT,
        "@id": f"{site}/catalog",
        "@type": "dcat:Catalog",
        "title": said["title"],
        "description": said["description"],
        "publisher": publisher,
        "homepage": {"@id": f"{site}/", "@type": "foaf:Document"},
        "language": [one for tag in offered_languages(city) if (one := _build_language(tag))],
        **({"modified": newest.isoformat()} if newest else {}),
        **({"themeTaxonomy": {"@id": f"{site}/layers#themes", "@type": "skos:ConceptScheme", "title": said["title"],
                              "skos:hasTopConcept": themes}} if themes else {}),
        "service": service,
        "dataset": datasets,
    }  # fmt: skip


def build_data_json(city: City, found: Sequence[Found], site: str, preferred: Sequence[str]) -> dict[str, Any]:
    """DCAT-US 1.1 (Project Open Data), in one language."""
    spoken = speak(city, preferred)
    publisher = {"@type": "org:Organization", "name": spoken.publisher or spoken.title}
    contact = spoken.links.get("contact", "")
    card = {"@type": "vcard:Contact", "fn": publisher["name"]}
    card |= {"hasEmail": contact} if contact.startswith("mailto:") else {}
    return {
        "@context": "https://project-open-data.cio.gov/v1.1/schema/catalog.jsonld",
        "@id": f"{site}/data.json",
        "@type": "dcat:Catalog",
        "conformsTo": "https://project-open-data.cio.gov/v1.1/schema",
        "describedBy": "https://project-open-data.cio.gov/v1.1/schema/catalog.json",
        "dataset": [
            {
                "@type": "dcat:Dataset",
                "identifier": f"{site}/layers/{layer.id}",
                "title": layer.title,
                "description": layer.description or layer.title,
                "keyword": list(layer.keywords) or [layer.theme or layer.title],
                **({"theme": [layer.theme]} if layer.theme else {}),
                "modified": status.changed_at.isoformat(),
                "publisher": publisher,
                "contactPoint": card,
                "accessLevel": "public" if layer.access == "public" else "restricted public",
                **({"license": address} if (address := find_licence(layer.license).url) else {}),
                **({"rights": layer.attribution[:_RIGHTS_LENGTH]} if layer.attribution else {}),
                **({"spatial": ",".join(map(str, status.bounds.as_list()))} if status.bounds else {}),
                **({"language": [layer.spoken or layer.language]} if layer.language else {}),
                "landingPage": f"{site}/layers/{layer.id}",
                "distribution": [
                    {
                        "@type": "dcat:Distribution",
                        "title": one.title,
                        "mediaType": one.media_type.partition(";")[0],
                        ("downloadURL" if one.is_file else "accessURL"): one.address,
                    }
                    for one in distributions
                ],
            }
            for layer, status, distributions in found
        ],
    }


def render_turtle(document: bytes) -> bytes:
    """The same graph as Turtle, everything about a thing in one place."""
    quads = pyoxigraph.parse(document, format=pyoxigraph.RdfFormat.JSON_LD)
    about: dict[object, dict[pyoxigraph.Triple, None]] = {}  # each once, though the document may say a type again
    for quad in quads:
        about.setdefault(quad.subject, {})[quad.triple] = None
    triples = (triple for group in about.values() for triple in group)
    rendered = pyoxigraph.serialize(triples, format=pyoxigraph.RdfFormat.TURTLE, prefixes=_PREFIXES)
    assert rendered is not None  # noqa: S101 - it is None where an output was given
    return rendered


def _build_dataset(
    layer: Layer, status: LayerStatus, distributions: Iterable[Distribution], site: str, common: Mapping[str, Any]
) -> dict[str, Any]:
    page = f"{site}/layers/{layer.id}"
    address = find_licence(layer.license).url
    # Everything has an address, so that the same catalogue is the same bytes.
    rights = {"@id": f"{page}#rights", "@type": "dct:RightsStatement", "rdfs:label": layer.attribution or layer.license}
    return {
        "@id": f"{page}#dataset",
        "@type": "dcat:Dataset",
        "identifier": layer.id,
        "title": _say(layer, lambda words: words.title, layer.title),
        "description": _say(layer, lambda words: words.description, layer.description or layer.title),
        **({"keyword": {layer.language or "@none": list(layer.keywords)}} if layer.keywords else {}),
        "theme": _theme_address(layer, site),
        "landingPage": {"@id": page, "@type": "foaf:Document"},
        "modified": status.changed_at.isoformat(),
        "accessRights": {"@id": f"{_AUTHORITY}/access-right/{_RIGHTS[layer.access]}", "@type": "dct:RightsStatement"},
        **({"language": language} if (language := _build_language(layer.language)) else {}),
        **({"spatial": {"@id": f"{page}#place", **_build_place(status.bounds)}} if status.bounds else {}),
        **common,
        "distribution": [
            {
                "@id": f"{page}#{quote(one.address.rpartition('/')[2], safe='.')}",
                "@type": "dcat:Distribution",
                "title": {"@none": one.title},
                "accessURL": {"@id": one.address, "@type": "rdfs:Resource"},
                **({"downloadURL": {"@id": one.address, "@type": "rdfs:Resource"}} if one.is_file else {}),
                **({} if one.is_file else {"accessService": f"{site}/ogc"}),
                "mediaType": _media_type(one.media_type),
                **({"format": {"@id": f"{_AUTHORITY}/file-type/{code}", "@type": "dct:MediaTypeOrExtent"}}
                   if (code := _FILE_TYPES.get(one.media_type.partition(";")[0])) else {}),
                **({"byteSize": str(one.size)} if one.size is not None else {}),
                **({"license": {"@id": address, "@type": "dct:LicenseDocument"}} if address else {}),
                "rights": rights,
            }
            for one in distributions
        ],
    }  # fmt: skip


def _build_publisher(city: City, said: Mapping[str, Mapping[str, str]], site: str) -> dict[str, Any]:
    name = city.publisher or next(iter(said["title"].values()))
    return {"@id": f"{site}/catalog#publisher", "@type": "foaf:Agent", "foaf:name": name}


def _build_place(bounds: Bounds) -> dict[str, Any]:
    """A rectangle, or two where it crosses the antimeridian; lon/lat, as WKT without a CRS is."""
    west, south, east, north = bounds.as_list()

    def ring(left: float, right: float) -> str:
        return f"(({left} {south}, {right} {south}, {right} {north}, {left} {north}, {left} {south}))"

    if west <= east:
        text = f"POLYGON {ring(west, east)}"
    else:
        text = f"MULTIPOLYGON ({ring(west, 180.0)}, {ring(-180.0, east)})"
    return {"@type": "dct:Location", "bbox": text}


def _build_themes(layers: Iterable[Layer], site: str) -> list[dict[str, Any]]:
    scheme = f"{site}/layers#themes"
    found = {
        _theme_address(layer, site): {
            "@id": _theme_address(layer, site),
            "@type": "skos:Concept",
            "prefLabel": _say(layer, lambda words: words.theme, layer.theme),
            "inScheme": scheme,
        }
        for layer in layers
    }
    return list(found.values())


def _theme_address(layer: Layer, site: str) -> str:
    return f"{site}/layers#{quote(layer.theme_key or layer.theme, safe='')}"


def _say(layer: Layer, of: Callable[[Words], str], plain: str) -> dict[str, str]:
    """A text by language; what is in no stated language is under `@none`."""
    others = {tag: text for tag, words in layer.languages.items() if (text := of(words))}
    return {layer.language or "@none": plain} | others


def _in_all_languages(city: City) -> dict[str, dict[str, str]]:
    """Title and description of the city, or of a map without one, by language."""
    if city.title:
        tags = [city.language, *city.languages] if city.language else [""]
    else:
        tags = list(offered_languages(city))
    spoken = {tag or "@none": speak(city, (tag,) if tag else ()) for tag in tags}
    return {
        "title": {tag: one.title for tag, one in spoken.items()},
        "description": {tag: one.description or one.tagline or one.title for tag, one in spoken.items()},
    }


def _build_language(tag: str) -> dict[str, str]:
    """As the European table has it, which goes by codes of three letters; empty where a tag has none."""
    if not tag:
        return {}
    try:
        code = langcodes.get(tag).to_alpha3().upper()
    except (ValueError, LookupError):
        return {}
    return {"@id": f"{_AUTHORITY}/language/{code}", "@type": "dct:LinguisticSystem"}


def _media_type(name: str) -> dict[str, str]:
    plain = name.partition(";")[0]
    return {"@id": f"https://www.iana.org/assignments/media-types/{plain}", "@type": "dct:MediaType"}
