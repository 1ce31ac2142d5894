"""`python -m benchmarks [PART...]`: measure ours beside its references in one run and write a table of ratios.

A part is a module here that has `run(context) -> list[Row]`. Without names all of them run, in about
25 minutes.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.frame import ZOOMS, Context, Row, describe_machine, make_database, write_results
from geoserver.cli.common import read_settings
from geoserver.database import private

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = (
    "load", "basemap", "reading", "ogc", "tiles", "filters", "page", "many_layers", "slow", "ground", "size", "memory",
    "crowd", "gate", "doors", "downloads", "aggregates", "table", "search",
    "play", "pictures", "freeze", "embed", "edits", "live",
)  # fmt: skip
DATABASE = "geoserver_bench"
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; the exit code is 1 when a part failed, whatever its figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--rows", type=int, default=1_000_000, help="generated points (1,000,000)")
    parser.add_argument("--big", action="store_true", help="measure ten times as many points too (5 minutes more)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement of throughput (5)")
    parser.add_argument(
        "--zooms", default=",".join(map(str, ZOOMS)), help="zooms of tiles, with commas between (%(default)s)"
    )
    parser.add_argument("--tiles", type=int, default=100_000, help="different tiles that `memory` asks for (100,000)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the table (benchmarks/results)")
    parser.add_argument("--folder", type=Path, help="scratch folder to keep; data there is used again")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {min(unknown)}; there are {', '.join(PARTS)}")
    folder = given.folder or Path(tempfile.gettempdir()) / f"geoserver-bench-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = read_settings(folder)
    try:
        url = make_database(settings.database_url or private.ensure(settings), DATABASE)
        context = Context(
            url,
            folder.resolve(),
            given.rows,
            given.seconds,
            big=given.big,
            zooms=tuple(map(int, given.zooms.split(","))),
            different_tiles=given.tiles,
        )
        peers.drop_view(url)  # of a run that was broken off
        rows, failed = _run(given.parts or PARTS, context)
        path = write_results(given.results, describe_machine(url, context.versions), rows, context)
    finally:
        if not settings.database_url:
            private.stop(settings)
    print(f"\n{path.read_text(encoding='utf-8')}\nwritten to {os.path.relpath(path)} and .json")
    return 1 if failed else 0


def _run(parts: Sequence[str], context: Context) -> tuple[list[Row], bool]:
    rows: list[Row] = []
    failed = False
    for part in parts:
        print(f"{part}:", flush=True)
        try:
            rows += importlib.import_module(f"benchmarks.{part}").run(context)
        except Exception as error:  # one part that fails must not cost the figures of the others
            failed = True
            context.note(f"{part} failed: {type(error).__name__}: {error}")
    return rows, failed


if __name__ == "__main__":
    raise SystemExit(main())
