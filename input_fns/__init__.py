"""Reads published datasets into training: TensorFlow, no Beam.

    manifest.json ---> InputFn ---> InputFn()  = tf.data.Dataset of batches

    strata    what is read of each class: one split or several as one, all folds or one
    mixes     which share of the rows each class has, and the weights and priors that follow
    epochs    how rows fall into batches, and batches into epochs
    quotas    how many rows of each class a batch takes: exact, or drawn at random
    streams   the endless, reshuffled passes over each class's raw records; batches cut from them
    counted   batches of known number, indivisible among workers
    parsing   a whole batch of records at once -> features, label, weight
    seeds     every random choice as a pure function of (seed, purpose, index)
    options   what InputFn accepts, and what contradicts what
    input_fn  puts these together

A batch is made so: `quotas` says how many rows of each class, `streams` cuts them, the batch is
shuffled, parsed, weighted and given its structure. Everything a trainer asks for beforehand
(`num_rows`, `steps_per_epoch`, ...) comes from the manifest alone.
"""

from input_fns.input_fn import InputFn

__all__ = ["InputFn"]
