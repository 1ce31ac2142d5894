"""Where a licence's text is, by its SPDX identifier."""

from __future__ import annotations

import re

__all__ = ["license_address"]

# Creative Commons' own addresses are what catalogues know their licences by.
_COMMONS = re.compile(r"CC-(BY(?:-NC)?(?:-ND|-SA)?)-(\d\.\d)")
_OWN = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
    "ODC-By-1.0": "https://opendatacommons.org/licenses/by/1-0/",
    "PDDL-1.0": "https://opendatacommons.org/licenses/pddl/1-0/",
    "OGL-UK-3.0": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    "etalab-2.0": "https://github.com/etalab/licence-ouverte/blob/master/LO.md",
    "DL-DE-BY-2.0": "https://www.govdata.de/dl-de/by-2-0",
    "DL-DE-ZERO-2.0": "https://www.govdata.de/dl-de/zero-2-0",
}


def license_address(identifier: str) -> str:
    """Its publisher's page where we know it, else SPDX's; empty for a city's own and for several at once."""
    if identifier.startswith("LicenseRef-") or " " in identifier or not identifier:
        return ""
    if found := _COMMONS.fullmatch(identifier):
        return f"https://creativecommons.org/licenses/{found[1].lower()}/{found[2]}/"
    return _OWN.get(identifier, f"https://spdx.org/licenses/{identifier}.html")
