"""Templates that title a feature: `label = "{category}, {reported_at}"`, or the name of one field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from geoserver.model import Field, Layer

__all__ = ["fill_label", "keep_fields", "list_fields", "read_label", "show_value", "title_feature"]

_PLACE = re.compile(r"\{([^{}]*)\}")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # marks that turn the writing of what follows too
_CLOSING = re.compile(r"^[)\]»”]+")


def read_label(text: str, fields: Collection[str]) -> str:
    """The template that a layer file means: the name of a field stands for that field alone."""
    return f"{{{text}}}" if text and "{" not in text and (text in fields or not re.search(r"\W", text)) else text


def list_fields(template: str) -> list[str]:
    """Names between braces, each once, in the order in which they come."""
    return list(dict.fromkeys(name.strip() for name in _PLACE.findall(template)))


def keep_fields(template: str, fields: Collection[str]) -> str:
    """The template without the fields that are not there, and without what stood between them and the rest."""
    return fill_label(template, lambda name: f"{{{name}}}" if name in fields else "")


def fill_label(template: str, value_of: Callable[[str], str]) -> str:
    """The template with values in it; an empty one leaves with the text before it, and at an end with that beyond it.

    A bracket that closes goes with the value that it stands behind. Empty when no value is left.
    """
    parts = _PLACE.split(template)  # text, name, text, name, ..., text
    names, before = parts[1::2], parts[:-1:2]
    values = [value_of(name.strip()) for name in names]
    told, last = "", ""
    for at, (text, value) in enumerate(zip(before, values, strict=True)):
        closing, between = _CLOSING.match(text), _CLOSING.sub("", text)
        if last and closing:
            told += closing[0]
        if value:
            told += (between if told or not at else "") + value
        last = value
    return told + parts[-1] if values and values[-1] else told


def title_feature(layer: Layer, properties: Mapping[str, Any]) -> str:
    """What a feature is called, as plain text: its label filled with labels and days; empty when it has no values."""

    def value_of(name: str) -> str:
        item = layer.fields.get(name)
        return "" if item is None else show_value(item, properties.get(name))

    return fill_label(layer.label, value_of)


def show_value(item: Field, value: Any) -> str:
    """A value of a field as plain text: by its label, with its unit; empty where there is none."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if FIELD_TYPES[item.type].kind == "time":
        return text.partition("T")[0]
    return item.labels.get(text, f"{_TURNING.sub('', text)} {item.unit}".rstrip())
