"""What lies in the folder of a frozen map besides its data: the page over it, letters and icons, and words for people.

The build says what belongs there (`frozen-files.json`, by web/bundle/frozen.ts). On the server the same page says that
it is one (`data-live`), so that it asks whether the data have changed.
"""

from __future__ import annotations

import functools
import html
import textwrap
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from geoserver import assets, styling
from geoserver.catalog.languages import read_messages
from geoserver.catalog.licences import find_licence
from geoserver.freezing.zips import Entry, Zip, entry_of
from geoserver.site.city import PREVIEW
from geoserver.site.files import BuiltFiles
from geoserver.site.previews import KEPT_PICTURE, Picture, list_picture, render_discovery

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geoserver.site.files import BuiltFile

__all__ = ["build_zip", "find_built", "find_sprite", "render_page"]

_LIST = "frozen-files.json"
_HTML, _TITLE = '<html lang="en">', "<title>Frozen map</title>"
_PLAIN = f"""<!doctype html>
{_HTML}
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">{_TITLE}</head>
<body><noscript></noscript></body></html>
"""
_SPRITES = [f"sprites/{styling.SPRITE}{ratio}.{ending}" for ratio in ("", "@2x") for ending in ("json", "png")]
_SERVE = "python -m http.server"
_WIDTH = 118  # characters of a line for people


def find_built(path: str) -> BuiltFile | None:
    """A file of the page, or of its letters, by its path in the folder."""
    place = _list_built().get(path)
    return _built().read(place) if place and path != "index.html" else None


def find_sprite(path: str) -> bytes | None:
    """Icons of the map, drawn here."""
    if path not in _SPRITES:
        return None
    made = styling.build_sprite(2 if "@2x" in path else 1)
    return made.picture if path.endswith(".png") else made.places


def render_page(manifest: Mapping[str, Any], site: str = "") -> bytes:
    """The page; what it is stands in it for who has no scripts, too. A plain one where the viewer is not built. `site`
    is that of the server that gives it out, if one does.
    """
    live = bool(site)
    place = _list_built().get("index.html")
    built = _built().read(place) if place else None
    page = built.body.decode() if built else _PLAIN
    language = html.escape(str(manifest["language"]))
    facts = _render_facts(manifest, live=live)
    before, _, rest = page.partition("<noscript>")
    _, _, after = rest.partition("</noscript>")
    page = f"{before}<noscript>{facts}</noscript>{after}" if built else f"{before}{facts}{after}"
    page = page.replace(_HTML, f'<html lang="{language}"{" data-live" if live else ""}>', 1)
    return page.replace(_TITLE, _render_head(manifest, site), 1).encode()


def build_zip(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, tuple[int, int]]) -> Zip:
    """All of it, to be put on any web server; `files` are those in `folder`, with their sizes and CRC-32."""
    moment = datetime.fromisoformat(manifest["frozen"])
    told = {"index.html": render_page(manifest), "README.txt": _render_readme(manifest).encode()}
    told["LICENSE.txt"] = _render_licences(manifest).encode()
    entries = [entry_of(name, content) for name, content in told.items()]
    entries += [Entry(name, size, crc, folder / name) for name, (size, crc) in sorted(files.items())]
    for name in sorted(_list_built().keys() - told.keys()):
        if (built := find_built(name)) is not None:
            entries.append(_entry_of_built(name, built.body))
    entries += [entry_of(name, content) for name in _SPRITES if (content := find_sprite(name))]
    top = f"{manifest['id']}/"
    return Zip([Entry(top + one.name, one.size, one.crc, one.content) for one in entries], moment)


@functools.lru_cache(1_024)
def _entry_of_built(name: str, content: bytes) -> Entry:
    return entry_of(name, content)


