"""The same bytes and dataset_id whatever reads the source, in whatever pieces."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from beam_jobs import PresampleOptions, driver
from beam_jobs.failures import BandMissedError
from beam_jobs.output import Output
from tests.beam_jobs.conftest import Dataset, Presample, run_job
from tests.input_fns.conftest import feature
from tfrecord_io.manifest import Manifest

OPTIONS = {
    "strategy": "counts:0=150,1=700,2=333",
    "weight_in": "w",
    "weights": "balanced",
    "splits": "train=0.8,eval=0.2",
    "shard_size": 3000,
    "seed": 11,
    "max_bad_fraction": 0.1,
}


def _row(i: int) -> str:
    label = 0 if i % 10 < 6 else 1 if i % 10 < 9 else 2
    text = f'"quoted, ""{i}"""' if i % 4 else ""
    return f"{label},{i},{i % 9 / 8 + 1e-9 * i},{text},{'NA' if i % 5 == 0 else i / 3}"


def _lines(part: int) -> list[str]:
    lines = [_row(i) for i in range(part * 900, part * 900 + 900)]
    lines[part * 7 + 5 : part * 7 + 5] = ["", "bad line", '1,2,3,"open,5']
    return lines


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four CSV files in two folders: CRLF, gzip, empty lines, bad lines, missing values."""
    folder = tmp_path_factory.mktemp("source")
    header = "y,id,w,text,f"
    for part in range(4):
        path = folder / f"day{part % 2}" / f"part{part}.csv"
        path.parent.mkdir(exist_ok=True)
        end = "\r\n" if part == 1 else "\n"
        content = end.join([header, *_lines(part)]).encode() + (end.encode() if part < 3 else b"")
        path.write_bytes(gzip.compress(content) if part == 2 else content)
    return folder


@pytest.fixture(scope="session")
def reference(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    made = run_job(tmp_path_factory.mktemp("reference") / "dataset", source / "*/*.csv", (), **OPTIONS)
    assert made.manifest.source["rejected_rows"] == 8
    assert len(list(made.manifest.shards())) > 30
    return made


def _assert_same(made: Dataset, reference: Dataset) -> None:
    assert made.manifest.dataset_id == reference.manifest.dataset_id
    assert made.files() == reference.files()


THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
IN_MEMORY = ("--direct_running_mode=in_memory",)


@pytest.mark.parametrize(
    ("beam_args", "block_size"),
    [(IN_MEMORY, 8 << 20), (THREADS, 2_000), (THREADS, 8 << 20), (PROCESSES, 2_000)],
)
def test_running_modes(
    presample: Presample, source: Path, reference: Dataset, beam_args: tuple[str, ...], block_size: int
) -> None:
    _assert_same(presample(source / "*/*.csv", beam_args, **OPTIONS, block_size=block_size), reference)


@pytest.mark.parametrize("block_size", [190, 1_000, 64_000])
def test_block_sizes(presample: Presample, source: Path, reference: Dataset, block_size: int) -> None:
    _assert_same(presample(source / "*/*.csv", **OPTIONS, block_size=block_size), reference)


def test_patterns_in_another_order_and_twice(presample: Presample, source: Path, reference: Dataset) -> None:
    patterns = [source / "day1/part3.csv", source / "day?/*", source / "day0/*.csv", source / "**/part1.csv"]
    _assert_same(presample(patterns, **OPTIONS), reference)


def test_another_listing_order_in_another_place(
    presample: Presample, source: Path, reference: Dataset, tmp_path: Path
) -> None:
    for path in sorted(source.glob("*/*"), reverse=True):  # made in another order, in folders that were moved
        target = tmp_path / "elsewhere" / "deep" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    _assert_same(presample(tmp_path / "elsewhere/*/*/*.csv", **OPTIONS), reference)


def test_gzip_output(presample: Presample, source: Path, reference: Dataset) -> None:
    options = OPTIONS | {"compression": "gzip"}
    made = presample(source / "*/*.csv", **options)
    _assert_same(presample(source / "*/*.csv", THREADS, **options, block_size=1_500), made)
    assert made.ids() == reference.ids()


def test_gzip_shards_hold_what_plain_ones_do(presample: Presample, source: Path) -> None:
    options = OPTIONS | {"shard_size": 10_000_000}
    made = presample(source / "*/*.csv", **options, compression="gzip")
    reference = presample(source / "*/*.csv", **options)
    plain = [gzip.decompress(data) for name, data in made.files().items() if name.endswith(".gz")]
    assert sorted(plain) == sorted(data for name, data in reference.files().items() if name.endswith(".tfrecord"))
    assert all(data[4:8] == bytes(4) for name, data in made.files().items() if name.endswith(".gz"))  # no clock


def test_manifests_differ_in_what_they_may_alone(presample: Presample, source: Path, reference: Dataset) -> None:
    made = presample([source / "day0/*", source / "day1/*"], **OPTIONS)
    documents = [one.manifest.to_document() for one in (made, reference)]
    assert documents[0]["source"].pop("patterns") != documents[1]["source"].pop("patterns")
    for document in documents:
        del document["created"], document["producer"]
    assert documents[0] == documents[1]


def test_another_seed_and_another_shard_size(presample: Presample, source: Path, reference: Dataset) -> None:
    other = presample(source / "*/*.csv", **OPTIONS | {"seed": 12})
    assert other.manifest.dataset_id != reference.manifest.dataset_id
    assert other.ids() != reference.ids()
    larger = presample(source / "*/*.csv", **OPTIONS | {"shard_size": 20_000})
    assert larger.manifest.dataset_id != reference.manifest.dataset_id
    assert larger.ids() == reference.ids()


def _as_parquet(source: Path, folder: Path) -> Path:
    text = "\n".join(["y,id,w,f", *(",".join(_row(i).split(",")[:3]) + f",{i / 3}" for i in range(3600))])
    (folder / "all.csv").write_text(text)
    pq.write_table(pa_csv.read_csv(folder / "all.csv"), folder / "rows.parquet", row_group_size=500)
    return folder / "rows.parquet"


def _as_tfrecord(source: Path, folder: Path) -> Path:
    with tf.io.TFRecordWriter(str(folder / "rows.tfrecord")) as writer:
        for i in range(3600):
            label, number, weight = _row(i).split(",")[:3]
            values = {"y": int(label), "id": int(number), "w": float(weight)}
            features = tf.train.Features(feature={name: feature(value) for name, value in values.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return folder / "rows.tfrecord"


@pytest.mark.parametrize("convert", [_as_parquet, _as_tfrecord], ids=["parquet", "tfrecord"])
def test_other_formats(
    presample: Presample, source: Path, tmp_path: Path, convert: Callable[[Path, Path], Path]
) -> None:
    path = convert(source, tmp_path)
    made = presample(path, **OPTIONS)
    assert sum(made.sizes().values()) == 150 + 700 + 333
    _assert_same(presample(path, THREADS, **OPTIONS, block_size=900), made)
    if convert is _as_parquet:
        _assert_same(presample(path, PROCESSES, **OPTIONS), made)


def test_a_missed_band_is_redone(source: Path, reference: Dataset, tmp_path: Path) -> None:
    options = PresampleOptions(input=(str(source / "*/*.csv"),), output=str(tmp_path / "redone"), label="y", **OPTIONS)
    output = Output(options.output)
    job = driver.make_job(options, (), output, ".presample-test")
    narrow = dataclasses.replace(job, band_nats=0.0)
    output.prepare(job.run_folder)
    with pytest.raises(BandMissedError):
        driver._run_pipeline(narrow, ())
    assert not output.has_dataset()
    driver._run_until_exact(narrow, ())
    output.delete_folder(job.run_folder)
    _assert_same(Dataset(tmp_path / "redone", Manifest.load(tmp_path / "redone")), reference)
