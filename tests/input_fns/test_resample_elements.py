"""Elements of every structure come out of `resample` whole, with their weight in its place."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import resample


def components(rows):
    """Rows in which every component tells the number of the row; lists differ in length."""
    number = tf.range(rows, dtype=tf.int64)
    lists = tf.RaggedTensor.from_row_lengths(tf.repeat(number, number % 4), number % 4)
    six = (number[:, tf.newaxis] + tf.range(6, dtype=tf.int64)) * (number[:, tf.newaxis] % 3)
    return {
        "label": number % 2,
        "text": tf.strings.as_string(number),
        "pair": tf.stack([number, -number], axis=1),
        "nested": (lists, tf.stack([lists, lists + 1], axis=1)),
        "sparse": lists.to_sparse(),
        "cube": tf.sparse.from_dense(tf.reshape(six, [rows, 2, 3])),
    }


def plain(part):
    part = tf.sparse.to_dense(part) if isinstance(part, tf.SparseTensor) else part
    return part.to_list() if isinstance(part, tf.RaggedTensor) else part.numpy().tolist()


@pytest.mark.parametrize(("batch_size", "batches_of"), [(7, None), (None, None), (7, 13), (None, 400)])
def test_rows_of_every_structure_stay_whole(batch_size, batches_of):
    data = tf.data.Dataset.from_tensor_slices(components(100))
    data = data if batches_of is None else data.batch(batches_of)
    options = {"batch_size": batch_size, "batched": batches_of is not None, "window": 30}
    drawn = resample(data, lambda row: row["label"], [3, 1], source=[1, 1], **options)
    if batch_size is None:
        drawn = drawn.batch(7)
    parts = [plain(part) for part in tf.nest.flatten(components(100))]
    expected = [list(row) for row in zip(*parts, strict=True)]
    seen = []
    for batch in drawn:
        *parts, weights = [plain(part) for part in tf.nest.flatten(batch)]
        for *row, weight in zip(*parts, weights, strict=True):
            number = expected.index(row)
            assert weight == np.float32(2 if number % 2 else 2 / 3)
            seen.append(number)
    assert set(range(0, 100, 2)) <= set(seen)
    assert 10 < sum(number % 2 for number in seen) < 40


def test_lists_of_other_lengths_in_each_window():
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={"id": tf.train.Feature(int64_list=tf.train.Int64List(value=[i] * (i // 10 + 1)))}
            )
        )
        for i in range(40)
    ]
    spec = {"id": tf.io.VarLenFeature(tf.int64)}
    data = tf.data.Dataset.from_tensor_slices([one.SerializeToString() for one in examples]).batch(10)
    data = data.map(lambda records: tf.io.parse_example(records, spec))
    one_class = resample(
        data, lambda row: tf.zeros(row["id"].dense_shape[:1]), source={0.0: 1}, batch_size=16, batched=True, window=10
    )
    rows = [row for batch, _ in one_class for row in tf.RaggedTensor.from_sparse(batch["id"]).to_list()]
    assert sorted(rows) == [[i] * (i // 10 + 1) for i in range(40)]


@pytest.mark.parametrize(
    ("element", "place"),
    [
        (lambda n: n, 1),
        (lambda n: {"n": n}, 1),
        (lambda n: (n,), 1),
        (lambda n: (n, n), 2),
        (lambda n: (n, n, tf.constant(0.5, tf.float64)), 2),
        (lambda n: (n, n, n, n), 1),
    ],
    ids=["record", "dict", "one", "pair", "weighted pair", "four"],
)
def test_where_the_weight_goes(element, place):
    data = tf.data.Dataset.range(1, 101).map(element)

    def large(*parts):
        return tf.nest.flatten(parts)[0] > 25

    options = {"source": {False: 1, True: 3}, "batch_size": 50}
    for parts in resample(data, large, **options):
        assert len(parts) == place + 1
        expected = np.where(tf.nest.flatten(parts)[0].numpy() > 25, 1.5, 0.5)
        scale = 0.5 if parts[place].dtype == tf.float64 else 1
        np.testing.assert_allclose(parts[place], expected * scale, rtol=1e-6)
    unweighted = resample(data, large, weights="none", **options)
    assert unweighted.element_spec == data.batch(50).element_spec
