"""How rows are dealt to workers: pure arithmetic over the manifest's shards."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecord_io.reading import workers
from tfrecord_io.reading.strata import ReadClass, ShardSlice, Stratum


@st.composite
def strata(draw, label, part):
    folds = draw(st.integers(1, 3))
    rows = st.lists(st.integers(0, 9), max_size=3)
    # Folds differ by rows that turned out bad when they were drawn.
    slices = [
        ShardSlice(
            path=f"{label}/{part}-{fold}-{number}",
            first=0,
            rows=count,
            file_rows=count,
            bytes=count * 20,
            fold=fold,
        )
        for fold in range(folds)
        for number, count in enumerate(draw(rows))
    ]
    return Stratum(
        name="'train'",
        label=label,
        source_rows=100,
        source_weight=100.0,
        folds=folds,
        factor=1.0,
        compression="none",
        slices=tuple(slices),
    )


@st.composite
def classes(draw):
    return [
        ReadClass(label=label, strata=tuple(draw(strata(label, part)) for part in range(draw(st.integers(1, 3)))))
        for label in range(draw(st.integers(1, 5)))
    ]


def rows_of(stratum, fold):
    return [
        (one.path, row) for one in stratum.slices if one.fold == fold for row in range(one.first, one.first + one.rows)
    ]


@settings(max_examples=150, deadline=None)
@given(classes(), st.integers(1, 7))
def test_every_row_of_every_fold_is_dealt_to_one_worker(found, num_workers):
    dealt = [workers.dealt(found, num_workers, worker, every_class=False) for worker in range(num_workers)]
    for number, one in enumerate(found):
        for s, stratum in enumerate(one.strata):
            for fold in range(stratum.folds):
                own = [rows_of(each[number].strata[s], fold) for each in dealt]
                # One after the other: worker after worker has the next rows of the shards.
                assert [row for rows in own for row in rows] == rows_of(stratum, fold)
    for each in dealt:
        assert [one.label for one in each] == [one.label for one in found]
        assert all(s.folds == t.folds for one, own in zip(found, each, strict=True) for s, t in pairs(one, own))


def pairs(one, other):
    return zip(one.strata, other.strata, strict=True)


def spread(numbers):
    return max(numbers) - min(numbers)


@settings(max_examples=150, deadline=None)
@given(classes(), st.integers(1, 7))
def test_workers_rows_differ_by_one_at_most(found, num_workers):
    dealt = [workers.dealt(found, num_workers, worker, every_class=False) for worker in range(num_workers)]
    assert spread([sum(one.rows for one in each) for each in dealt]) <= 1
    for number in range(len(found)):
        assert spread([each[number].rows for each in dealt]) <= 1


@settings(max_examples=150, deadline=None)
@given(classes(), st.integers(1, 7))
def test_every_class_is_on_every_worker_where_that_is_asked(found, num_workers):
    dealt = [workers.dealt(found, num_workers, worker, every_class=True) for worker in range(num_workers)]
    for number, one in enumerate(found):
        smallest = sum(min(s.rows_of_fold(fold) for fold in range(s.folds)) for s in one.strata)
        whole = smallest < num_workers
        holders = Counter()
        for each in dealt:
            own = each[number]
            assert own.rows or not one.rows
            holders.update(row for s in own.strata for fold in range(s.folds) for row in rows_of(s, fold))
        assert set(holders.values()) <= ({num_workers} if whole else {1})
        assert len(holders) == sum(s.mean_rows * s.folds for s in one.strata)


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_workers_rows_lie_in_as_few_shards_as_can_be(rows, num_workers):
    """Of shards of one row each, a worker opens as many as it has rows, and they stand side by side."""
    slices = [ShardSlice(path=f"{shard:03}", first=0, rows=1, file_rows=1, bytes=20, fold=0) for shard in range(rows)]
    stratum = Stratum(
        name="'train'",
        label=0,
        source_rows=rows,
        source_weight=float(rows),
        folds=1,
        factor=1.0,
        compression="none",
        slices=tuple(slices),
    )
    for worker in range(num_workers):
        (own,) = workers.dealt([ReadClass(label=0, strata=(stratum,))], num_workers, worker, every_class=False)
        numbers = [int(one.path) for one in own.strata[0].slices]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else own.rows == 0
        assert abs(own.rows - Fraction(rows, num_workers)) < 1
