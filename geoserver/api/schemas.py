"""The documents of the layer API, as OpenAPI describes them; answers are written straight to JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from geoserver.fieldtypes import FieldType

__all__ = [
    "Feature",
    "LayerDetail",
    "LayerEntry",
    "LayerList",
    "LayerParts",
    "Problem",
    "ReadingList",
    "RejectList",
    "Searched",
    "Summary",
    "TileJson",
    "sometimes",
]

type Scalar = str | int | float | bool | None
type Bounds = tuple[float, float, float, float]


def sometimes(description: str = "") -> Any:
    """A member that is left out where there is nothing to say."""
    return Field(default_factory=lambda: None, description=description or None)


class Link(BaseModel):
    rel: str
    type: str
    href: str
    title: str


class Nouns(BaseModel):
    """Words for rows: a report, many reports."""

    one: str
    many: str


class LiveEntry(BaseModel):
    """How rows of a layer come and go."""

    expires: float | None = Field(description="Seconds after `field` when a row leaves; null where it stays.")
    field: str | None = Field(description="The field that tells when a row was true.")
    age: float = Field(description="Seconds that counts, facets and ranges may be behind the rows.")


class LayerEntry(BaseModel):
    """A layer as the catalogue lists it."""

    id: str
    title: str
    description: str
    theme: str
    kind: str = Field(description="The recipe that its tiles are made by, or where else they come from.")
    geometry: Literal["points", "lines", "polygons"] | None = Field(
        description="What its rows are on the map; null when that is not one of these, or not known."
    )
    keywords: list[str]
    field_titles: list[str] = Field(description="What its fields are called, to be searched.")
    license: str = Field(description="SPDX identifier.")
    attribution: str
    basemap: bool = Field(description="Drawn under the data rather than offered as a dataset.")
    visible: bool = Field(description="Switched on when the viewer opens.")
    order: int
    bounds: Bounds | None = Field(description="west, south, east, north in degrees; null when the layer is empty.")
    count: int | None = Field(description="Rows; null when the layer has tiles and nothing else.")
    rejected: int = Field(description="Rows of the source that could not be served.")
    updated: str = Field(description="When it was loaded.")
    version: str = Field(description="Of its rows: another one after every load and every edit.")
    time: str | None = Field(description="The field that `datetime` acts on.")
    label: str | None = Field(description="What titles a feature: text with names of fields in braces.")
    nouns: Nouns | None = Field(description="What its rows are; null where nobody said it in this language.")
    language: str | None = Field(description="Of title, description and nouns; null where nobody said.")
    description_language: str = sometimes("Of the description, where it is another one.")
    theme_language: str = sometimes("Of the theme, where it is another one.")
    theme_key: str = sometimes(
        "The theme in the first language, where it is said in another one: layers are grouped by it."
    )
    data_language: str | None = Field(description="Of the values in its rows; null where nobody said.")
    features_from: int = Field(description="The zoom from which on tiles hold every feature.")
    access: Literal["restricted", "draft"] = sometimes("Who sees it, where not everybody does.")
    access_title: str = sometimes("The same as a word in the reader's language.")
    live: LiveEntry = sometimes("That its rows change all the time, where its file says so.")
    tiles: Literal["ready", "preparing"] = Field(description="preparing: right, but slower, until all is made ahead.")
    links: list[Link]


class CityLink(BaseModel):
    rel: Literal["imprint", "contact", "terms", "privacy", "accessibility", "signin", "datasets"]
    title: str
    href: str


class Camera(BaseModel):
    """The middle of a map, and its zoom."""

    lon: float
    lat: float
    zoom: float


class Home(BaseModel):
    """Where the map opens: a rectangle to be fitted into the view, or else a place and a zoom."""

    bounds: Bounds | None
    camera: Camera | None


class CityEntry(BaseModel):
    """Whose map this is, as `city.toml` says it."""

    title: str
    tagline: str
    description: str
    publisher: str
    language: str | None = Field(description="Of these words; null where nobody said.")
    languages: list[str] = Field(description="Those that the page is offered in.")
    logo: str | None = Field(description="Address of an SVG or PNG.")
    home: Home
    limits: Bounds | None = Field(description="Where its rows lie; null where nobody said.")
    links: list[CityLink]


class LayerList(BaseModel):
    city: CityEntry
    layers: list[LayerEntry]


class LayerParts(BaseModel):
    """The list when `fields` are asked for: entries with these members of `LayerEntry`."""

    city: CityEntry
    layers: list[dict[str, Any]]


class Choice(BaseModel):
    value: Scalar
    label: str
    count: int


class Threshold(BaseModel):
    """A value that those of a field are judged by, such as a legal limit."""

    value: float
    title: str
    language: str = sometimes("Of the title, where it is not the field's.")


class FieldEntry(BaseModel):
    """A declared field; `choices` with filter=choice, `min` and `max` with filter=range."""

    name: str
    title: str
    description: str
    type: FieldType
    unit: str
    filter: Literal["choice", "range", "search", "none"]
    labels: dict[str, str]
    limits: list[Threshold]
    access_title: str = sometimes("Restricted, in the reader's language, where not everybody sees it.")
    latest: bool
    language: str | None = Field(description="Of title, description and unit.")
    description_language: str = sometimes("Of the description, where it is another one.")
    labels_language: str | None = Field(description="Of the labels.")
    untranslated_labels: list[str] = sometimes("Values whose labels are in `data_language` all the same.")
    choices: list[Choice] | None = None
    min: float | str | None = None
    max: float | str | None = None


class ReadingsEntry(BaseModel):
    time: str
    fields: list[FieldEntry]


class Look(BaseModel):
    """What differs on a dark base."""

    color: str = sometimes()
    stroke: str = sometimes()
    stroke_width: float = sometimes()
    size: float = sometimes()
    opacity: float = sometimes()
    dash: list[float] = sometimes()


class LegendEntry(BaseModel):
    """How a style draws one class of a layer's features."""

    kind: Literal["circle", "line", "fill"]
    label: str
    color: str
    size: float = sometimes("Radius of a circle, width of a line, in pixels.")
    stroke: str = sometimes("Colour of the outline.")
    stroke_width: float = sometimes("Width of a circle's outline, in pixels.")
    opacity: float = sometimes()
    dash: list[float] = sometimes("Lengths of line and gap, in widths of the line.")
    title: str = sometimes("What is measured; it ends in the unit where the labels have no room for it.")
    value: Scalar | list[Scalar] = sometimes("The value or values that are drawn like this.")
    language: str = sometimes("Of the label, where it is not the layer's.")
    title_language: str = sometimes("Of the title, where it is not the layer's.")
    dark: Look = sometimes()


