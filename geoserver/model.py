"""What the whole house speaks of: layers, fields, readings, tiles. Frozen, and free of any library."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geoserver.fieldtypes import FieldType, Scalar

__all__ = [
    "ANY",
    "BINS",
    "GEOMETRIES",
    "AccessKind",
    "Bounds",
    "City",
    "CityWords",
    "CsvOptions",
    "Field",
    "FieldWords",
    "FilterKind",
    "Grant",
    "Layer",
    "Live",
    "May",
    "Parameter",
    "Picture",
    "Readings",
    "Threshold",
    "Tile",
    "TilePlan",
    "TimeUnit",
    "Words",
    "ZoomPlan",
]

ANY = "*"  # of a grant: every layer, or every restricted field
BINS = "bins"  # the recipe in tiles/ that is no kind of layer, and the end of the name of its MVT layers
GEOMETRIES = ("points", "lines", "polygons")
AccessKind = Literal["public", "restricted", "draft"]
May = Literal["read", "write", "manage"]
FilterKind = Literal["choice", "range", "search", "none"]
type TimeUnit = Literal["yyyymmdd", "year", "s", "ms"]  # what a number in a time field counts


@dataclass(frozen=True, slots=True)
class Grant:
    """What someone may do with layers. `fields` are those of their restricted fields that may be seen, too."""

    layers: frozenset[str] = frozenset()  # ids, or ANY
    may: frozenset[May] = frozenset({"read"})
    rows: str = ""  # CQL2 text; empty: all rows
    fields: frozenset[str] = frozenset()  # names, or ANY

    def covers(self, layer_id: str) -> bool:
        return layer_id in self.layers or ANY in self.layers


@dataclass(frozen=True, slots=True)
class Bounds:
    """A rectangle in lon/lat degrees (CRS84); `west > east` means that it crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    def as_list(self) -> list[float]:
        return [self.west, self.south, self.east, self.north]


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of the WebMercatorQuad tile matrix set: zoom, column from the west, row from the north."""

    z: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class ZoomPlan:
    """What the tiles of one zoom below `TilePlan.features_from` hold."""

    shown: int  # features whose `visible_from` is at most this are drawn, all others are counted in bins
    cells: int  # bins across a tile, a power of two


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How a layer's rows become tiles, found from their density when they were loaded."""

    features_from: int = 0  # first zoom from which tiles hold every feature
    facet: str = ""  # field whose values are counted in bins; empty when there is none
    values: tuple[str, ...] = ()  # values that have a count of their own, the most frequent first
    zooms: tuple[ZoomPlan, ...] = ()  # one for each zoom below `features_from`
    block: int = -1  # zoom of the blocks in which points are packed; negative when they are not
    level: int = 0  # level of the cells in packed points
    whole: bool = True  # every value of the facet has a code in packed points
    prebuilt: int = -1  # last zoom of which some tiles are kept ready
    digest: str = ""  # of the recipes that the ready tiles were made by
    weight: float = 0.0  # bytes that a point takes in a full tile; 0 where it was not measured
    crowd: int = 0  # features that fit into a tile, where some tiles have too many at every zoom; else 0


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value that those of a field are judged by, such as a legal limit, and what it is called."""

    value: float
    title: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One declared property of a layer: what leaves the server, under which name and with which filter control."""

    name: str
    title: str
    type: FieldType
    description: str = ""
    filter: FilterKind = "none"
    unit: str = ""
    column: str = ""  # name in the source file; empty: the same as `name`
    labels: Mapping[str, str] = field(default_factory=dict)  # stored value -> text for people
    latest: bool = False  # carries the latest reading (see Readings)
    limits: tuple[Threshold, ...] = ()  # of a number; drawn where its readings are
    time_unit: TimeUnit | None = None  # what numbers in a date or timestamp count; None: a number is no time
    language: str = ""  # of title and unit; empty where nobody said
    description_language: str = ""
    labels_language: str = ""
    untranslated_labels: tuple[str, ...] = ()  # values whose labels are still in the first language
    restricted: bool = False  # given out under a grant that names it, and never in tiles

    @property
    def source_column(self) -> str:
        return self.column or self.name


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How to read a CSV or XLSX whose ways cannot be found out; every part is optional."""

    encoding: str = ""
    separator: str = ""
    decimal: str = ""
    x: str = ""  # column with easting or longitude
    y: str = ""  # column with northing or latitude
    point: str = ""  # one column with "lat, lon"
    geometry: str = ""  # one column with WKT or GeoJSON
    header: bool = True  # False: the first line is data, and columns are "column 1", "column 2"
    skip_lines: int | None = None  # lines above the header; None: found out
    comment: str = ""  # what a line that is no data begins with
    quote: str = '"'  # sign around values with separators in them; empty: there is none


@dataclass(frozen=True, slots=True)
class Readings:
    """A table of measurements that belong to a layer's features: many rows per feature, each with a time."""

    source: str
    key: str  # column that holds the feature's key
    time: str  # name of the timestamp field
    fields: Mapping[str, Field]
    csv: CsvOptions = field(default_factory=CsvOptions)


