"""Features of many Examples as Arrow columns, against protobuf on each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tfrecord_io.example_bytes import ODD, RECORDS, buffer, parsed_or_none, serialized
from tfrecord_io.example_columns import DTYPES, read_columns
from tfrecord_io.example_walk import walk


def columns_of(records, schema):
    data, starts, stops = buffer(records, 2)
    return read_columns(data, starts, stops, walk(data, starts, stops), schema)


def bits(dtype, values):
    return np.array(values, np.float32).tobytes() if dtype == "float32" else list(values)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40)
@given(records=st.lists(RECORDS | st.sampled_from(list(ODD.values())), max_size=10))
def test_columns_hold_what_protobuf_finds(records, dtype, listed):
    kind = pa.large_list(DTYPES[dtype]) if listed else DTYPES[dtype]
    schema = pa.schema([("y", kind), ("é", kind)])
    batch, wrong = columns_of(records, schema)
    assert batch.schema == schema
    for row, record in enumerate(records):
        parsed = parsed_or_none(record)
        unfit = parsed is None
        for name in schema.names:
            value = batch.column(name)[row].as_py()
            found, values = (parsed or {}).get(name, (None, []))
            if found == dtype and (listed or len(values) == 1):
                assert bits(dtype, value if listed else [value]) == bits(dtype, values)
            else:
                assert value is None
                unfit |= found not in (None, dtype) or len(values) > 1
        assert (row in wrong) == unfit


def test_why_a_record_is_unfit():
    plain = {"y": ("int64_list", [1])}
    records = [plain, {"y": ("float_list", [1.0])}, {"y": ("int64_list", [1, 2])}, {}, {"y": ("int64_list", [])}]
    records = [*map(serialized, records), b"\xff", ODD["unpacked"]]
    batch, wrong = columns_of(records, pa.schema([("y", pa.int64())]))
    assert batch.column("y").to_pylist() == [1, None, None, None, None, None, 5]
    assert wrong[1] == "feature 'y' is float32, elsewhere it is int64."
    assert wrong[2] == "feature 'y' has 2 values; one is needed."
    assert wrong[5].startswith("the record is no serialized tf.train.Example")
    assert set(wrong) == {1, 2, 5}


def test_no_records_and_no_columns():
    batch, wrong = columns_of([], pa.schema([("y", pa.int64()), ("v", pa.large_list(pa.large_binary()))]))
    assert (batch.num_rows, wrong) == (0, {})
    assert columns_of([serialized({})], pa.schema([]))[1] == {}