class ParameterEntry(BaseModel):
    """What a request for tiles may say to a layer of kind `function`."""

    name: str
    title: str
    description: str
    type: FieldType
    unit: str
    default: Scalar
    minimum: Scalar
    maximum: Scalar
    choices: list[Scalar]


class BinsLegendEntry(LegendEntry):
    """A class of counts from `from` to `to`, both included; `to` is null in the last class."""

    model_config = ConfigDict(populate_by_name=True)

    from_: float = Field(alias="from")
    to: float | None


class BinsLegendAt(BaseModel):
    """The classes of bins from a zoom on."""

    minzoom: int
    legend: list[BinsLegendEntry]


class BinsEntry(BaseModel):
    """The bins, square cells that stand for features in tiles below `features_from`, in MVT layer `{id}:bins`."""

    title: str | None = Field(description="What the style calls them; null leaves it to the reader.")
    title_language: str = sometimes("Of the title, where it is not the layer's.")
    facet: str | None = Field(description="The field whose values are counted in each bin.")
    values: list[str] = Field(description="Its values with a count of their own, the most frequent first.")
    legend: list[BinsLegendEntry]
    legends: list[BinsLegendAt]


class Note(BaseModel):
    """What the last load changed in rows that it kept: values left empty, geometries repaired."""

    field: str = Field(description="The field; empty for the geometry.")
    what: str = Field(description='What was done, and why: "no integer, left empty".')
    count: int
    example: str = Field(description="One of the values as the source has it; may be empty.")


class DownloadEntry(BaseModel):
    format: str = Field(description="As `/download/{layer_id}.{format}` names it.")
    of: Literal["features", "readings"]
    title: str
    media_type: str
    href: str
    bytes: int = Field(description="Of the whole layer, roughly.")
    limits: list[str] = Field(description="What of this layer the format cannot hold.")
    lonlat: bool = Field(description="Its positions can be longitude and latitude alone; `crs` has no other use.")


