"""Reads published datasets into training: TensorFlow, no Beam.

    manifest.json ---> InputFn ---> InputFn()  = tf.data.Dataset of batches

    strata    what is read of each class: one split or several as one, all folds or one
    mixes     which share of the rows each class has, and the weights and priors that follow
    epochs    how rows fall into batches, and batches into epochs
    quotas    how many rows of each class a batch takes: exact, or drawn at random
    streams   the endless, reshuffled passes over each class's raw records; batches cut from them
    parsing   a whole batch of records at once -> features, label, weight
    seeds     every random choice as a pure function of (seed, purpose, index)
    options   what InputFn accepts, and what contradicts what
    input_fn  puts these together

    resampling     resample(): class shares changed on the fly, without a dataset of ours
    rates          how often a row of each class is then yielded, and what it weighs
    class_numbers  labels of many rows -> their classes

A batch is made so: `quotas` says how many rows of each class, `streams` cuts them, the batch is
shuffled, parsed, weighted and given its structure. Everything a trainer asks for beforehand
(`num_rows`, `steps_per_epoch`, ...) comes from the manifest alone.
"""

from input_fns.input_fn import InputFn
from input_fns.resampling import resample

__all__ = ["InputFn", "resample"]
