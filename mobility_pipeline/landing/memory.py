"""Keep freed memory for the next window, instead of giving it back and asking again.

Landing takes and frees arrays of some MB all the time. Asking the system for each anew
costs a page fault per 4 KB: up to a fifth of the CPU time of splitting large files. Arrow's
own allocator, mimalloc, keeps enough (jemalloc gave back five times as many pages).
"""

import ctypes

_M_MXFAST, _M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = 1, -1, -3
_UNUSUALLY_LARGE = 2**30


def keep_freed_memory() -> None:
    """Set this process up; only for one that does nothing but landing."""
    # numpy takes its memory from the C library; other ones than glibc manage by themselves.
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _UNUSUALLY_LARGE)
        # No list of small freed pieces that each large request joins first: they alternate.
        set_option(_M_MXFAST, 0)
        set_option(_M_TRIM_THRESHOLD, _UNUSUALLY_LARGE)