class LayerDetail(LayerEntry):
    crs: str | None = Field(description="In which the rows are stored, as `EPSG:25832`; null where there are none.")
    fields: list[FieldEntry]
    notes: list[Note]
    parameters: list[ParameterEntry]
    readings: ReadingsEntry | None
    downloads: list[DownloadEntry]
    legend: list[LegendEntry]
    bins: BinsEntry | None = Field(description="null where the style draws no bins.")


class Count(BaseModel):
    value: Scalar
    count: int


class Bin(BaseModel):
    """From `from` up to, not including, `to`; the last bin of numbers includes it."""

    model_config = ConfigDict(populate_by_name=True)

    from_: float | str = Field(alias="from")
    to: float | str
    count: int


class Histogram(BaseModel):
    min: float | str | None
    max: float | str | None
    bins: list[Bin]


class Summary(BaseModel):
    """What a filter leaves of a layer."""

    layer: str
    count: int
    total: int
    facets: dict[str, list[Count]]
    histograms: dict[str, Histogram]


class Feature(BaseModel):
    """A GeoJSON feature in lon/lat (CRS84)."""

    type: Literal["Feature"]
    id: int
    geometry: dict[str, Any] | None
    properties: dict[str, Scalar]
    links: list[Link]


class ReadingList(BaseModel):
    layer: str
    fid: int
    time: str
    fields: list[FieldEntry]
    readings: list[dict[str, Scalar]]


class Reject(BaseModel):
    line: int = Field(description="Line or row in the source.")
    reason: str
    raw: str = Field(
        description="Its values of declared fields, as name=value; empty where columns cannot be told apart."
    )


class RejectList(BaseModel):
    count: int
    rejects: list[Reject]


class VectorLayer(BaseModel):
    """A layer inside the tiles; `bins_of` names the layer whose features it counts in bins."""

    model_config = ConfigDict(extra="allow")

    id: str
    fields: dict[str, str]


class TileJson(BaseModel):
    """TileJSON 3.0.0; `features_from` is the zoom from which on a tile holds every feature."""

    model_config = ConfigDict(extra="allow")

    tilejson: Literal["3.0.0"]
    name: str
    tiles: list[str]
    minzoom: int
    maxzoom: int
    bounds: Bounds
    center: tuple[float, float, int]
    attribution: str
    features_from: int
    vector_layers: list[VectorLayer]


class Place(BaseModel):
    title: str = Field(description="Its name, in the reader's language where it is known; a house's street and number.")
    near: str | None = Field(description="The settlement or quarter beside it.")
    kind: str | None = Field(description="What it is, as the basemap says it.")
    layer: str
    id: int = Field(description="Of the feature, or of a piece of the street.")
    at: list[float] = Field(description="A point on it, as longitude and latitude.")
    bounds: list[float] = Field(description="West, south, east, north.")


class FoundSpot(BaseModel):
    title: str = Field(description="Latitude and longitude, for people.")
    kind: str = Field(description="The notation: degrees, utm, mgrs, plus, geo, link, or EPSG:2056 and the like.")
    at: list[float] = Field(description="Longitude and latitude.")


class FoundLayer(BaseModel):
    layer: str
    title: str
    theme: str
    field: str | None = Field(description="The field by whose name it was found; else null.")
    field_title: str | None


class FoundValue(BaseModel):
    """A value of a choice field: chosen, it is a filter."""

    layer: str
    layer_title: str
    field: str
    field_title: str
    value: Scalar
    label: str = Field(description="The value, in the reader's language where the layer file has it.")
    count: int


class FoundFeature(BaseModel):
    layer: str
    layer_title: str
    id: int
    title: str
    text: str | None = Field(description="By what it was found, where that is not in its title.")
    at: list[float] = Field(description="A point on it, as longitude and latitude.")
    bounds: list[float] = Field(description="West, south, east, north.")


class Searched(BaseModel):
    """What is called so, the best first; members are those that `parts` asks for."""

    at: list[FoundSpot] = sometimes("Places that the text says as coordinates.")
    layers: list[FoundLayer] = sometimes("By title, theme, keywords, names of fields, description.")
    values: list[FoundValue] = sometimes("Of choice fields.")
    places: list[Place] = sometimes("Places, streets and addresses of the basemap.")
    features: list[FoundFeature] = sometimes("By searched fields and titles.")
    incomplete: list[str] = Field(description="Parts of which there may be more: they took too long. Ask again.")


class Problem(BaseModel):
    """What went wrong (RFC 9457): which parameter, which value, and what was expected."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = None
    value: str | None = None
    expected: str | None = None
