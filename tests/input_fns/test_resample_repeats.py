"""The same seed yields the same batches, and an iterator's checkpoint goes on where it was saved."""

from __future__ import annotations

import pytest
import tensorflow as tf

from input_fns import resample


def drawn(data, *, batch_size=50, **options):
    return resample(data, lambda n: n % 10 // 9, source=[0.9, 0.1], batch_size=batch_size, window=100, **options)


def numbers(batches):
    return [number for batch, _ in batches for number in batch.numpy().tolist()]


def test_the_same_seed_yields_the_same_batches():
    data = tf.data.Dataset.range(1000)
    one = drawn(data, seed=1)
    first = numbers(one)
    assert numbers(one) == first
    assert numbers(drawn(data, seed=1)) == first
    assert numbers(drawn(data, seed=1, batch_size=7)) == first
    assert numbers(drawn(data.batch(33), batched=True, seed=1)) == first
    assert set(numbers(drawn(data, seed=2))) != set(first)


def test_repeated_rows_are_drawn_anew():
    data = tf.data.Dataset.range(1000)
    once = numbers(drawn(data))
    twice = numbers(drawn(data.repeat(2)))
    assert twice[: len(once)] == once
    assert set(twice[len(once) :]) != set(once)
    assert numbers(drawn(data).repeat(2)) == once * 2


@pytest.mark.parametrize("batched", [False, True])
def test_a_checkpoint_of_the_iterator_at_every_step(tmp_path, batched):
    data = tf.data.Dataset.range(350)
    batches = drawn(data.batch(33) if batched else data, batched=batched)
    rows = [numbers([batch]) for batch in batches]
    assert len(rows) > 5
    iterator = iter(batches)
    saved = []
    for step in range(len(rows) + 1):
        saved.append(tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / str(step))))
        if step < len(rows):
            next(iterator)
    for step, path in enumerate(saved):
        fresh = iter(batches)
        tf.train.Checkpoint(iterator=fresh).read(path).assert_consumed()
        assert [numbers([batch]) for batch in fresh] == rows[step:]


def test_a_checkpoint_of_text_labels(tmp_path):
    data = tf.data.Dataset.range(600).map(lambda n: tf.where(n % 10 == 9, "rare", "frequent"))
    batches = resample(data, lambda name: name, source={"rare": 1, "frequent": 9}, batch_size=50, window=100)
    rows = [batch.numpy().tolist() for batch, _ in batches]
    iterator = iter(batches)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "saved"))
    fresh = iter(batches)
    tf.train.Checkpoint(iterator=fresh).read(path).assert_consumed()
    assert [batch.numpy().tolist() for batch, _ in fresh] == rows[1:]
