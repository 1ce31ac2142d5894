"""HTML pages: our own templates, so that nothing is loaded from elsewhere."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["render_html", "stylesheet"]

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(template: str, **values: Any) -> bytes:
    """A page; every value is escaped."""
    return _environment().get_template(template).render(**values).encode()


@functools.cache
def stylesheet() -> bytes:
    """The one style sheet of the pages."""
    return (_TEMPLATES / "style.css").read_bytes()


@functools.cache
def _environment() -> Environment:
    loader = FileSystemLoader(_TEMPLATES)
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
