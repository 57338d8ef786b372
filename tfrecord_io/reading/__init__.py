"""What is read, in which shares and with which weights: the arithmetic that every reader shares.

    manifest(s) ---> plan_reading ---> ReadPlan ---> TensorFlow's reader (input_fns), numpy's (read_examples)

    datasets  one manifest or several as one: what they must have in common
    strata    what is read of each class: splits, folds and datasets as one
    workers   which rows of each class are whose
    mixes     which share of the rows each class has, and the weights and priors that follow
    epochs    how rows fall into batches, and batches into epochs
    options   what readers accept, and what contradicts what
    plan      puts these together

Nothing here opens a shard; nothing needs TensorFlow.
"""
