"""What is read, in which shares and with which weights: the arithmetic that every reader shares.

    manifest(s) ---> plan_reading ---> ReadPlan ---> TensorFlow's reader (input_fns), numpy's (read_examples)

    datasets  one manifest or several as one: what they must have in common
    strata    what is read of each class: splits, folds and datasets as one
    workers   which rows of each class are whose
    mixes     which share of the rows each class has, and the weights and priors that follow
    epochs    how rows fall into batches, and batches into epochs
    options   what readers accept, and what contradicts what
    plan      puts these together
    listing   whether the planned shards are there

    defaults, feature_names      which features are read, and as what where they are missing

These open no shard. numpy's reader, `read_examples`, does:

    numpy_reader     puts together: quotas ---> numpy_streams ---> batches
    quotas           how many rows of each class a batch takes
    numpy_streams    the streams of all classes side by side
    class_rows       the stream of one class: kept, or a window at a time
    passes           pass after pass over a class's shards: where a row lies
    shard_rows       records found, cut out and checked
    feature_columns  records decoded to arrays
    row_store        decoded rows of all classes, so that a batch is one look-up a column
    chances          random orders as pure functions of (seed, purpose, position)

Nothing needs TensorFlow.
"""
