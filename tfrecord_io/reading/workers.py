"""Workers: which rows of each class are whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tfrecord_io.reading.strata import ReadClass, ShardSlice, Stratum


def dealt(classes: Sequence[ReadClass], num_workers: int, worker_index: int, *, every_class: bool) -> list[ReadClass]:
    """The rows of one worker of several.

    Every row is dealt to exactly one worker, so that the workers' rows of a class, and of all
    classes, differ by one at most. A worker's rows of a class stand one after the other in its
    shards, so it opens few of them; as that order is random, they are a random part.

    Args:
      classes: of all that is read.
      num_workers: how many workers there are.
      worker_index: from 0.
      every_class: give classes that have fewer rows than there are workers to every worker, whole;
        otherwise such a class is on some workers only.

    Returns:
      The same classes, their slices cut.
    """
    if num_workers == 1:
        return list(classes)
    own = []
    before = (
        0  # rows of the first fold in all strata before: row `before` + i goes to worker (before + i) % num_workers
    )
    for one in classes:
        shared = every_class and _fewest(one) < num_workers
        strata = []
        for stratum in one.strata:
            strata.append(stratum if shared else _cut(stratum, before, num_workers, worker_index))
            before += stratum.rows
        own.append(replace(one, strata=tuple(strata)))
    return own


def _fewest(one: ReadClass) -> int:
    """Rows of the class in its smallest pass, at least."""
    return sum(min(stratum.rows_of_fold(fold) for fold in range(stratum.folds)) for stratum in one.strata)


def _cut(stratum: Stratum, before: int, num_workers: int, worker_index: int) -> Stratum:
    slices: list[ShardSlice] = []
    for fold in range(stratum.folds):
        rows = stratum.rows_of_fold(fold)
        counts = [_dealt_rows(before, rows, num_workers, worker) for worker in range(worker_index + 1)]
        slices += _between([one for one in stratum.slices if one.fold == fold], sum(counts[:-1]), sum(counts))
    return replace(stratum, slices=tuple(slices))


def _dealt_rows(before: int, rows: int, num_workers: int, worker: int) -> int:
    """How many of the numbers from `before` to `before + rows` are `worker` modulo `num_workers`."""
    return (before + rows - worker - 1) // num_workers - (before - worker - 1) // num_workers


def _between(slices: Sequence[ShardSlice], start: int, stop: int) -> list[ShardSlice]:
    """Rows `start` to `stop` of these slices, one after the other."""
    found = []
    at = 0
    for one in slices:
        low, high = max(start - at, 0), min(stop - at, one.rows)
        if low < high:
            found.append(replace(one, first=one.first + low, rows=high - low))
        at += one.rows
    return found
