"""How much memory there is."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["free_memory", "installed_memory"]


def installed_memory() -> int:
    """Bytes of memory that this machine, or the container, has; 0 where nobody says."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    with suppress(OSError, ValueError):
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(found, 0)


def free_memory() -> int:
    """Bytes that programs can still take; 0 where nobody says."""
    found = installed_memory()
    with suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable"))
        found = min(found, int(free.split()[1]) * 1024)
    return found
