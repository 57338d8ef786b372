"""Byte strings cut out of a buffer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PADDING = 160
"""Zeros behind the last record of a buffer, so that whole words can be read wherever a record may go on."""

IntArray = npt.NDArray[np.int64]


def slices(data: bytes | pa.Buffer, starts: IntArray, stops: IntArray) -> pa.LargeBinaryArray:
    """data[starts[i]:stops[i]] for each i [n], in memory of their own.

    Args:
      data: the buffer.
      starts: ascending [n].
      stops: each no larger than the next start [n].
    """
    if not len(starts):
        return pa.array([], pa.large_binary())
    bounds = np.column_stack([starts, stops]).reshape(-1)  # what lies between two slices is a piece of its own
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    pieces = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(bounds) - 1, buffers)
    return pieces.take(pa.array(np.arange(0, len(bounds), 2)))


def bounds_of(values: pa.LargeBinaryArray) -> IntArray:
    """The offsets [n + 1] of n byte strings in their buffer."""
    offsets: IntArray = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
    return offsets


def padded(values: pa.LargeBinaryArray) -> tuple[pa.Buffer, IntArray, IntArray]:
    """A copy of the byte strings [n] in one buffer with `PADDING` behind them, and where each starts and stops."""
    whole = pa.concat_arrays([values, pa.array([bytes(PADDING)], pa.large_binary())])
    bounds = bounds_of(whole)
    return whole.buffers()[2], bounds[:-2], bounds[1:-1]
