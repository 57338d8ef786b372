"""Keeps freed memory in the process: blocks of some MB come and go thousands of times a run.

By default glibc and Arrow's allocator hand each of them back to the system, which then has to clear
every page anew: a third of the processor time of a run that keeps little.
"""

from __future__ import annotations

import ctypes
import functools
import sys

import pyarrow as pa

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30


@functools.cache
def keep_freed_memory() -> None:
    """Sets it up for this process, once; does nothing where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    pa.set_memory_pool(pa.system_memory_pool())
