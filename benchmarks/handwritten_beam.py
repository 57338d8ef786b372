"""A competent hand-written Beam job that balances a CSV file's classes, one row at a time.

    python benchmarks/handwritten_beam.py --input 'DIR/*.csv' --output OUT [--classes 0 1] [Beam's flags]

This is what people write without presample: read lines, parse, count per class, give the counts to a
second pass as a side input, keep each row with probability min(N) / N_k, add the weight N_k / min(N),
encode `tf.train.Example`, write TFRecords per class. Its sizes are right on average only, and the
author has to know the columns and the classes. The last line on stdout is JSON with the seconds of its
imports and of its work.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import csv  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
from collections.abc import Iterator  # noqa: E402

import apache_beam as beam  # noqa: E402
import tensorflow as tf  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - STARTED

COLUMNS = ["id", "label", *(f"f{index}" for index in range(20)), "hour", "country", "device", "page"]
INTEGERS = {"id", "label", "hour"}
STRINGS = {"country", "device", "page"}
LABEL = COLUMNS.index("label")
ROW_ID = COLUMNS.index("id")

LabelledRow = tuple[int, list[str]]


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


class SampleAndEncode(beam.DoFn):  # type: ignore[misc]
    """Keeps each row with probability min(N) / N_k and encodes those that stay."""

    def __init__(self, seed: int) -> None:
        """Takes the seed of the draw."""
        self._key = seed.to_bytes(8, "little")

    def process(self, element: LabelledRow, counts: dict[int, int]) -> Iterator[tuple[int, bytes]]:
        """Draws one row, from a hash of its id: a bundle that is tried again keeps the same rows."""
        label, fields = element
        rate = min(counts.values()) / counts[label]
        digest = hashlib.blake2b(fields[ROW_ID].encode(), digest_size=8, key=self._key).digest()
        if int.from_bytes(digest, "little") < rate * 2**64:
            yield label, to_example(fields, 1 / rate)


def build(pipeline: beam.Pipeline, *, source: str, output: str, classes: list[int], seed: int) -> None:
    """Adds the job to a pipeline."""
    # Read twice on purpose: rows shared by both passes would wait for the counts in this runner's memory.
    counts = (
        pipeline
        | "ReadToCount" >> beam.io.ReadFromText(source, skip_header_lines=1)
        | "ParseToCount" >> beam.Map(parse_line)
        | "Count" >> beam.combiners.Count.PerKey()
    )
    examples = (
        pipeline
        | "Read" >> beam.io.ReadFromText(source, skip_header_lines=1)
        | "Parse" >> beam.Map(parse_line)
        | "Sample" >> beam.ParDo(SampleAndEncode(seed), counts=beam.pvalue.AsDict(counts))
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
    parser = argparse.ArgumentParser(description="Balance the classes of CSV files with Beam, row by row.")
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--classes", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seed", type=int, default=0)
    options, beam_flags = parser.parse_known_args()
    started = time.perf_counter()
    # The in-process runner by name: `DirectRunner` first tries to download another one.
    beam_options = PipelineOptions(beam_flags, save_main_session=False)
    with beam.Pipeline(runner="FnApiRunner", options=beam_options) as pipeline:
        build(pipeline, source=options.input, output=options.output, classes=options.classes, seed=options.seed)
    report = {
        "import_seconds": round(IMPORT_SECONDS, 3),
        "work_seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