def _render_head(manifest: Mapping[str, Any], site: str) -> str:
    """Its title, and on a server how links to it look where they are pasted."""
    title, cite = str(manifest["title"]), str(manifest["cite"])
    lines = [f"<title>{html.escape(title)}</title>", f'<meta name="description" content="{html.escape(cite)}" />']
    if site:
        here = f"{site}/frozen/{manifest['id']}/"
        city = manifest["city"] or {}
        said = {"og:type": "website", "og:title": title, "og:description": cite, "og:url": here}
        said["og:site_name"] = str(city.get("publisher") or city.get("title") or "")
        if KEPT_PICTURE in manifest["files"]:
            said |= list_picture(Picture(here + KEPT_PICTURE, PREVIEW), title)
            lines.append('<meta name="twitter:card" content="summary_large_image" />')
        lines += [f'<meta property="{name}" content="{html.escape(text)}" />' for name, text in said.items() if text]
        lines += render_discovery(site, here, title)
    return "\n    ".join(lines)


def _render_facts(manifest: Mapping[str, Any], *, live: bool) -> str:
    """Title, date, counts, licence, citation, files and picture."""
    words = read_messages("readme", manifest["language"])
    quote = html.escape
    told = [f"<dt>{quote(name)}</dt><dd>{quote(text)}</dd>" for name, text in _list_facts(manifest, words)]
    picture = f'<p><img src="{KEPT_PICTURE}" alt="" width="600"></p>' if KEPT_PICTURE in manifest["files"] else ""
    names = [*manifest["files"], "manifest.json"]
    links = [f'<li><a href="{quote(name)}" download>{quote(name)}</a></li>' for name in names]
    if live:
        whole = f"{manifest['id']}.zip"
        links.insert(0, f'<li><a href="../{whole}" download>{whole}</a></li>')
    title = quote(str(manifest["title"]))
    return f"<main><h1>{title}</h1>{picture}<dl>{''.join(told)}</dl><ul>{''.join(links)}</ul></main>"


def _list_facts(manifest: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield words["updated"], str(manifest["frozen"])
    told: Mapping[str, Any] = manifest["languages"].get(manifest["language"]) or next(
        iter(manifest["languages"].values()), {}
    )
    titles = {entry["id"]: entry["title"] for entry in told.get("layers", ())}
    for name, rows in manifest["rows"].items():
        yield f"{words['rows']}: {titles.get(name, name)}", f"{rows['count']:,}"
    yield words["asked"], manifest["query"]
    yield words["source"], manifest["attribution"] or words["unknown"]
    yield words["licence"], ", ".join(find_licence(part).title for part in _list_licences(manifest))
    yield words["cite"], manifest["cite"]
    yield words["address"], manifest["original"]


def _render_readme(manifest: Mapping[str, Any]) -> str:
    words = read_messages("readme", manifest["language"])
    facts = "".join(f"{name}: {text}\n" for name, text in _list_facts(manifest, words))
    title = str(manifest["title"])
    opening, inside = (textwrap.fill(words[name], _WIDTH) for name in ("look_at", "inside"))
    return f"{title}\n{'=' * len(title)}\n\n{facts}\n{words['look']}\n\n    {_SERVE}\n\n{opening}\n\n{inside}\n"


def _render_licences(manifest: Mapping[str, Any]) -> str:
    words = read_messages("readme", manifest["language"])
    found = [find_licence(part) for part in _list_licences(manifest)]
    data = "".join(f"    {licence.title} {licence.url}\n" for licence in found)
    source = words["data_of"].replace("{source}", manifest["attribution"] or words["unknown"])
    return f"{source}\n\n{data}\n{words['parts']}\n\n{_read_own_licence()}"


def _list_licences(manifest: Mapping[str, Any]) -> list[str]:
    return [part for part in str(manifest["license"]).split(", ") if part]


@functools.cache
def _read_own_licence() -> str:
    """As it came with the program, installed or in its repository."""
    beside = Path(assets.__file__).parent.parent / "LICENSE"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    try:
        return distribution("city-geoserver").read_text("licenses/LICENSE") or ""
    except PackageNotFoundError:
        return ""


def _list_built() -> dict[str, str]:
    """By path in the folder, where the build has laid each file; none while the viewer is not built."""
    found = _built().read(_LIST)
    if found is None:
        return {}
    told = orjson.loads(found.body)
    return {**told["page"], **told["letters"]}


@functools.cache
def _built() -> BuiltFiles:
    return BuiltFiles(assets.root("web"))
