"""TOML files that people write: read with limits, and their faults told by key and by what was expected there."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from geoserver.catalog.files import read_text
from geoserver.catalog.names import near
from geoserver.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["Part", "explain", "read_toml"]

_TYPES = {  # pydantic's kinds of fault, and what we call what was expected
    "bool_type": "true or false",
    "dict_type": "a table: keys below its name in brackets, or { ... } in one line",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list, in square brackets",
    "model_type": "a table: keys below its name in brackets, or { ... } in one line",
    "string_type": "a text, in quotes",
}

_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


class Part(BaseModel):
    """A file, or a table in it: nothing but the keys that are declared, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def read_toml(path: Path) -> dict[str, Any]:
    """The file's content; raises CatalogError."""
    try:
        text = read_text(path)
        if _LONG_KEY.search(text):  # whose parts tomllib copies for each of them: a small file may take all memory
            raise CatalogError(str(path), "", "keys of at most 64 parts with dots between them")
        document = tomllib.loads(text)
        if "\\" in text and (key := _find_zero(document, "")) is not None:
            raise CatalogError(str(path), key, "a text without the sign \\u0000, which no file and no database takes")
    except (ValueError, RecursionError) as error:
        raise CatalogError(str(path), "", f"valid TOML: {error}") from error
    return document


def _find_zero(value: object, key: str) -> str | None:
    """The key under which a text has a zero in it, or whose name has."""
    if isinstance(value, str):
        return key if "\0" in value else None
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        inside = f"{key}.{name}".lstrip(".")
        if "\0" in inside:
            return inside.replace("\0", "?")
        if (found := _find_zero(part, inside)) is not None:
            return found
    return None


def explain(
    path: Path,
    error: ValidationError,
    part_of: Callable[[list[str]], type[Part]],
    page: str,
    expected_of: Callable[[str], str] = lambda _: "",
) -> CatalogError:
    """The first problem that pydantic found, in our words.

    `part_of` gives the table that some keys lead to, `page` is where they are explained, and `expected_of` says more of
    a kind of fault than pydantic can.
    """
    first = _pick(error)
    key = ".".join(str(part) for part in first["loc"] if "[" not in str(part))  # "[key]", "list[float]" are pydantic's
    match first["type"]:
        case "missing":
            expected = "this key is required"
        case "extra_forbidden":
            *places, name = (str(part) for part in first["loc"])
            expected = f"no such key; see {page} for those there are{_hint(name, places, part_of)}"
        case "value_error":
            expected = f"expected {first['ctx']['error']}; got {first['input']!r}"
        case "string_type" if isinstance(first["input"], dict):
            expected = "a text; what it is in other languages stands under [languages.fr], [languages.de] and so on"
        case kind if said := expected_of(kind):
            expected = said
        case "list_type" if isinstance(first["input"], str):
            expected = f"expected {_TYPES['list_type']}: {json.dumps([first['input']], ensure_ascii=False)}"
        case kind if said := _TYPES.get(kind, ""):
            expected = f"expected {said}; got {first['input']!r}"
        case "too_short":
            least = first["ctx"]["min_length"]
            items = "item" if least == 1 else "items"
            expected = f"expected at least {least} {items} in the list; got {first['input']!r}"
        case _:
            choices = re.findall(r"'(\w+)'", first["msg"]) if first["type"] == "literal_error" else []
            said = first["msg"].replace("Input should be", "expected")
            expected = f"{said[0].lower()}{said[1:]}; got {first['input']!r}"
            expected += near(str(first["input"]), choices)
    return CatalogError(str(path), key, expected)


def _hint(name: str, places: list[str], part_of: Callable[[list[str]], type[Part]]) -> str:
    """Of a key that is none in this place: where it belongs, or which is likely meant."""
    whole = part_of([])
    if places and name in whole.model_fields:  # TOML's trap: a table goes on until the next one begins
        return f"; {name!r} of the file itself stands above the first line in brackets"
    if not places and (tables := _find_tables(name, whole)):
        return f"; {name!r} stands under {' or '.join(f'[{table}]' for table in tables)}"
    return near(name, list(part_of(places).model_fields))


def _find_tables(name: str, whole: type[Part]) -> list[str]:
    """Those parts of a file that have a key of this name; of those with a name of their own, such as fields, NAME."""
    found = []
    for key, item in whole.model_fields.items():
        kinds = get_args(item.annotation) or (item.annotation,)
        if any(isinstance(kind, type) and issubclass(kind, Part) and name in kind.model_fields for kind in kinds):
            found.append(f"{key}.NAME" if get_origin(item.annotation) is dict else key)
    return found


def _pick(error: ValidationError) -> ErrorDetails:
    """The first fault; of a key that is missing rather the wrong key beside it, which is likely that one misspelt."""
    found = error.errors()
    first = found[0]
    if first["type"] == "missing":
        beside = (each for each in found if each["type"] == "extra_forbidden" and each["loc"][:-1] == first["loc"][:-1])
        return next((each for each in beside if near(str(each["loc"][-1]), [str(first["loc"][-1])])), first)
    return first
