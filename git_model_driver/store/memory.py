"""Memory that was freed is used again, not given back to the kernel and asked for anew.

Chunks are encoded and decoded in arrays of a megabyte or so, which glibc would map
and unmap each time: half of what a gigabyte costs in kernel time are page faults, a
tenth of all that a clone costs.
"""
from __future__ import annotations

import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3       # mallopt(3)
_LARGEST = 32 << 20     # that glibc takes for the second


@cache
def keep() -> None:
    """Ask for it, where the C library is one that can be asked."""
    if not sys.platform.startswith('linux'):
        return
    import ctypes  # 10 ms, that only large objects are worth

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_TRIM_THRESHOLD, 4 * _LARGEST)
    mallopt(_MMAP_THRESHOLD, _LARGEST)
