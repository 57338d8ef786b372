"""What `resample` refuses, and what the message says."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf

from input_fns import resample
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import ManifestError, UsageError

NUMBERS = tf.data.Dataset.range(10)


def label(number):
    return number % 2


def refused(message, data=NUMBERS, class_fn=label, **options):
    with pytest.raises(UsageError, match=message):
        resample(data, class_fn, **{"source": [1, 1], "batch_size": 4, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "even"}, r"no target 'even'; target is balanced, or a mapping .* over the classes 0, 1\."),
        ({"target": None}, r"target is None\. Give 'balanced'"),
        ({"target": {0: 1}}, r"target does not name 1; the classes of source are 0, 1\. 0 leaves a class out\."),
        ({"target": {0: 1, 1: 1, 7: 1, "1": 1}}, r"target has labels of several kinds: 0, 1, 7, '1'\."),
        ({"target": {0: 1, 7: 1, 8: 0}}, r"target names 7, 8, not there; the classes of source are 0, 1\."),
        ({"target": {"0": 1, "1": 1}}, r"target names '0', '1', not there"),
        ({"target": {False: 1, True: 1}}, r"target names false, true, not there"),
        ({"target": {0: -1, 1: float("nan")}}, r"target gives 0: -1, 1: nan\. A share is a number, 0 or above"),
        ({"target": {0: 0, 1: 0}}, r"shares of target add up to 0"),
        ({"target": []}, r"target names no class"),
        ({"target": {0: 1, 1: 1}, "source": [1, 0]}, r"target gives a share to 1, of which source has no row\."),
        ({"source": None}, r"source is None\. Give the path of a dataset, its Manifest, .* rows are not counted\."),
        ({"source": {}}, r"source names no class"),
        ({"source": [0, 0]}, r"shares of source add up to 0"),
        ({"source": {0: "many", 1: float("inf")}}, r"source gives 0: 'many', 1: inf\."),
        ({"source": {"a": 1, b"a": 1}}, r"source names a class twice: 'a', 'a'"),
        ({"source": {0: 1, None: 1}}, r"source names the class None\. A label is an int, float, bool, str or bytes\."),
        ({"source": {float("nan"): 1}}, r"no label can be: nan is not a finite float32"),
        ({"source": {2**63: 1}}, r"no label can be: 9223372036854775808 is beyond int64"),
        ({"split": "train"}, r"split='train' is a split of a manifest, but source gives the shares\. Leave it out\."),
        ({"soften": (1, 2)}, r"soften is \(1, 2\); give two exponents between 0 and 1: \(under, over\)\."),
        ({"soften": 0.5}, r"soften is 0\.5; give two"),
        ({"soften": (1, float("nan"))}, r"soften is \(1, nan\)"),
        ({"source": [10**7, 1]}, r"classes 1 would be yielded 5e\+06 times; at most 2\^20 copies .*replicate=False"),
        ({"target": [1, 10**13]}, r"classes 0 would be yielded 2e-13 times; .* at least one row in 2\^40 is kept"),
        ({"weights": "stored"}, r"no weights 'stored'; weights is one of auto, none\."),
        ({"batch_size": 0}, r"batch_size is 0; give an integer, 1 or more\."),
        ({"window": 0}, r"window is 0; give an integer, 1 or more\."),
        ({"seed": 1.5}, r"seed is 1\.5; give an integer\."),
        ({"batch_size": None, "drop_remainder": True}, r"drop_remainder=True .* batch_size=None yields no batches"),
        ({"batched": True}, r"batched=True, but the dataset yields single elements"),
        ({"data": [1, 2]}, r"dataset is \[1, 2\]; give a tf\.data\.Dataset\."),
        ({"data": NUMBERS.window(2)}, r"The dataset yields DatasetSpec.*Dense, ragged and sparse tensors"),
        (
            {"data": NUMBERS.map(lambda n: (n, n, n)), "class_fn": lambda *n: n[0]},
            r"\(features, label, weight\), .*int64",
        ),
        ({"class_fn": lambda n: tf.reduce_sum(n)}, r"class_fn returned TensorSpec\(shape=\(\).* of shape \[rows\]"),
        ({"class_fn": lambda n: {"label": n}}, r"class_fn returned \{'label'.* of shape \[rows\]"),
        ({"class_fn": lambda n: n / 10}, r"labels of type float64, but the classes of source are 0, 1\. Convert"),
        ({"class_fn": lambda n: tf.strings.as_string(n)}, r"labels of type string, but the classes of source are 0, 1"),
        ({"source": {"a": 1}}, r"labels of type int64, but the classes of source are 'a'\."),
    ],
)
def test_options_that_are_refused(options, message):
    refused(message, **options)


def test_sources_that_are_refused(dataset, tmp_path):
    path = dataset(Data(classes=[ClassData(label=0, rows=2)]))
    refused(r"no split 'eval'; the dataset has train\.", source=path, split="eval")
    refused(r"Split 'train' of source has no source rows", source=dataset(Data(classes=[ClassData(label=0, rows=0)])))
    with pytest.raises(ManifestError, match="holds no dataset"):
        resample(NUMBERS, label, source=tmp_path, batch_size=4)


@pytest.mark.parametrize(
    ("source", "class_fn", "message"),
    [
        ([1, 1], lambda n: n, "gave the labels 2, 3, 4, 5, 6, which source gives no share; the classes are 0, 1."),
        ([1, 0], label, "gave the labels 1, which source gives no share; the classes are 0."),
        ({0.0: 1, 1.0: 1}, lambda n: tf.cast(n, tf.float32) / 2, "gave the labels 0.500000, 1.500000, 2.000000, "),
        ({0.0: 1}, lambda n: tf.cast(n, tf.float32) * float("nan"), "gave the labels nan, "),
        ({"0": 1, "": 1}, lambda n: tf.strings.as_string(n), "gave the labels 1, 2, 3, 4, 5, which "),
        ({"a": 1}, lambda n: tf.where(n > 5, "a", "b"), "gave the labels b, which source gives no share; the classes "),
        ([1, 1], lambda n: n[n < 4] % 2, "class_fn must return one label a row, but gave 4 for 10 rows."),
        ([1, 1], lambda n: tf.repeat(n % 2, 2), "class_fn must return one label a row, but gave 20 for 10 rows."),
    ],
)
def test_labels_that_are_refused_when_reached(source, class_fn, message):
    drawn = resample(NUMBERS, class_fn, source=source, batch_size=4)
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(message)):
        list(drawn)
