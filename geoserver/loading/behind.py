"""What comes after a layer's rows are in service: its tiles are prepared behind them, and put into service when done.

Whatever ends it half-way leaves a layer that is served rightly, if slower, and says so: `geoserver.layers.preparing`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from geoserver import tiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from geoserver.model import Layer

__all__ = ["prepare_behind"]

_OFTEN = 1.0  # seconds between two words about how far it is


def prepare_behind(
    connection: psycopg.Connection,
    helper: psycopg.Connection,
    layer: Layer,
    recipes: Mapping[str, str],
    progress: Callable[[float], None],
) -> None:
    """Prepare the layer's tiles if its rows went into service without; the caller is the only one who loads the layer.

    Both connections go to the same database, `helper` in autocommit. Rows may be edited meanwhile.
    """
    row = connection.execute(
        "SELECT geometry_type FROM geoserver.layers WHERE id = %s AND preparing IS NOT NULL", [layer.id]
    ).fetchone()
    if row is None:
        return
    connection.commit()
    told = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        progress(share)
        if time.monotonic() - told > _OFTEN:
            helper.execute("SELECT geoserver.tell_preparing(%s, %s)", [layer.id, share])
            told = time.monotonic()

    prepared = tiling.prepare(
        connection,
        layer,
        recipes,
        geometry_type=row[0],
        table=layer.table,
        helper=helper,
        progress=tell,
    )
    connection.commit()  # lets go of the layer's table and of what was made beside it
    connection.execute(
        "SELECT geoserver.finish_preparing(%s, %s, %s)", [layer.id, Jsonb(prepared.plan), prepared.seconds]
    )
    connection.commit()
