"""A competent hand-written Beam job that balances the classes of CSV or TFRecord files, one row at a time.

    python benchmarks/handwritten_beam.py --input 'DIR/*.csv' --output OUT [--classes 0 1] [Beam's flags]
    python benchmarks/handwritten_beam.py --format tfrecord --input 'DIR/*.tfrecord' --output OUT

This is what people write without presample: read lines, parse, count per class, give the counts to a
second pass as a side input, keep each row with probability min(N) / N_k, add the weight N_k / min(N),
encode `tf.train.Example`, write TFRecords per class. From TFRecords it parses each Example, and encodes
again only those that stay. Its sizes are right on average only, and the author has to know the columns
and the classes. The last line on stdout is JSON with the seconds of its imports and of its work.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import csv  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from typing import Any  # noqa: E402

import apache_beam as beam  # noqa: E402
import tensorflow as tf  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - STARTED

COLUMNS = ["id", "label", *(f"f{index}" for index in range(20)), "hour", "country", "device", "page"]
INTEGERS = {"id", "label", "hour"}
STRINGS = {"country", "device", "page"}
LABEL = COLUMNS.index("label")
ROW_ID = COLUMNS.index("id")

LabelledRow = tuple[int, Any]  # a CSV row's fields, or an Example


def parse_line(line: str) -> LabelledRow:
    """Parses a line into its label and its fields."""
    fields = next(csv.reader([line]))
    return int(fields[LABEL]), fields


def to_example(fields: list[str], weight: float) -> bytes:
    """Serializes a row as `tf.train.Example`, with its weight."""
    features = {"weight": tf.train.Feature(float_list=tf.train.FloatList(value=[weight]))}
    for name, text in zip(COLUMNS, fields, strict=True):
        if name in INTEGERS:
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(text)]))
        elif name in STRINGS:
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
        else:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[float(text)]))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString())


def row_id(fields: list[str]) -> bytes:
    """Gives the bytes that decide about a row."""
    return fields[ROW_ID].encode()


def parse_record(record: bytes) -> LabelledRow:
    """Parses a record into its label and its Example."""
    example = tf.train.Example.FromString(record)
    return example.features.feature["label"].int64_list.value[0], example


def example_id(example: tf.train.Example) -> bytes:
    """Gives the bytes that decide about an Example."""
    return str(example.features.feature["id"].int64_list.value[0]).encode()


def add_weight(example: tf.train.Example, weight: float) -> bytes:
    """Serializes an Example with its weight."""
    example.features.feature["weight"].float_list.value.append(weight)
    return bytes(example.SerializeToString())


@dataclass(frozen=True)
class Format:
    """How one format is read, parsed and encoded."""

    read: Callable[[str], beam.PTransform]
    parse: Callable[[Any], LabelledRow]
    row_id: Callable[[Any], bytes]
    encode: Callable[[Any, float], bytes]


FORMATS = {
    "csv": Format(lambda source: beam.io.ReadFromText(source, skip_header_lines=1), parse_line, row_id, to_example),
    "tfrecord": Format(beam.io.ReadFromTFRecord, parse_record, example_id, add_weight),
}


class SampleAndEncode(beam.DoFn):  # type: ignore[misc]
    """Keeps each row with probability min(N) / N_k and encodes those that stay."""

    def __init__(self, form: str, seed: int) -> None:
        """Takes the name of the format and the seed of the draw."""
        self._form = form
        self._key = seed.to_bytes(8, "little")

    def process(self, element: LabelledRow, counts: dict[int, int]) -> Iterator[tuple[int, bytes]]:
        """Draws one row, from a hash of its id: a bundle that is tried again keeps the same rows."""
        label, row = element
        form = FORMATS[self._form]
        rate = min(counts.values()) / counts[label]
        digest = hashlib.blake2b(form.row_id(row), digest_size=8, key=self._key).digest()
        if int.from_bytes(digest, "little") < rate * 2**64:
            yield label, form.encode(row, 1 / rate)


def build(pipeline: beam.Pipeline, *, form: str, source: str, output: str, classes: list[int], seed: int) -> None:
    """Adds the job to a pipeline."""
    read, parse = FORMATS[form].read, FORMATS[form].parse
    # Read twice on purpose: rows shared by both passes would wait for the counts in this runner's memory.
    counts = (
        pipeline
        | "ReadToCount" >> read(source)
        | "ParseToCount" >> beam.Map(parse)
        | "Count" >> beam.combiners.Count.PerKey()
    )
    examples = (
        pipeline
        | "Read" >> read(source)
        | "Parse" >> beam.Map(parse)
        | "Sample" >> beam.ParDo(SampleAndEncode(form, seed), counts=beam.pvalue.AsDict(counts))
    )
    parts = examples | "ByClass" >> beam.Partition(lambda pair, _: classes.index(pair[0]), len(classes))
    for label, part in zip(classes, parts, strict=True):
        _ = (
            part
            | f"Values[{label}]" >> beam.Values()
            | f"Write[{label}]" >> beam.io.WriteToTFRecord(f"{output}/label={label}", file_name_suffix=".tfrecord")
        )


def main() -> None:
    """Command line of this file; flags that it does not know go to Beam."""
    parser = argparse.ArgumentParser(description="Balance the classes of files with Beam, row by row.")
    parser.add_argument("--format", choices=FORMATS, default="csv")
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--classes", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seed", type=int, default=0)
    options, beam_flags = parser.parse_known_args()
    started = time.perf_counter()
    # The in-process runner by name: `DirectRunner` first tries to download another one.
    beam_options = PipelineOptions(beam_flags, save_main_session=False)
    with beam.Pipeline(runner="FnApiRunner", options=beam_options) as pipeline:
        build(
            pipeline,
            form=options.format,
            source=options.input,
            output=options.output,
            classes=options.classes,
            seed=options.seed,
        )
    report = {
        "import_seconds": round(IMPORT_SECONDS, 3),
        "work_seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
