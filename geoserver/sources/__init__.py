"""Data sources: one kind per module, found by being here or by an entry point `geoserver.sources`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import cast

from geoserver.sources.base import Batch, Broken, Opened, Request, SourceKind, summarise

__all__ = ["Batch", "Broken", "Opened", "Request", "SourceKind", "find_kind", "open_source", "read_kinds"]


@cache
def read_kinds() -> tuple[SourceKind, ...]:
    """Every kind of source: those of other packages first, so that one of them may take over a file ending."""
    outside = [cast("SourceKind", point.load()) for point in entry_points(group="geoserver.sources")]
    modules = [importlib.import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]
    own = [cast("SourceKind", module.KIND) for module in modules if hasattr(module, "KIND")]
    return (*outside, *own)


def find_kind(request: Request) -> SourceKind:
    """The kind that opens this source, by the ending of its name; raises LoadError that lists the endings."""
    kinds = read_kinds()
    if request.path is None:
        return next(kind for kind in kinds if not kind.suffixes)
    name = request.path.name.lower()
    for kind in kinds:
        if kind.suffixes and name.endswith(kind.suffixes):
            return kind
    endings = sorted(suffix for kind in kinds for suffix in kind.suffixes)
    raise request.fail(f"no reader for this kind of file; expected {summarise(endings, len(endings))}")


def open_source(request: Request) -> Opened:
    """Open a file or a table; raises LoadError that says which source and why not."""
    kind = find_kind(request)
    if request.path is not None and not request.path.is_file():
        raise request.fail("there is no such file")
    return kind.open(request)