@dataclass(frozen=True, slots=True)
class Live:
    """How a layer that changes all the time is kept: see catalog/live.py."""

    expires: float | None = None  # seconds after `field` when a row leaves; None: it stays
    field: str = ""  # the date or timestamp field that tells when a row was true
    age: float = 0.0  # seconds that an answer about many rows may be old


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that requests may give to a layer of kind `function`; all values are as JSON holds them."""

    name: str
    title: str
    type: FieldType
    default: Scalar = ""
    description: str = ""
    unit: str = ""
    minimum: Scalar | None = None
    maximum: Scalar | None = None
    choices: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldWords:
    """What is said of a field, or of a parameter, in one more language; what is empty is said as in the first."""

    title: str = ""
    description: str = ""
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)  # by their titles in the first language


@dataclass(frozen=True, slots=True)
class Words:
    """What a layer file says in one more language; what is empty is said as in the first."""

    title: str
    description: str = ""
    theme: str = ""
    noun: str = ""
    nouns: str = ""
    label: str = ""
    fields: Mapping[str, FieldWords] = field(default_factory=dict)
    parameters: Mapping[str, FieldWords] = field(default_factory=dict)
    legend: Mapping[str, str] = field(default_factory=dict)  # words of the style -> those of this language


@dataclass(frozen=True, slots=True)
class Picture:
    """A city's logo or icon as it is served; `digest` changes with its bytes."""

    media_type: str
    body: bytes
    digest: str

    def __repr__(self) -> str:
        return f"Picture({self.media_type!r}, {self.digest!r})"


@dataclass(frozen=True, slots=True)
class CityWords:
    """What `city.toml` says in one more language; what is empty is said as in the first."""

    title: str = ""
    tagline: str = ""
    description: str = ""
    publisher: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class City:
    """What is the city's own, as `city.toml` says it; without one everything is empty."""

    title: str = ""
    tagline: str = ""  # one line below the title
    description: str = ""  # for search engines and previews of links
    publisher: str = ""  # whose data it is; the attribution of layers that name none
    language: str = ""  # of the plain words
    languages: Mapping[str, CityWords] = field(default_factory=dict)
    page_languages: tuple[str, ...] = ()  # those that the page is offered in, the first for everybody else
    logo: Picture | None = None
    icon: Picture | None = None
    accent: str = ""  # the one colour of the page, on light paper
    accent_dark: str = ""  # and on dark
    center: tuple[float, float] | None = None  # lon, lat where the map opens, with `zoom`
    zoom: float = 0.0
    home: Bounds | None = None  # what the map opens on, where there is no `center`
    limits: Bounds | str | None = None  # rows elsewhere are misplaced: a rectangle, or the id of a layer of areas
    outside: Literal["keep", "reject"] = "keep"  # what becomes of misplaced rows
    layers: tuple[str, ...] | None = None  # switched on when the viewer opens; None: those that say so themselves
    links: Mapping[str, str] = field(default_factory=dict)  # imprint, contact, terms, privacy, accessibility


