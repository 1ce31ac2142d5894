"""What goes with a file: whose data it is, from when, which rows were asked for, and what the fields mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.formats.base import Format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from geoserver.database.exports import Rows
    from geoserver.formats.base import Extract, Readme, Target
    from geoserver.model import Field

__all__ = ["FORMAT", "LIMITS", "cite", "describe", "describe_field", "render_heading", "render_text"]

LIMITS = ("Numbers that are not finite and times outside the years 1 to 9999 are empty.",)  # of all formats


def cite(readme: Readme) -> str:
    """How to cite the rows, in a line."""
    day = f" ({readme.updated:%Y-%m-%d})" if readme.updated else ""
    source = readme.source or readme.words["unknown"]
    parts = [f"{source}{day}", readme.title, readme.license, readme.address]
    return ". ".join(part.rstrip(".") for part in parts if part)


def describe(extract: Extract, count: int | None) -> dict[str, Any]:
    """The same as a document."""
    readme = extract.readme
    told: dict[str, Any] = {
        "title": readme.title,
        "description": readme.description,
        "source": readme.source,
        "license": readme.license,
        "updated": readme.updated.isoformat() if readme.updated else "",
        "rows": count,
        "asked": dict(readme.asked),
        "crs": extract.crs if extract.geometry_type else "",
        "citation": cite(readme),
        "address": readme.address,
        "limits": list(readme.limits),
        "fields": {item.name: describe_field(item) for item in extract.fields},
    }
    return {name: value for name, value in told.items() if value not in ("", None, {}, [])}


def describe_field(item: Field) -> dict[str, str]:
    """What is said of a field; nothing of what the layer file does not say."""
    told = {
        "title": item.title,
        "description": item.description,
        "unit": item.unit,
        "labels": "; ".join(f"{value} = {label}" for value, label in item.labels.items() if value != label),
    }
    return {name: text for name, text in told.items() if text}


def render_text(extract: Extract, count: int | None) -> str:
    """README.txt."""
    readme = extract.readme
    words = readme.words
    lines = [readme.title, "=" * len(readme.title), ""]
    if readme.description:
        lines += [readme.description, ""]
    head = {
        "source": readme.source,
        "licence": readme.license,
        "updated": f"{readme.updated:%Y-%m-%d %H:%M} UTC" if readme.updated else "",
        "rows": "" if count is None else f"{count:,}",
        "asked": "; ".join(f"{name}={value}" for name, value in readme.asked.items()) or words["all_rows"],
        "coordinates": extract.crs if extract.geometry_type else "",
        "address": readme.address,
        "cite": cite(readme),
    }
    lines += [f"{words[name]}: {value}" for name, value in head.items() if value]
    lines += [*render_heading(readme, "fields"), f"fid: {words['fid']}"]
    for item in extract.fields:
        told = describe_field(item)
        unit = f" ({told['unit']})" if "unit" in told else ""
        about = f". {told['description']}" if "description" in told else ""
        labels = f" [{told['labels']}]" if "labels" in told else ""
        lines.append(f"{item.name}: {item.title}{unit}, {item.type}{about}{labels}")
    lines += [*render_heading(readme, "limits"), *readme.limits]
    return "\n".join(lines) + "\n"


def render_heading(readme: Readme, key: str) -> list[str]:
    """Lines that begin a part of README.txt."""
    title = readme.words[key]
    return ["", title, "-" * len(title)]


class ReadmeText(Format):
    """The README alone, for formats that have no place for it."""

    id = "readme.txt"
    title = "README"
    media_type = "text/plain; charset=utf-8"
    order = 200

    def estimate(self, widths: Mapping[str, float]) -> float:  # noqa: ARG002
        return 0.0

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        target.write(render_text(extract, rows.count_rows(extract.selection)).encode())


FORMAT = ReadmeText()
