"""Reads published datasets into training: TensorFlow, no Beam.

    manifest.json ---> InputFn ---> InputFn()  = tf.data.Dataset of batches

    input_fn      what trainers import; what it reads is planned by tfrecord_io.reading
    storage       which file systems are read; shards looked for before the first batch
    quotas        how many rows of each class a batch takes: exact, or drawn at random
    shards        from files to parsed blocks of rows, every record accounted for
    streams       the endless, reshuffled passes over each large class
    kept          the same of the small classes, whose rows are in memory
    mixing        batches cut from both as the quotas say
    counted       batches of known number, indivisible among workers of a tf.data service
    parsing       whole blocks of records -> columns; columns of a batch -> features, label, weight
    seeds         every random choice as a pure function of (seed, purpose, index)
    permutations  shuffles evaluated point by point

    resampling     resample(): class shares changed on the fly, without a dataset of ours
    rates          how often a row of each class is then yielded, and what it weighs
    class_numbers  labels of many rows -> their classes

Batches are made some at a time: `quotas` says how many rows of each class, `streams` and `kept` give
them, parsed, and one gather a column puts them into a shuffled order. Everything a trainer asks for beforehand
(`num_rows`, `steps_per_epoch`, ...) comes from the manifest alone.
"""

from input_fns.input_fn import InputFn
from input_fns.resampling import resample

__all__ = ["InputFn", "resample"]
