"""What a licence is called and where it is read, by its SPDX identifier."""

# ruff: noqa: RUF001 - dashes as they are printed

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

__all__ = ["Licence", "find_licence"]

# Where SPDX keeps a text, and the licence itself has a page for people.
_CREATIVE = re.compile(r"CC-(BY(?:-NC)?(?:-SA|-ND)?)-(\d\.\d)(?:-([A-Z]{2,3}))?")
_KNOWN = {
    "CC0-1.0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "CC-PDDC": ("Public domain", "https://creativecommons.org/publicdomain/mark/1.0/"),
    "ODbL-1.0": ("Open Database License 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
    "ODC-By-1.0": ("Open Data Commons Attribution 1.0", "https://opendatacommons.org/licenses/by/1-0/"),
    "PDDL-1.0": ("Open Data Commons Public Domain 1.0", "https://opendatacommons.org/licenses/pddl/1-0/"),
    "OGL-UK-3.0": (
        "Open Government Licence 3.0",
        "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    ),
    "OGL-Canada-2.0": (
        "Open Government Licence – Canada 2.0",
        "https://open.canada.ca/en/open-government-licence-canada",
    ),
    "etalab-2.0": ("Licence Ouverte 2.0", "https://www.etalab.gouv.fr/licence-ouverte-open-licence/"),
    "DL-DE-BY-2.0": ("Datenlizenz Deutschland – Namensnennung 2.0", "https://www.govdata.de/dl-de/by-2-0"),
    "DL-DE-ZERO-2.0": ("Datenlizenz Deutschland – Zero 2.0", "https://www.govdata.de/dl-de/zero-2-0"),
}


class Licence(NamedTuple):
    """Its name for people, and its address; empty where none is known, as for a city's own licence."""

    title: str
    url: str


def find_licence(identifier: str) -> Licence:
    """Of an SPDX expression; one of several licences has no one page."""
    if identifier in _KNOWN:
        return Licence(*_KNOWN[identifier])
    if found := _CREATIVE.fullmatch(identifier):
        kind, version, country = found.groups()
        path = "/".join(part.lower() for part in (kind, version, country) if part)
        title = " ".join(part for part in ("CC", kind, version, country) if part)
        return Licence(title, f"https://creativecommons.org/licenses/{path}/")
    if identifier.startswith("LicenseRef-"):
        return Licence(identifier.removeprefix("LicenseRef-").replace("-", " "), "")
    try:
        known = " " not in identifier and canonicalize_license_expression(identifier) == identifier
    except InvalidLicenseExpression:
        known = False
    return Licence(identifier, f"https://spdx.org/licenses/{identifier}.html" if known else "")
