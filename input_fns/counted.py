"""Counted: batches as a Dataset that knows its cardinality, and is handed to a worker whole or not at all."""

from __future__ import annotations

import tensorflow as tf


def counted(batches: tf.data.Dataset, number: int | None) -> tf.data.Dataset:
    """The same batches, of known cardinality; indivisible.

    Who splits a Dataset among workers, as tf.data service does with ShardingPolicy.DYNAMIC, splits
    what it starts from. Of batches made of runs, that would yield some rows twice and others never;
    so here it is one element. A worker that does not get it yields nothing, where
    `assert_cardinality` would fail.

    Args:
      batches: to be yielded, as many as `number` says.
      number: of batches; None = without end.
    """
    one = tf.data.Dataset.from_tensors(0).flat_map(lambda _: batches)
    # Of several datasets one of which is endless, the choice counts as endless. The second is never chosen.
    first = tf.data.Dataset.from_tensors(tf.constant(0, tf.int64)).repeat()
    endless = tf.data.Dataset.choose_from_datasets([one, one.repeat()], first, stop_on_empty_dataset=True)
    return endless if number is None else endless.take(number)
