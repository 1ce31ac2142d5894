"""Export formats: one per module, found by being here or by an entry point `geoserver.formats`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from geoserver.errors import NotFoundError
from geoserver.formats.base import Extract, Format, Readme, Subject, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Extract", "Format", "Readme", "Subject", "Target", "estimate", "find_format", "offered", "read_formats"]

_WIDTH, _POINT, _SHAPE = 12.0, 32.0, 300.0  # bytes of a value, where nothing is known


@cache
def read_formats() -> Mapping[str, Format]:
    """Every format by its id, in the order in which they are shown; one of another package may replace one of ours."""
    modules = [importlib.import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]
    own = [cast("Format", module.FORMAT) for module in modules if hasattr(module, "FORMAT")]
    outside = [cast("Format", point.load()) for point in entry_points(group="geoserver.formats")]
    found = {item.id: item for item in [*own, *outside]}
    return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[0])))


def offered(layer: Layer, status: LayerStatus, subject: Subject = "features") -> list[Format]:
    """The formats that rows of this layer can be had in, in the order in which they are shown."""
    if not layer.has_rows or (subject == "readings" and layer.readings is None):
        return []
    fitting = [item for item in read_formats().values() if subject in item.of]
    return [item for item in fitting if subject == "readings" or item.fits(layer, status)]


def find_format(layer: Layer, status: LayerStatus, name: str, subject: Subject = "features") -> Format:
    """The format of this id; raises NotFoundError that lists those there are for the layer."""
    fitting = {item.id: item for item in offered(layer, status, subject)}
    if name not in fitting:
        none = f"(none: there are no {'readings' if subject == 'readings' else 'rows'})"
        raise NotFoundError("format", name, f"one of {', '.join(fitting) or none}")
    return fitting[name]


def estimate(
    chosen: Format, layer: Layer, status: LayerStatus, widths: Mapping[str, float], subject: Subject = "features"
) -> int:
    """Bytes of the whole layer in a format, to two digits; `widths` are those that are known, of columns by name."""
    is_readings = subject == "readings" and layer.readings is not None
    fields = layer.readings.fields if is_readings and layer.readings else layer.fields
    each = {name: widths.get("" if is_readings else name, _WIDTH) for name in fields}
    if not is_readings:
        each["geometry"] = widths.get("geom", _SHAPE if layer.geometry != "points" else _POINT)
    rows = status.readings if is_readings else status.rows
    return int(float(f"{rows * chosen.estimate(each):.1e}"))
