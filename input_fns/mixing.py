"""Mixing: batches cut from the classes' passes as the quotas say.

Batches are made in chunks of about CHUNK_ROWS rows. A chunk takes from each class the rows that its
batches need, lays them side by side, and puts them into the batches' order in one gather a column;
the batches are then slices of it. Nothing is done row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from input_fns import seeds
from input_fns.kept import Kept, small_classes
from input_fns.parsing import Parser
from input_fns.quotas import Quotas
from input_fns.shards import Columns, Shards, in_order
from input_fns.streams import Streams
from tfrecord_io.reading.plan import ReadPlan

CHUNK_ROWS = 8192
_CHUNK_BATCHES = 16
_RUNS = (256, 2048, *[8192] * 14)
_RUN_QUOTAS = 2**20


@dataclass(frozen=True, kw_only=True)
class Mixer:
    """Cuts batches from the rows of all classes.

    Streams are cut in C++ by `rebatch` with a vector of sizes. As that vector has to be known when
    the cutting starts, batches come in runs; every run starts the streams anew where the one before
    ended, so what is yielded does not depend on the runs' lengths. The first run is short, so that
    the first batch comes soon.

    Attributes:
      streams, kept: the classes, in two parts.
      order: where the k-th class, by label, stands among the streams and then the kept ones.
      parser: gives batches their structure.
      batch_size: rows a batch, at most.
      whole: every batch has as many.
      key: of the order within batches; None = class after class.
    """

    streams: Streams
    kept: Kept
    order: Sequence[int]
    parser: Parser
    batch_size: int
    whole: bool
    key: seeds.Key | None

    def batches(self, quotas: Quotas) -> tf.data.Dataset:
        """The batches that the quotas are of.

        Yields:
          What the parser makes of a batch, or the columns of one where that parses records.
        """
        inverse = np.argsort(self.order)
        own = quotas.batches.map(lambda quota: tf.gather(quota, inverse))
        before = tf.gather(quotas.before, inverse)
        # Without streams to start anew, the first run can be of one chunk.
        wanted = _RUNS if self.streams.count else (min(_CHUNK_BATCHES, *_RUNS), *_RUNS)
        longest = max(min(wanted), _RUN_QUOTAS // len(self.order))
        lengths = [min(length, longest) for length in wanted]

        def run_start(state: tuple[tf.Tensor, tf.Tensor], quota: tf.Tensor) -> tuple[Any, Any]:
            number, before = state
            after = number + tf.shape(quota, tf.int64)[0], before + tf.reduce_sum(quota, axis=0)
            return after, (number, before, quota)

        start = (tf.constant(quotas.start, tf.int64), before)
        runs = own.batch(min(lengths)).rebatch(tf.constant(lengths, tf.int64)).scan(start, run_start)
        if not self.kept.count:
            return runs.flat_map(lambda number, before, quota: self._run({}, number, before, quota))
        return self.kept.columns().flat_map(
            lambda kept: runs.flat_map(lambda number, before, quota: self._run(kept, number, before, quota))
        )

    def _run(self, kept: Columns, number: tf.Tensor, before: tf.Tensor, quota: tf.Tensor) -> tf.data.Dataset:
        """The batches of one run.

        Args:
          kept: columns of the kept classes' rows.
          number: of the run's first batch.
          before: rows of each class in all batches before it; int64 of shape [classes].
          quota: int64 of shape [batches, classes].
        """
        batches = self._chunk_batches
        sizes = tf.reduce_sum(quota, axis=1)
        quota = tf.pad(quota, [[0, -tf.shape(quota)[0] % batches], [0, 0]])
        quota = tf.reshape(quota, [-1, batches, len(self.order)])
        taken = tf.reduce_sum(quota, axis=1)
        chunks = tf.shape(taken, tf.int64)[0]
        parts = (
            number + batches * tf.range(chunks, dtype=tf.int64),
            before + tf.cumsum(taken, exclusive=True),
            quota,
        )
        numbered = tf.data.Dataset.from_tensor_slices(parts)
        if not self.streams.count:
            chunk = in_order(numbered, lambda *part: self._chunk(kept, {}, *part))
        else:
            streamed = taken[:, : self.streams.count]
            rows = tf.data.Dataset.zip((numbered, self._streamed(before, streamed)))
            chunk = in_order(rows, lambda part, rows: self._chunk(kept, rows, *part))
        if self.whole:
            return chunk.rebatch(self.batch_size, drop_remainder=True)
        return chunk.rebatch(sizes)

    @property
    def _chunk_batches(self) -> int:
        return max(1, min(_CHUNK_BATCHES, CHUNK_ROWS // self.batch_size))

    def _streamed(self, before: tf.Tensor, taken: tf.Tensor) -> tf.data.Dataset:
        """The streams' rows of each chunk, stream after stream; `taken` of shape [chunks, streams]."""
        chunks = tf.shape(taken, tf.int64)[0]

        def cut(stream: tf.Tensor) -> tf.data.Dataset:
            return self.streams.rows_from(stream, before[stream]).rebatch(taken[:, stream]).take(chunks)

        turns = tf.data.Dataset.range(self.streams.count).interleave(
            cut,
            cycle_length=self.streams.count,
            block_length=1,
            num_parallel_calls=min(self.streams.count, 4),
            deterministic=True,
        )
        return turns.rebatch(tf.reduce_sum(taken, axis=1))

    def _chunk(self, kept: Columns, streamed: Columns, number: tf.Tensor, before: tf.Tensor, quota: tf.Tensor) -> Any:
        """The rows of some batches, in their order."""
        counts = tf.reduce_sum(quota, axis=0)
        columns = streamed
        if self.kept.count:
            first = self.streams.count
            drawn = self.kept.draw(kept, before[first:], counts[first:])
            columns = {
                name: tf.concat([streamed[name], column], axis=0) if streamed else column
                for name, column in drawn.items()
            }
        order = self._batch_order(number, counts, quota)
        columns = {name: tf.gather(column, order) for name, column in columns.items()}
        return self.parser.element(columns) if self.parser.parses_blocks else columns

    def _batch_order(self, number: tf.Tensor, counts: tf.Tensor, quota: tf.Tensor) -> tf.Tensor:
        """Where the rows of each batch stand among the chunk's rows, which come class after class."""
        begins = tf.cumsum(counts, exclusive=True) + tf.cumsum(quota, axis=0, exclusive=True)
        begins, lengths = (tf.reshape(tf.gather(one, self.order, axis=1), [-1]) for one in (begins, quota))
        rows = tf.ragged.range(begins, begins + lengths).values
        if self.key is None:
            return rows
        sizes = tf.reduce_sum(quota, axis=1)
        firsts = tf.cumsum(sizes, exclusive=True)
        shuffled = [
            firsts[batch] + seeds.permutation(sizes[batch], seeds.fold(self.key, number + batch))
            for batch in range(self._chunk_batches)
        ]
        return tf.gather(rows, tf.concat(shuffled, axis=0))


def mixer_of(plan: ReadPlan, parser: Parser, *, whole: bool) -> Mixer:
    """The mixer of the classes that a plan opens: the small ones kept in memory, the others streamed."""
    small = small_classes([plan.classes[k] for k in plan.opened])
    streamed = [k for number, k in enumerate(plan.opened) if number not in small]
    kept = [k for number, k in enumerate(plan.opened) if number in small]

    def shards(numbers: list[int]) -> Shards:
        own = [plan.classes[k] for k in numbers]
        return Shards(own, numbers, [plan.factors[k] for k in numbers], parser)

    def key(purpose: str) -> seeds.Key | None:
        return seeds.key(plan.seed, purpose, *plan.worker_purpose) if plan.shuffle else None

    return Mixer(
        streams=Streams(shards=shards(streamed), key=key("rows")),
        kept=Kept(shards(kept), key("kept rows")),
        order=np.argsort(streamed + kept).tolist(),
        parser=parser,
        batch_size=plan.epochs.batch_size,
        whole=whole,
        key=key("batch"),
    )
