"""`city.toml`, beside `layers/`: what is the city's own, and how it becomes a `City`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationError
from pydantic import Field as Key

from geoserver import assets
from geoserver.catalog.languages import TAG, page_languages
from geoserver.catalog.names import near
from geoserver.catalog.pictures import read_picture
from geoserver.catalog.toml import Part, explain, read_toml
from geoserver.catalog.wording import find_fault
from geoserver.colours import contrast, mix, parse_hex, write_hex
from geoserver.errors import CatalogError
from geoserver.model import Bounds, City, CityWords, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from geoserver.settings import Settings

__all__ = ["check_city", "find_city", "list_city_files", "read_city"]

NAME = "city.toml"
_PAGE = "docs/city.md"
_PAPER = {"accent": "#ffffff", "accent_dark": "#23282c"}  # what is written in the accent's colour lies on (style.css)
_LEAST = 4.5  # contrast of text (WCAG 2.2 AA)
_STEPS = 100
_LONGEST = 1_000  # characters of a text
_MAIL = re.compile(r"mailto:[^@\s?]+@[^@\s?]+")


def _check_colour(value: str) -> str:
    if value:
        parse_hex(value)
    return value.lower()


def _check_link(value: str) -> str:
    try:
        parts = urlsplit(value)
        page = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # it proves the port
    except ValueError:
        page = False
    if not value.isprintable() or " " in value or not (page or _MAIL.match(value)):
        raise ValueError("an address that begins with https://, http:// or mailto:")
    return value


def _check_words(value: str) -> str:
    if fault := find_fault(value, _LONGEST):
        raise ValueError(fault)
    return value


def _check_tag(value: str) -> str:
    if value and not TAG.fullmatch(value):
        raise ValueError("a language tag such as en, fr or pt-BR")
    return value


Text = Annotated[str, Key(max_length=_LONGEST), AfterValidator(_check_words)]
Link = Annotated[str, AfterValidator(_check_link)]
Colour = Annotated[str, AfterValidator(_check_colour)]
Degrees = Annotated[float, Key(allow_inf_nan=False)]
Box = Annotated[list[Degrees], Key(min_length=4, max_length=4)]


class _LinksFile(Part):
    imprint: Link | None = None
    contact: Link | None = None
    terms: Link | None = None
    privacy: Link | None = None
    accessibility: Link | None = None


class _ColoursFile(Part):
    accent: Colour = ""
    accent_dark: Colour = ""


class _HomeFile(Part):
    center: Annotated[list[Degrees], Key(min_length=2, max_length=2)] | None = None
    zoom: float | None = Key(default=None, ge=0, le=22)
    bounds: Box | None = None


class _WordsFile(Part):
    title: Text = ""
    tagline: Text = ""
    description: Text = ""
    publisher: Text = ""
    links: _LinksFile = Key(default_factory=_LinksFile)


class CityFile(Part):
    title: Annotated[str, Key(min_length=1, max_length=200), AfterValidator(_check_words)]
    tagline: Text = ""
    description: Text = ""
    publisher: Text = ""
    language: Annotated[str, AfterValidator(_check_tag)] = ""
    page_languages: list[str] = Key(default_factory=list)
    logo: str = ""
    icon: str = ""
    layers: list[str] | None = None
    limits: Box | str | None = None
    outside: Literal["keep", "reject"] = "keep"
    colours: _ColoursFile | None = None
    home: _HomeFile | None = None
    links: _LinksFile = Key(default_factory=_LinksFile)
    languages: dict[str, _WordsFile] = Key(default_factory=dict)


_TABLES: dict[str, type[Part]] = {"colours": _ColoursFile, "home": _HomeFile, "links": _LinksFile}


def find_city(settings: Settings) -> Path | None:
    """The workspace's own file; the sample city's where the workspace has no layers of its own."""
    own = settings.workspace / NAME
    if own.exists() or (settings.workspace / "layers").is_dir():
        return own if own.exists() else None
    sample = assets.root("layers").parent / NAME
    return sample if sample.is_file() else None


def list_city_files(path: Path | None) -> list[Path]:
    """The file and the pictures that it names, for changes of them to be seen."""
    if path is None:
        return []
    try:
        document = read_toml(path)
    except CatalogError:
        return [path]
    names = [document.get(key) for key in ("logo", "icon")]
    return [path, *(path.parent / name for name in names if name and isinstance(name, str) and "\0" not in name)]


def read_city(path: Path, problems: list[CatalogError]) -> City:
    """Read the file; raises CatalogError. What can be mended, a colour too pale to be read, lands in `problems`."""
    try:
        parsed = CityFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise explain(path, error, _part_of, _PAGE) from error
    _check_languages(path, parsed)
    home = parsed.home
    if home and home.model_fields_set not in ({"bounds"}, {"center", "zoom"}):
        raise CatalogError(str(path), "home", "either bounds, or center and zoom")
    if home and home.center is not None and not (abs(home.center[0]) <= 180 and abs(home.center[1]) <= 85):  # noqa: PLR2004
        raise CatalogError(str(path), "home.center", f"longitude and latitude in degrees; got {home.center}")
    accent, accent_dark = _read_colours(path, parsed.colours, problems)
    return City(
        **parsed.model_dump(include={"title", "tagline", "description", "publisher", "language", "outside"}),
        languages={tag: _build_words(words) for tag, words in parsed.languages.items()},
        page_languages=tuple(dict.fromkeys(parsed.page_languages)),
        logo=_read_picture(path, "logo", parsed.logo),
        icon=_read_picture(path, "icon", parsed.icon),
        accent=accent,
        accent_dark=accent_dark,
        center=(home.center[0], home.center[1]) if home and home.center else None,
        zoom=(home.zoom or 0.0) if home else 0.0,
        home=_read_box(path, "home.bounds", home.bounds) if home and home.bounds else None,
        limits=parsed.limits if isinstance(parsed.limits, str) else _read_box(path, "limits", parsed.limits),
        layers=None if parsed.layers is None else tuple(parsed.layers),
        links=_build_links(parsed.links),
    )


def check_city(path: Path, city: City, layers: Collection[str], broken: Callable[[str], bool]) -> list[CatalogError]:
    """Layers that the file names and that there are none of; those whose own file is broken are told there."""
    named = {f"layers.{at}": name for at, name in enumerate(city.layers or ())}
    if isinstance(city.limits, str):
        named["limits"] = city.limits
    return [
        CatalogError(str(path), key, f"the id of a layer; got {name!r}{near(name, list(layers))}")
        for key, name in named.items()
        if name not in layers and not broken(name)
    ]


def _check_languages(path: Path, parsed: CityFile) -> None:
    for at, code in enumerate(parsed.page_languages):
        if code not in page_languages():
            expected = f"a language of the page: {', '.join(page_languages())}; got {code!r}"
            raise CatalogError(str(path), f"page_languages.{at}", expected)
    if parsed.languages and not parsed.language:
        expected = 'the language of the plain words, such as "en", because there are [languages]'
        raise CatalogError(str(path), "language", expected)
    for tag in parsed.languages:
        if not TAG.fullmatch(tag) or tag.lower() == parsed.language.lower():
            raise CatalogError(str(path), f"languages.{tag}", f"a language tag other than {parsed.language!r}")


def _build_words(words: _WordsFile) -> CityWords:
    return CityWords(**words.model_dump(exclude={"links"}), links=_build_links(words.links))


def _build_links(links: _LinksFile) -> dict[str, str]:
    return {name: address for name, address in links.model_dump().items() if address}


def _read_box(path: Path, key: str, given: list[float] | None) -> Bounds | None:
    if given is None:
        return None
    west, south, east, north = given
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):  # noqa: PLR2004
        expected = f"west, south, east, north in degrees, such as [-28.8, 45.1, -28.4, 45.3]; got {given}"
        raise CatalogError(str(path), key, expected)
    return Bounds(west, south, east, north)


def _read_picture(path: Path, key: str, name: str) -> Picture | None:
    return read_picture(path, key, name) if name else None


def _read_colours(path: Path, given: _ColoursFile | None, problems: list[CatalogError]) -> tuple[str, str]:
    """The accent on light and on dark paper, each as far from it as text has to be; empty for the page's own."""
    if given is None or not (given.accent or given.accent_dark):
        return "", ""
    accent = given.accent or given.accent_dark
    if given.accent:
        light = _read_accent(path, "accent", accent, (0.0, 0.0, 0.0), problems)
    else:
        light = _strengthen(accent, _PAPER["accent"], (0.0, 0.0, 0.0))
    if given.accent_dark:
        return light, _read_accent(path, "accent_dark", given.accent_dark, (1.0, 1.0, 1.0), problems)
    return light, _strengthen(accent, _PAPER["accent_dark"], (1.0, 1.0, 1.0))


def _read_accent(
    path: Path, key: str, colour: str, end: tuple[float, float, float], problems: list[CatalogError]
) -> str:
    used = _strengthen(colour, _PAPER[key], end)
    if used != colour:
        paper = "dark" if key == "accent_dark" else "light"
        expected = (
            f"a colour that can be read on {paper} paper, {_LEAST}:1 or more; {colour} has"
            f" {contrast(colour, _PAPER[key]):.1f}:1, so {used} is used"
        )
        problems.append(CatalogError(str(path), f"colours.{key}", expected))
    return used


def _strengthen(colour: str, paper: str, end: tuple[float, float, float]) -> str:
    """The colour, or the nearest on the way to black or white that can be read on the paper."""
    own = parse_hex(colour)
    shades = (write_hex(mix(own, end, step / _STEPS)) if step else colour for step in range(_STEPS + 1))
    return next(shade for shade in shades if contrast(shade, paper) >= _LEAST)


def _part_of(places: list[str]) -> type[Part]:
    inside = [part for part in places if part in _TABLES]
    return _TABLES[inside[-1]] if inside else _WordsFile if places[:1] == ["languages"] else CityFile