@dataclass(frozen=True, slots=True)
class Layer:
    """A dataset as its layer file declares it. What is in the database about it is `database.status.LayerStatus`."""

    id: str
    title: str
    description: str
    theme: str
    license: str
    attribution: str
    source: str
    kind: str  # a recipe in `tiles/` over the layer's table, or else a module in `tiling/sources/`
    file: Path  # the layer file itself
    fields: Mapping[str, Field]
    has_rows: bool = True  # it is loaded into a table; else an archive, say, gives its tiles, and nothing but tiles
    style: str = ""
    key: str = ""
    time: str = ""
    facet: str = ""  # field whose values are counted in bins; the first choice when it is not said
    features_from: int | None = None  # first zoom with whole features; from the density when it is not said
    label: str = ""  # template of fields that titles a feature: "{category}, {reported_at}"
    noun: str = ""  # what one row is: "report"
    nouns: str = ""  # and many of them
    language: str = ""  # of the plain words of the file, and of values; empty where it does not say
    languages: Mapping[str, Words] = field(default_factory=dict)
    spoken: str = ""  # the language that its words are in now, if not said otherwise:
    description_language: str = ""
    theme_language: str = ""
    theme_key: str = ""  # the theme in the first language, whatever is spoken
    legend_words: Mapping[str, str] = field(default_factory=dict)  # words of the style -> in that language
    source_layer: str = ""  # layer inside a source with several
    crs: str = ""  # overrides the source's CRS, "EPSG:27700"
    csv: CsvOptions = field(default_factory=CsvOptions)
    keywords: tuple[str, ...] = ()
    readings: Readings | None = None
    live: Live | None = None
    swap_axes: bool = False  # the source has latitude (or northing) first
    basemap: bool = False  # drawn under the data, not listed among the datasets
    schema: str = (
        ""  # of an archive that is the basemap: the file in styles/schemas/; found by its layers when not said
    )
    visible: bool = False  # switched on when the viewer opens
    order: int = 100  # position among the layers of its theme
    minzoom: int = 0
    maxzoom: int = 16  # above it clients overzoom
    deepens: bool = True  # tiles go on to `TilePlan.features_from` where that is beyond `maxzoom`
    parameters: Mapping[str, Parameter] = field(default_factory=dict)  # of a function
    bounds: Bounds | None = None  # outside of which a function has no tiles
    max_age: int = 60  # seconds for which a function's tile holds
    tile_fields: tuple[str, ...] = ()  # what style, filter and title need; filled by the catalogue
    access: AccessKind = "public"  # who may know of it; see access.py
    scope: str = ""  # names what its reader may see of it; empty where that is what everybody may
    rows: object = None  # tree (filtering.syntax.Node) that every question about it is joined with; None: all rows
    hidden: Mapping[str, Field] = field(default_factory=dict)  # that the reader may not see, and `rows` may name
    tile_zooms: Mapping[str, int] = field(default_factory=dict)  # of these, the zoom from which tiles carry it
    geometry: str = ""  # points, lines or polygons, as the recipe of its kind says; empty where it takes all of them
    copied_to: str = ""  # table of rows that were copied from its own; empty where these are read

    def __post_init__(self) -> None:
        if self.kind in GEOMETRIES:
            object.__setattr__(self, "geometry", self.kind)

    def deepened(self, plan: TilePlan) -> Layer:
        """The layer as it is served: with tiles down to the zoom that draws every feature."""
        return self if plan.features_from <= self.maxzoom else replace(self, maxzoom=plan.features_from)

    @property
    def table(self) -> str:
        """Table name in schema `layers`: ids have no underscore, so two ids never share a table."""
        return self.copied_to or self.id.replace("-", "_")

    @property
    def readings_table(self) -> str:
        return f"{self.table}__readings"

    @property
    def listed_fields(self) -> tuple[Field, ...]:
        return tuple(self.fields.values())
