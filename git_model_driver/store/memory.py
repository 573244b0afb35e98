"""How the C library keeps memory that was freed."""
from __future__ import annotations

import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3       # malloc.h of glibc
_LARGEST = 32 << 20     # that glibc takes for the second


@cache
def keep_freed() -> None:
    """Have buffers of a chunk used again, not each had from the kernel anew.

    Clearing and mapping their pages is a quarter of what a filter does at checkout.
    """
    if not sys.platform.startswith('linux'):
        return
    import ctypes  # 10 ms

    try:
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_TRIM_THRESHOLD, 4 * _LARGEST)
        set_option(_M_MMAP_THRESHOLD, _LARGEST)
    except (OSError, AttributeError):       # another C library
        return
