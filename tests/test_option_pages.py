"""The commands of the pages about options, run as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.presample import main
from tfrecord_io import records
from tfrecord_io.examples import encode_examples
from tfrecord_io.manifest import Manifest

DOCS = Path(__file__).parents[1] / "docs"
ROWS = 600


def _commands(page: str) -> list[str]:
    """Each one with the lines that follow until its quotes are closed; those of BigQuery have a test of their own."""
    blocks = re.findall(r"(?:^    .*\n)+", (DOCS / page).read_text(), flags=re.MULTILINE)
    return [
        " ".join(block.split()) for block in blocks if block.startswith("    presample run") and "bq://" not in block
    ]


def _row(i: int) -> str:
    day = f"2024-{9 + i % 3:02d}-{i % 28 + 1:02d}"
    return f"{i},{int(i % 10 == 0)},{i % 300},{'DE' if i % 4 else 'FR'},{day},{i % 90:05d},{i % 70},{day}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pages take for granted: data in three formats."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/part0.csv").write_text(
        "\n".join(["id,clicked,amount,country,created,zip,age,since", *map(_row, range(ROWS))]) + "\n"
    )
    (tmp_path / "comments.csv").write_text(
        "toxic,text\n" + "".join(f'{int(i % 10 == 0)},"first\nsecond ""{i}"""\n' for i in range(200))
    )
    table = pa.table(
        {
            "clicked": [int(i % 10 == 0) for i in range(ROWS)],
            "embedding": pa.array([[0.5] * 4] * ROWS, pa.list_(pa.float32())),
            "seen": pa.array([i * 10**6 for i in range(ROWS)], pa.timestamp("us")),
            "price": pa.array([None, *map(str, range(1, ROWS))]).cast(pa.decimal128(9, 2)),
            "home": pa.array([{"city": "Bonn"}] * ROWS),
        }
    )
    pq.write_table(table, tmp_path / "data/part0.parquet")
    columns = {
        "clicked": table.column("clicked").combine_chunks(),
        "embedding": table.column("embedding").combine_chunks(),
        "age": pa.array([i % 70 for i in range(ROWS)]),
        "since": pa.array([None if i % 5 else 19_000 + i for i in range(ROWS)], pa.int64()),
    }
    payloads = encode_examples(pa.RecordBatch.from_pydict(columns))
    (tmp_path / "data/part0.tfrecord").write_bytes(records.frame(payloads))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("page", "least"), [("sources.md", 5), ("strategies.md", 5)], ids=["sources", "strategies"])
def test_every_command_of_the_page_runs(home: Path, page: str, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    commands = _commands(page)
    assert len(commands) >= least
    for command in commands:
        code = main([*shlex.split(command)[2:], "--overwrite"])
        printed = capsys.readouterr()
        assert code == 0, f"{command}\n{printed.err}"
        assert not printed.err.startswith("presample:"), command
        output = command.split("--output ")[1].split()[0]
        assert "--plan_only" in command or list(Manifest.load(home / output).shards())
