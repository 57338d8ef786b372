"""All that `job.py` can measure, by name."""

from collections.abc import Callable

from against_others import balance, formats, none, tfrecord
from scaling import balance_memory, big_file, classes, files, none_memory, shards, workers
from scenario import Scenario, Sizes

SCENARIOS: dict[str, Callable[[Sizes], Scenario]] = {
    each.__name__: each
    for each in (
        balance,
        none,
        none_memory,
        balance_memory,
        tfrecord,
        formats,
        workers,
        classes,
        files,
        big_file,
        shards,
    )
}
