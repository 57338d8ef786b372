"""`Presample` in a pipeline of one's own: the same dataset as from files, however the rows arrive."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from beam_jobs import Presample, PresampleOptions
from tests.beam_jobs.conftest import Dataset
from tests.beam_jobs.conftest import Presample as RunOnFiles
from tfrecord_io import Manifest, verify

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("part", pa.int32()),
        ("y", pa.dictionary(pa.int8(), pa.string())),
        ("w", pa.float64()),
        ("text", pa.large_string()),
        ("list", pa.list_(pa.float32())),
        ("flag", pa.bool_()),
    ]
)
OPTIONS: dict[str, Any] = {
    "row_id": ("key", "part"),
    "weight_in": "w",
    "weights": "balanced",
    "strategy": "counts:often=300,seldom=250",
    "splits": "train=0.8,eval=0.2",
    "max_bad_fraction": 0.1,
    "seed": 5,
}
"""Of one class less than there is is kept, of the other more."""

THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def _row(i: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": f"user {i // 3}",
        "part": i % 3,
        "y": "seldom" if i % 8 == 0 else "often",
        "w": i % 9 / 8 + 1e-9 * i,
        "text": f"text {i}" * (i % 40),
        "list": [i / 3] * (i % 4),
        "flag": i % 5 == 0,
    }
    if i % 50 == 7:
        row["y"] = row["w"] = None  # a bad row, whatever its weight
    if i % 50 == 8:
        row["list"] = [1.0, None]  # bad once it is drawn
    if i % 6 == 0:
        del row["text"]
    return row


ROWS = [_row(i) for i in range(1_500)]


def _batches(rows: Sequence[dict[str, Any]], size: int) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist(rows[at : at + size], SCHEMA) for at in range(0, len(rows), size)]


def presample_rows(
    folder: Path, rows: Any, *beam_args: str, schema: pa.Schema | None = SCHEMA, **options: Any
) -> Dataset:
    """Runs a pipeline of rows, or of a transform that makes them."""
    chosen = PresampleOptions(output=str(folder), **{"label": "y", **OPTIONS, **options})
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *beam_args])) as pipeline:
        source = rows if isinstance(rows, beam.PTransform) else beam.Create(rows)
        published = pipeline | "Source" >> source | Presample(chosen, schema=schema)
        _ = published | beam.Map(_note, str(folder) + ".id")
    made = Dataset(folder, Manifest.load(folder))
    assert Path(str(folder) + ".id").read_text() == f"{made.manifest.dataset_id}\n"  # one element, the manifest
    assert not list(folder.glob(".presample-*"))
    return made


def _note(manifest: Manifest, path: str) -> None:
    with Path(path).open("a") as file:
        file.write(manifest.dataset_id + "\n")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    made = presample_rows(tmp_path_factory.mktemp("rows") / "dataset", ROWS, shard_size=5_000)
    assert made.sizes().keys() == {"often", "seldom"}
    assert len(list(made.manifest.shards())) > 8
    assert made.manifest.rejected["reasons"]["label"] == 30
    assert 0 < made.manifest.rejected["reasons"]["type"] < 30
    assert verify(made.folder).whole
    return made


def test_the_same_shards_as_from_parquet(presample: RunOnFiles, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_batches(_batches(ROWS, 400)), tmp_path / "rows.parquet", row_group_size=170)
    from_file = presample(tmp_path / "rows.parquet", **OPTIONS)
    made = presample_rows(tmp_path / "made", ROWS)
    shards = [{k: v for k, v in one.files().items() if not k.startswith("rejected")} for one in (made, from_file)]
    assert shards[0] == shards[1]
    documents = [one.manifest.to_document() for one in (made, from_file)]
    for name in ("schema", "sampling", "splits"):
        assert documents[0][name] == documents[1][name]
    assert documents[0]["options"] == documents[1]["options"]
    assert documents[0]["source"] == {
        "patterns": [], "format": "pcollection", "files": 0, "bytes": 0, "rows": 1_500,
        "rejected_rows": documents[1]["source"]["rejected_rows"],
    }  # fmt: skip
    bad = [[(row["reason"], json.loads(row["raw"])) for row in one.rejected()] for one in (made, from_file)]
    assert sorted((reason, row["key"], row["part"]) for reason, row in bad[0]) == sorted(
        (reason, row["key"], row["part"]) for reason, row in bad[1]
    )


@pytest.mark.parametrize(
    ("rows", "beam_args", "block_size"),
    [
        (random.Random(0).sample(ROWS, len(ROWS)), (), 4_000),
        ([batch.select(SCHEMA.names[::-1]) for batch in _batches(ROWS, 1)], (), 1 << 22),
        (_batches(ROWS, 97), THREADS, 9_000),
        (_batches(ROWS, 1_500), (), 700),
        ([*ROWS[:400], *_batches(ROWS[400:], 300)], PROCESSES, 20_000),
    ],
    ids=["shuffled", "single", "threads", "cut", "mixed-processes"],
)
def test_the_same_however_rows_arrive(
    reference: Dataset, tmp_path: Path, rows: Any, beam_args: tuple[str, ...], block_size: int
) -> None:
    made = presample_rows(tmp_path / "made", rows, *beam_args, shard_size=5_000, block_size=block_size)
    assert made.manifest.dataset_id == reference.manifest.dataset_id
    assert made.files() == reference.files()


class _Windowed(beam.PTransform):
    """The rows, spread over windows of ten seconds."""

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        rows = pipeline | beam.Create(list(enumerate(ROWS))) | beam.MapTuple(lambda i, row: TimestampedValue(row, i))
        return rows | beam.WindowInto(FixedWindows(10))


def test_windows_are_one_dataset(reference: Dataset, tmp_path: Path) -> None:
    made = presample_rows(tmp_path / "made", _Windowed(), shard_size=5_000)
    assert made.manifest.dataset_id == reference.manifest.dataset_id


def test_gzip_holds_the_same_rows(reference: Dataset, tmp_path: Path) -> None:
    made = presample_rows(tmp_path / "made", _batches(ROWS, 211), compression="gzip")
    assert verify(made.folder).whole
    for split in ("train", "eval"):
        rows = [one.rows(split=split) for one in (made, reference)]
        kept = [sorted((row["key"], row["part"], row["weight"]) for row in one) for one in rows]
        assert kept[0] == kept[1]


def test_shards_are_about_as_large_as_asked(tmp_path: Path) -> None:
    rows = [{"id": i, "y": int(i % 4 == 0), "text": str(hash(i / 7)) * (40 if i % 4 == 0 else 1)} for i in range(8_000)]
    schema = pa.schema([("id", pa.int64()), ("y", pa.int64()), ("text", pa.string())])
    job = PresampleOptions(
        output=str(tmp_path / "made"), label="y", row_id=("id",), strategy="none", shard_size=100_000
    )
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create([pa.RecordBatch.from_pylist(rows, schema)]) | Presample(job, schema=schema)
    made = Dataset(tmp_path / "made", Manifest.load(tmp_path / "made"))
    for label, entry in made.classes().items():
        assert len(entry.shards) > 1, label
        assert all(50_000 <= shard.bytes <= 150_000 for shard in entry.shards), label


def test_a_dataset_is_replaced(tmp_path: Path) -> None:
    first = presample_rows(tmp_path / "made", ROWS)
    Path(f"{first.folder}.id").unlink()
    second = presample_rows(tmp_path / "made", ROWS, seed=6, overwrite="purge")
    assert second.manifest.dataset_id != first.manifest.dataset_id
    assert set(second.files()) == second.manifest.files()
