"""What the pages made here have in common: their templates, and sheets that begin with the viewer's own colours."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from geoserver import assets

if TYPE_CHECKING:
    from jinja2 import Template

    from geoserver.model import City

__all__ = ["build_policy", "dress_sheet", "find_template", "render"]

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **told: Any) -> str:
    """The page; every value is escaped."""
    return find_template(template).render(**told)


def find_template(name: str) -> Template:
    """Compiled with the first look at it."""
    return _templates().get_template(name)


def dress_sheet(name: str, city: City) -> str:
    """A sheet after the tokens that the viewer has, too, and with the city's own accent."""
    accent = f":root {{ --accent: light-dark({city.accent}, {city.accent_dark}); }}\n" if city.accent else ""
    return _read_sheet(name) + accent


@functools.lru_cache(8)
def build_policy(sheet: str, framed_by: str) -> str:
    """What a page may do that has this sheet in it: nothing but show it with pictures of ours, and send its forms."""
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors '{framed_by}'",
        ]
    )


@functools.cache
def _read_sheet(name: str) -> str:
    paths = (assets.root("dress") / "tokens.css", _TEMPLATES / name)
    return "".join(path.read_text(encoding="utf-8") for path in paths)


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # an upgrade under a running server does not change half of it
        trim_blocks=True,
        lstrip_blocks=True,
    )
