"""Settings of the private PostGIS, from the memory and cores of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["build_configuration", "read_cores", "read_memory"]

MIB = 1024 * 1024
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def read_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or the container's where that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [int(text) for path in _CGROUP_LIMITS if (text := _read_text(path)).isdigit()]
    return min([physical, *limits])


def read_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def build_configuration(socket_folder: Path, memory: int, cores: int) -> str:
    """A PostgreSQL configuration file; `memory` in bytes. Durable (fsync on) and on no network port."""
    mib = memory // MIB
    values: dict[str, str | int] = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{socket_folder}"',  # a list whose entries may be quoted
        "unix_socket_permissions": "0700",
        "cluster_name": "geoserver",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "fsync": "on",
        "synchronous_commit": "on",
        "shared_buffers": f"{_between(64, mib // 8, 4096)}MB",
        "effective_cache_size": f"{_between(128, mib // 2, 262_144)}MB",
        "work_mem": f"{_between(4, mib // 512, 64)}MB",
        "maintenance_work_mem": f"{_between(32, mib // 32, 1024)}MB",
        "max_connections": 200,  # tiles, pages, files: some 40 for each worker
        "max_worker_processes": cores + 4,
        "max_parallel_workers": cores,
        "max_parallel_workers_per_gather": max(1, min(4, cores // 2)),
        "max_parallel_maintenance_workers": max(1, min(4, cores)),
        # One server without replicas: a load into a table made in the same transaction need not go through the WAL.
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "wal_compression": "on",
        "max_wal_size": f"{_between(512, mib // 8, 4096)}MB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "autovacuum_naptime": "15s",  # a small table whose rows move all the time has grown many times within a minute
        "jit": "off",  # compiling costs more than a tile's query takes
    }
    if sys.platform == "linux":
        values["effective_io_concurrency"] = 200
    lines = [f"{name} = {_quote(value)}" for name, value in values.items()]
    return "# Written at every start; put settings of your own below the include in postgresql.conf.\n" + "\n".join(
        [*lines, ""]
    )


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _quote(value: str | int) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
