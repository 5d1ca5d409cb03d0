"""Markdown tables of the stored results, one function per result."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.cells import Json
from bench.cost_tables import batch_table, memory_table, speed_table, startup_table
from bench.countermeasure_tables import edges_table, shields_table
from bench.long_tables import long_table, scaling_table, workers_table
from bench.protection_tables import (
    live_table,
    masks_table,
    matte_table,
    protect_table,
    roundtrip_table,
)
from bench.quality_tables import confidence_table, quality_table

TABLES: Mapping[str, Callable[[Json], str]] = {
    "speed": speed_table,
    "memory": memory_table,
    "startup": startup_table,
    "batch": batch_table,
    "long": long_table,
    "workers": workers_table,
    "scaling": scaling_table,
    "quality": quality_table,
    "confidence": confidence_table,
    "masks": masks_table,
    "matte": matte_table,
    "protect": protect_table,
    "roundtrip": roundtrip_table,
    "live": live_table,
    "shields": shields_table,
    "edges": edges_table,
}
